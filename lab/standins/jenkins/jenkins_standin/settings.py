"""What the process was started with: the JVM's system properties, Winstone's arguments, the environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import Usage

# Winstone's options that the stand-in takes; those with None have no effect here.
_ARGUMENTS = {
    "httpPort": "8080",
    "httpListenAddress": "",
    "prefix": "",
    "webroot": None,
    "enable-future-java": None,
    "httpKeepAliveTimeout": None,
    "sessionTimeout": None,
    "sessionEviction": None,
}
_PROVISIONER = "hudson.slaves.NodeProvisioner."
_PORT = "jenkins.model.Jenkins.slaveAgentPort"


@dataclass(frozen=True)
class Settings:
    """Durations in seconds. ``agent_port`` None: none given, 0: any, -1: no listener."""

    home: Path
    http_address: str
    http_port: int
    prefix: str  # "" or "/jenkins"
    agent_port: int | None
    agent_port_enforced: bool
    setup_wizard: bool
    initial_delay_s: float
    recurrence_s: float
    libprocess_address: str
    libprocess_port: int  # 0: any
    minute_s: float  # how long the plugin's and the core's minutes are: 60, or less by the stand-in's own switch
    load_s: float  # how long loading lasts at least
    jenkins_url: str | None  # of the environment: the plugin's last resort for webui_url


def read_launch(lines: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Read what the war's Main writes, up to the empty line; system properties and arguments."""
    properties: dict[str, str] = {}
    arguments: list[str] = []
    for raw in lines:
        line = raw.rstrip("\n")
        if not line:
            return properties, arguments
        kind, _, text = line.partition(" ")
        value = _unescaped(text)
        if kind == "P":
            name, _, content = value.partition("=")
            properties[name] = content
        else:
            arguments.append(value)
    raise Usage("standard input ended before the empty line; this program is started by the war's Main")


def _unescaped(text: str) -> str:
    result, marks = [], {"n": "\n", "r": "\r", "\\": "\\"}
    characters = iter(text)
    for character in characters:
        result.append(marks[next(characters)] if character == "\\" else character)
    return "".join(result)


def read(properties: Mapping[str, str], arguments: Iterable[str], environ: Mapping[str, str]) -> Settings:
    """Return the settings. Raises Usage."""
    given = _read_arguments(arguments)
    home = properties.get("JENKINS_HOME") or environ.get("JENKINS_HOME")
    recurrence_s = _milliseconds(properties, _PROVISIONER + "recurrencePeriod", 10_000)
    return Settings(
        home=Path(home) if home else Path(properties["user.home"]) / ".jenkins",
        http_address=given["httpListenAddress"],
        http_port=_port("--httpPort", given["httpPort"]),
        prefix=_prefix(given["prefix"]),
        agent_port=_integer(_PORT, properties[_PORT]) if _PORT in properties else None,
        agent_port_enforced=properties.get(_PORT + "Enforce") == "true",
        setup_wizard=properties.get("jenkins.install.runSetupWizard", "true") != "false",
        initial_delay_s=_milliseconds(properties, _PROVISIONER + "initialDelay", round(recurrence_s * 10_000)),
        recurrence_s=recurrence_s,
        libprocess_address=environ.get("LIBPROCESS_IP", "0.0.0.0"),
        libprocess_port=_integer("LIBPROCESS_PORT", environ.get("LIBPROCESS_PORT") or "0"),
        minute_s=_milliseconds(properties, "standin.minuteMillis", 60_000),
        load_s=_milliseconds(properties, "standin.loadMillis", 0),
        jenkins_url=environ.get("JENKINS_URL"),
    )


def _read_arguments(arguments: Iterable[str]) -> dict[str, str]:
    given = {name: value for name, value in _ARGUMENTS.items() if value is not None}
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in _ARGUMENTS:
            names = " ".join(f"--{known}" for known in sorted(_ARGUMENTS))
            raise Usage(f"unknown argument {argument!r}; the stand-in takes {names}")
        given[name] = value
    return given


def _prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if prefix and not prefix.startswith("/"):
        raise Usage(f"--prefix must begin with /, got {text!r}")
    return prefix


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Usage(f"{name} must be a whole number, got {text!r}") from None


def _port(name: str, text: str) -> int:
    port = _integer(name, text)
    if not 1 <= port <= 65535:
        raise Usage(f"{name} must be a port, 1 to 65535, got {text!r} (the stand-in serves plain HTTP only)")
    return port


def _milliseconds(properties: Mapping[str, str], name: str, default: int) -> float:
    return _integer(name, properties.get(name, str(default))) / 1000
