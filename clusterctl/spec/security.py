"""Sections ``security`` and ``secrets``: what of a cluster is closed to strangers, and where its key comes from.

All parts are closed, and the file names exceptions.
"""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from clusterctl.spec.types import AbsolutePath, StrictModel, Text, matching, rule_error

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Part(StrEnum):
    """A part of a cluster that is closed by itself."""

    MESOS = "mesos"  # authentication and ACLs of frameworks, agents and operators
    ZOOKEEPER = "zookeeper"  # ACLs of the tree, authentication between members
    MARATHON = "marathon"  # a password for its API
    BUILDS = "builds"  # what tenants' users may reach from their node
    UNITS = "units"  # hardening of the services' units
    NETWORK = "network"  # security groups by tier


OPEN = "open"  # instead of networks

# Parts that need files with secrets on the nodes
WITH_SECRETS = (Part.MESOS, Part.ZOOKEEPER, Part.MARATHON)

PartName = Literal["mesos", "zookeeper", "marathon", "builds", "units", "network"]


PartOrAll = Literal["mesos", "zookeeper", "marathon", "builds", "units", "network", "all"]


def _list_of(names: Any) -> tuple[Any, ...]:
    """One entry needs no list."""
    one = {"type": "string", "enum": list(get_args(names))}
    return (
        BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
        Field(strict=False),
        WithJsonSchema({"anyOf": [one, {"type": "array", "items": one}]}, mode="validation"),
    )


def _egress(value: object) -> str | tuple[str, ...]:
    """``open``, or networks as Python writes them."""
    if value == OPEN:
        return OPEN
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple):
        raise rule_error("egress", f"found {value!r}; allowed: {OPEN!r}, or a list of networks such as 192.0.2.0/24")
    return tuple(_network(each, index) for index, each in enumerate(found))


def _network(value: object, index: int) -> str:
    try:
        return str(ip_network(str(value)))
    except ValueError as error:
        raise rule_error(
            "cidr", f"found {value!r}; allowed: {OPEN!r}, or networks such as 192.0.2.0/24 ({error})", (index,)
        ) from error


_EGRESS = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}


class EgressSettings(StrictModel):
    """What builds may reach, beside their master."""

    egress: Annotated[str | tuple[str, ...], PlainValidator(_egress), WithJsonSchema(_EGRESS)] = Field(
        default=OPEN,
        description="'open': whatever the network lets them, but control nodes, other agents, other tenants' masters "
        "and metadata services; or the only networks (CIDRs) that they reach, of which none opens these",
    )


class SecuritySettings(StrictModel):
    """Exceptions from the default."""

    insecure: Annotated[tuple[PartOrAll, ...], *_list_of(PartOrAll)] = Field(
        default=(), description="parts that stay open to whoever reaches them; 'all': every part"
    )
    require: Annotated[tuple[PartName, ...], *_list_of(PartName)] = Field(
        default=(), description="parts that must be closed: all are, so this only keeps 'insecure' from opening them"
    )

    builds: EgressSettings = EgressSettings()

    @model_validator(mode="after")
    def _one_wish(self) -> SecuritySettings:
        for index, name in enumerate(self.require):
            if name in self.insecure or "all" in self.insecure:
                raise rule_error("security", f"found '{name}', which security.insecure leaves open", ("require", index))
        return self

    def closes(self, part: Part) -> bool:
        """Whether ``part`` is closed."""
        return part not in self.insecure and "all" not in self.insecure

    @property
    def open_parts(self) -> tuple[Part, ...]:
        """Parts that are not closed."""
        return tuple(part for part in Part if not self.closes(part))


class SecretsSettings(StrictModel):
    """Where the cluster's key comes from, from which all its secrets are derived (``clusterctl.secrets``)."""

    source: Literal["control", "barbican", "file", "env", "command"] = Field(
        default="control",
        alias="from",
        description="'control': made by 'create', kept on the control nodes for root alone; 'barbican': made by "
        "'create', kept in the cloud's key manager",
    )
    path: AbsolutePath | None = Field(default=None, description="with 'from: file', of the operator's machine")
    variable: Annotated[str, matching(_VARIABLE, "the name of an environment variable")] | None = Field(
        default=None, description="with 'from: env'"
    )
    command: tuple[Text, ...] | None = Field(
        default=None, min_length=1, strict=False, description="with 'from: command': program and arguments, no shell"
    )

    @model_validator(mode="after")
    def _fitting(self) -> SecretsSettings:
        keys = {"file": "path", "env": "variable", "command": "command"}
        for source, key in keys.items():
            given = getattr(self, key) is not None
            if given and source != self.source:
                raise rule_error("secrets", f"found '{key}' with 'from: {self.source}'; it is for '{source}'", (key,))
            if not given and source == self.source:
                raise rule_error("secrets", f"'from: {source}' needs '{key}'", ("from",))
        return self
