"""From command line and environment to a Config, refusing what Marathon 1.11 or the stand-in does not know.

``--flag value`` and ``--flag=value``; toggles are ``--flag`` and ``--disable_flag``. MARATHON_FLAG=value is
``--flag value``, MARATHON_FLAG= (empty) is ``--flag``; MARATHON_APP_* is not ours (Marathon sets it for its tasks).
A flag given twice, by environment and command line too, is an error, as in Marathon since 1.6.
MESOSPHERE_HTTP_CREDENTIALS is the default of --http_credentials and no flag: both may be there.
"""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from .config import Config, parse_zk_url
from .flagtable import ACCEPTED, FEATURES_REFUSED, FEATURES_USED, FIXED, REFUSED, REMOVED, USED, Flag

FLAGS = {flag.name: flag for flag in USED + ACCEPTED}
_TOGGLES = {name for name, flag in FLAGS.items() if flag.kind == "toggle"}
_ENV_PREFIX, _ENV_IGNORED = "MARATHON_", "MARATHON_APP_"


class FlagError(Exception):
    """A flag or its value is not acceptable; the message names it and what would be."""


def from_environment(environ: Mapping[str, str]) -> list[str]:
    """Return the arguments that the MARATHON_* variables of ``environ`` stand for."""
    args: list[str] = []
    for name, value in sorted(environ.items()):
        if name.startswith(_ENV_PREFIX) and not name.startswith(_ENV_IGNORED):
            args.append("--" + name.removeprefix(_ENV_PREFIX).lower())
            if value:
                args.append(value)
    return args


def parse(args: Sequence[str], http_credentials: str | None = None) -> Config:
    """Return the configuration that ``args`` ask for; ``http_credentials`` count if no flag names any.

    Raises FlagError.
    """
    given: dict[str, Any] = {}
    queue = list(args)
    while queue:
        name, value = _take(queue)
        if name in given:
            raise FlagError(f"--{name} is given more than once (the environment's MARATHON_{name.upper()} counts)")
        given[name] = value
    for name, only in FIXED.items():
        if given.get(name, only) != only:
            raise FlagError(f"--{name}: the stand-in lacks it but for {only!r}, got {given[name]!r}")
    without_effect = {flag.name: given.get(flag.name, flag.default) for flag in ACCEPTED}
    given.setdefault("http_credentials", http_credentials)
    return _config({flag.name: given.get(flag.name, flag.default) for flag in USED}, without_effect)


def _take(queue: list[str]) -> tuple[str, Any]:
    """Take one flag with its value off the front of ``queue``."""
    word = queue.pop(0)
    if not word.startswith("--") or word == "--":
        raise FlagError(f"unexpected argument {word!r}; flags look like --flag value")
    name, equals, inline = word[2:].partition("=")
    toggle = name.removeprefix("disable_")
    if toggle in _TOGGLES:
        if equals or (queue and not queue[0].startswith("--")):
            raise FlagError(f"--{name} takes no value, got {inline if equals else queue[0]!r}")
        return toggle, name == toggle
    _refuse_unknown(name, toggle)
    if not equals:
        if not queue or queue[0].startswith("--"):
            raise FlagError(f"--{name} needs a value")
        inline = queue.pop(0)
    return name, _value(FLAGS[name], inline)


def _refuse_unknown(name: str, without_disable: str) -> None:
    if name in FLAGS:
        return
    if name in REMOVED:
        raise FlagError(f"--{name} is not a flag of Marathon 1.11: {REMOVED[name]}")
    if name in REFUSED or without_disable in REFUSED:
        raise FlagError(f"--{name} is a flag of Marathon 1.11, but the stand-in lacks it")
    raise FlagError(f"unknown flag --{name}")


def _value(flag: Flag, text: str) -> Any:
    if not text:
        raise FlagError(f"--{flag.name} needs a value, got an empty one")
    if flag.kind in ("count", "port"):
        if not re.fullmatch(r"[0-9]{1,15}", text):
            raise FlagError(f"--{flag.name} needs a whole number, got {text!r}")
        number = int(text)
        if flag.kind == "port" and not 1 <= number <= 65535:
            raise FlagError(f"--{flag.name} needs a port between 1 and 65535, got {text}")
        return number
    if "|" in flag.kind:
        if text.lower() in flag.kind.split("|"):
            return text.lower()
        raise FlagError(f"--{flag.name} allows {flag.kind.replace('|', ', ')}; got {text!r}")
    if flag.kind in ("zk", "url") and (flag.kind == "zk" or text.startswith("zk:")):
        try:
            parse_zk_url(text)
        except ValueError as exc:
            raise FlagError(f"--{flag.name}: {exc}") from exc
    return text


def _config(values: dict[str, Any], without_effect: dict[str, Any]) -> Config:
    if values["master"] is None:
        raise FlagError("--master is required, for instance --master zk://host1:2181,host2:2181/mesos")
    if not values["master"].startswith("zk:") and not re.fullmatch(r"(http://)?[A-Za-z0-9.-]+:\d+/?", values["master"]):
        raise FlagError(f"--master needs zk://host:port,.../path or host:port, got {values['master']!r}")
    values["zk"] = parse_zk_url(values["zk"])
    values["hostname"] = values["hostname"] or socket.gethostname()
    values["mesos_role"] = values["mesos_role"] or "*"
    values["mesos_user"] = values["mesos_user"] or getpass.getuser()
    values["enable_features"] = _features(values["enable_features"] or "")
    if values["mesos_authentication"] and not values["mesos_authentication_principal"]:
        raise FlagError("--mesos_authentication needs --mesos_authentication_principal")
    if values["mesos_authentication_secret"] and values["mesos_authentication_secret_file"]:
        raise FlagError("--mesos_authentication_secret and --mesos_authentication_secret_file exclude each other")
    if values["local_port_min"] > values["local_port_max"]:
        raise FlagError("--local_port_min must not be above --local_port_max")
    return Config(**values, without_effect=without_effect)


def _features(text: str) -> tuple[str, ...]:
    features = tuple(part.strip() for part in text.split(",") if part.strip())
    for feature in features:
        if feature in FEATURES_REFUSED:
            raise FlagError(f"--enable_features: {feature} is a feature of Marathon 1.11, but the stand-in lacks it")
        if feature not in FEATURES_USED:
            raise FlagError(f"--enable_features: unknown feature {feature}; known: {', '.join(sorted(FEATURES_USED))}")
    return features
