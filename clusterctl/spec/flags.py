"""Further flags of Mesos and Marathon: checked, and written as lines of environment files.

How each daemon reads ``MESOS_X`` and ``MARATHON_X``: Mesos takes text for every flag, JSON where the flag is JSON, and
ignores what it doesn't know (stout's flags.hpp); Marathon takes an empty variable for a switch, ``disable_x`` for one
that is off, ignores ``MARATHON_APP_*``, and ends at what it doesn't know (its Main.scala).
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from clusterctl.spec import flagowners, mesosflags
from clusterctl.spec.types import rule_error

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MAX_TEXT = 4096
# Marathon's switches that have no 'disable_'
_ONE_WAY = ("leader_proxy_ssl_ignore_hostname",)

FlagValue = bool | int | float | str | list[Any] | dict[str, Any]


def _mesos_name(what: str, known: Collection[str], owners: Mapping[str, str]) -> Callable[[str], str]:
    def check(name: str) -> str:
        _well_formed(name, owners)
        if name in mesosflags.RENAMED:
            raise rule_error("flag", f"is an old name; Mesos 1.11 calls it '{mesosflags.RENAMED[name]}'")
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f" (did you mean '{close[0]}'?)" if close else ""
            raise rule_error("flag", f"is not a flag of {what}{meant}; Mesos 1.11 would silently ignore it")
        return name

    return check


def _marathon_name(name: str) -> str:
    _well_formed(name, flagowners.MARATHON)
    if name.startswith("disable_"):
        raise rule_error("flag", f"is how Marathon switches off; write '{name.removeprefix('disable_')}: false'")
    if name.startswith("app_"):
        raise rule_error(
            "flag", "can't be given by environment: Marathon ignores variables that begin with MARATHON_APP_"
        )
    return name


def _well_formed(name: str, owners: Mapping[str, str]) -> None:
    if not _NAME.fullmatch(name):
        raise rule_error(
            "flag",
            f"is not the name of a flag; allowed: lower-case letters, digits and '_', without '--': {_tidy(name)}",
        )
    if name in owners:
        raise rule_error("flag", owners[name])


def _tidy(name: str) -> str:
    """The name that was meant."""
    return re.sub(r"[^a-z0-9_]+", "_", name.lower().lstrip("-")).strip("_") or "such as offer_timeout"


def _plain_value(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, (int, float)) and math.isfinite(value)):
        return value
    if not isinstance(value, str):
        raise rule_error("value", f"found {_shown(value)}; allowed: true, false, a number or text")
    return _one_line(value)


def _mesos_value(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        _one_line(json.dumps(value, ensure_ascii=False))
        return value
    return _plain_value(value)


def _one_line(text: str) -> str:
    if not text or not text.isprintable() or re.search(r"\{[{%#]", text) or len(text) > _MAX_TEXT:
        allowed = f"one line of 1 to {_MAX_TEXT} printable characters without '{{{{', '{{%' and '{{#'"
        raise rule_error("value", f"found {_shown(text)}; allowed: {allowed}")
    return text


def _shown(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _no_content(flags: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in flagowners.FILES:
        if name in flags and not str(flags[name]).startswith(("/", "file:///")):
            raise rule_error(
                "flag",
                "is allowed as the path of a file only: what it holds may be a secret, and flags are readable",
                (name,),
            )
    return flags


_PLAIN = {"type": ["boolean", "number", "string"]}
_MesosValue = Annotated[
    Any, BeforeValidator(_mesos_value), WithJsonSchema({"type": [*_PLAIN["type"], "array", "object"]})
]
MasterFlags = dict[
    Annotated[str, AfterValidator(_mesos_name("mesos-master", mesosflags.MASTER, flagowners.MASTER))], _MesosValue
]
AgentFlags = Annotated[
    dict[Annotated[str, AfterValidator(_mesos_name("mesos-agent", mesosflags.AGENT, flagowners.AGENT))], _MesosValue],
    AfterValidator(_no_content),
]
MarathonFlags = dict[
    Annotated[str, AfterValidator(_marathon_name)],
    Annotated[Any, BeforeValidator(_plain_value), WithJsonSchema(_PLAIN)],
]


def mesos_lines(flags: Mapping[str, FlagValue]) -> list[str]:
    """``MESOS_X="value"`` lines, by name."""
    return [_line(f"MESOS_{name.upper()}", _text(value)) for name, value in sorted(flags.items())]


def marathon_lines(flags: Mapping[str, FlagValue]) -> list[str]:
    """``MARATHON_X="value"`` lines, by name."""
    lines = []
    for name, value in sorted(flags.items()):
        if value is True:
            lines.append(f"MARATHON_{name.upper()}=")
        elif value is not False:
            lines.append(_line(f"MARATHON_{name.upper()}", _text(value)))
        elif name not in _ONE_WAY:  # these are off anyway
            lines.append(f"MARATHON_DISABLE_{name.upper()}=")
    return lines


def _text(value: FlagValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _line(name: str, text: str) -> str:
    """Quoted for systemd's EnvironmentFile=, where a backslash keeps these four as they are."""
    quoted = re.sub(r'["$`\\]', r"\\\g<0>", text)
    return f'{name}="{quoted}"'
