"""Kinds of values that cluster files and ``artifacts.yml`` share: each says what is allowed, in words.

A value that a service rewrites (a network's address) is brought into the form in which the service gives it back.
"""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from clusterctl.services import PORTS, Service
from clusterctl.spec import limits

OWN_NETWORK = "network"  # instead of a CIDR
_AGENT_PORT = PORTS[Service.MESOS_AGENT]  # on every node that runs tasks

_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_ROLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_USER = re.compile(r"[a-z_][a-z0-9_-]*")
# Goes into templates and files of one value a line: nothing that Jinja or a reader of lines would take for its own
_LINE = re.compile(r"(?!.*\{[{%#])[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_BASTION = re.compile(r"([a-z_][a-z0-9_-]*@)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:(?P<port>[1-9]\d{0,4}))?")
_RANGE = re.compile(r"([1-9]\d{0,4})-([1-9]\d{0,4})")
# stout's numify: what boost::lexical_cast<double> takes, and hexadecimal whole numbers
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan|0x[0-9a-f]+", re.IGNORECASE)

# Where the operating system and clusterctl itself keep what a node can't do without
_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "root", "run", "sbin", "sys", "tmp")
_SYSTEM_TREES = tuple(f"/{name}" for name in (*_SYSTEM, "usr", "var/run", "var/tmp", "var/lock"))
_NEEDED = (
    "/home",  # the operators' keys
    "/opt/jenkins",
    "/opt/marathon",
    "/var/cache/apt",
    "/var/lib/apt",
    "/var/lib/cloud",
    "/var/lib/clusterctl",
    "/var/lib/dbus",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/log/journal",
)


def rule_error(code: str, message: str, at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """An error of a rule over several keys; ``at`` is the path below the checked model that the loader points to."""
    return PydanticCustomError(code, "{message}", {"message": message, "at": at})


def matching(pattern: re.Pattern[str], allowed: str) -> AfterValidator:
    """A validator of text that must match ``pattern`` as a whole; ``allowed`` says so in words."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise rule_error("format", f"found {value!r}; allowed: {allowed}")
        return value

    return AfterValidator(check)


def ssh_source(value: str) -> str:
    """A CIDR, or the word for the subnets of the nodes' own network.

    A CIDR in the form that Neutron gives back: ``192.0.2.7`` is ``192.0.2.7/32``, IPv6 is short and lower-case.
    """
    if value == OWN_NETWORK:
        return value
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise rule_error(
            "cidr", f"found {value!r}; allowed: {OWN_NETWORK!r}, or a network such as 192.0.2.0/24 ({error})"
        ) from error


def port_range(value: str) -> str:
    """``LOW-HIGH``, for the tasks of agents."""
    match = _RANGE.fullmatch(value)
    low, high = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1024 <= low <= high <= limits.PORT:
        reason = "; the first is larger than the last" if match and low > high else ""
        raise rule_error(
            "ports", f"found {value!r}; allowed: a range between 1024 and {limits.PORT} such as 31000-32000{reason}"
        )
    if low <= _AGENT_PORT <= high:
        raise rule_error("ports", f"found {value!r}; allowed: a range without {_AGENT_PORT}, the agent's own port")
    return value


def absolute(value: str) -> str:
    """A path that needs no quotes anywhere."""
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", value) or {".", ".."} & set(value.split("/")):
        raise rule_error("path", f"found {value!r}; allowed: an absolute path of plain names such as /srv/jenkins")
    return value


def mount_point(value: str, *, at: tuple[str, ...] = ()) -> str:
    """A directory over which a volume can be mounted without hiding what the node needs; ``at``: its place."""
    hidden = next((path for path in _NEEDED if f"{path}/".startswith(f"{value}/")), None)
    inside = next((path for path in _SYSTEM_TREES if f"{value}/".startswith(f"{path}/")), None)
    if hidden or inside:
        what = f"hide {hidden}" if hidden else f"lie in {inside}"
        raise rule_error(
            "mount", f"found {value!r}, which would {what} of the operating system; allowed: such as /srv/jenkins", at
        )
    return value


def _bastion(value: str) -> str:
    match = _BASTION.fullmatch(value)
    if match is None or int(match["port"] or 1) > limits.PORT:
        raise rule_error("bastion", f"found {value!r}; allowed: [user@]host[:port]")
    return value


def _plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise rule_error("plain", f"found {value!r}; allowed: printable text without spaces at its ends")
    return value


def _attribute(value: str) -> str:
    found = attribute_value(value)
    if isinstance(found, float) and (said := _scalar_text(found)) != value:
        advice = f"write {said}, or begin" if math.isfinite(found) else "begin"
        raise rule_error(
            "number",
            f"found {value!r}, which Mesos takes for the number {said or found}; {advice} it with a letter to keep it "
            "text",
        )
    return value


def attribute_value(text: str) -> float | str:
    """An agent's attribute as Mesos takes it (src/common/values.cpp): a scalar if it can be read as a number."""
    if not _NUMBER.fullmatch(text):
        return text
    return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)


def _scalar_text(value: float) -> str:
    """How a scalar is written; Mesos keeps three decimals. Empty for what it doesn't keep."""
    if not math.isfinite(value) or value >= 2**53 / 1000:
        return ""
    return f"{value:.3f}".rstrip("0").rstrip(".")


Label = Annotated[
    str,
    Field(max_length=limits.DNS_LABEL),
    matching(_LABEL, "lower-case letters, digits and '-', beginning with a letter"),
]
RoleName = Annotated[
    str, Field(max_length=limits.TEXT), matching(_ROLE, "letters, digits, '_', '-' and '.' (Mesos roles)")
]
AttributeName = Annotated[str, Field(max_length=limits.TEXT), matching(_ATTRIBUTE, "letters, digits, '_', '-' and '.'")]
AttributeText = Annotated[
    str,
    Field(max_length=limits.TEXT),
    matching(_ATTRIBUTE, "text of letters, digits, '_', '-' and '.' (Mesos attributes)"),
    AfterValidator(_attribute),
]
Text = Annotated[str, Field(min_length=1, max_length=limits.TEXT), AfterValidator(_plain)]
SshSources = Annotated[
    tuple[Annotated[str, AfterValidator(ssh_source)], ...],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),  # one needs no list
    Field(min_length=1, strict=False),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
        mode="validation",
    ),
]
PortRange = Annotated[str, AfterValidator(port_range)]
AbsolutePath = Annotated[str, Field(max_length=limits.TEXT), AfterValidator(absolute)]
MountPoint = Annotated[AbsolutePath, AfterValidator(mount_point)]
Line = Annotated[str, Field(max_length=1024), matching(_LINE, "one line without '{{', '{%' and '{#'")]
UserName = Annotated[str, Field(max_length=limits.LINUX_USER), matching(_USER, "a Linux user name")]
Bastion = Annotated[str, Field(max_length=limits.TEXT), AfterValidator(_bastion)]


class StrictModel(BaseModel):
    """Frozen, without conversions, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)
