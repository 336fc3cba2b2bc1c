"""Freestyle jobs and their builds, as they lie in JENKINS_HOME/jobs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from .errors import Refused
from .xmltools import boolean_of, document, element, integer_of, parse, parse_file, text_of

_UNSAFE = re.compile(r"[?*/\\%!@#$^&|<>\[\]:;\x00-\x1f]")  # jenkins.model.Jenkins.checkGoodName
_SHELL = "hudson.tasks.Shell"
_PARAMETERS = "hudson.model.ParametersDefinitionProperty"
_STRING = "hudson.model.StringParameterDefinition"
_NO_EFFECT = {  # elements that change nothing of what the stand-in does
    "actions", "description", "keepDependencies", "blockBuildWhenDownstreamBuilding", "authToken",
    "blockBuildWhenUpstreamBuilding", "displayName", "logRotator", "scmCheckoutRetryCount",
}  # fmt: skip
_KNOWN = _NO_EFFECT | {
    "properties", "scm", "assignedNode", "canRoam", "disabled", "triggers", "concurrentBuild", "builders",
    "publishers", "buildWrappers", "quietPeriod",
}  # fmt: skip


def check_name(name: str) -> None:
    """Raise Refused as Jenkins does for a job's name."""
    if not name.strip():
        raise Refused(400, "No name is specified")
    if name in (".", ".."):
        raise Refused(400, f"‘{name}’ is not an allowed name")
    if found := _UNSAFE.search(name):
        raise Refused(400, f"‘{found[0]}’ is an unsafe character")


@dataclass(frozen=True)
class Definition:
    """What a job's config.xml says. ``label`` None: none assigned."""

    label: str | None
    disabled: bool
    concurrent: bool
    quiet_period_s: int | None
    description: str
    parameters: Mapping[str, str]  # name -> default
    steps: tuple[str, ...]  # shell scripts, in order


def read_definition(text: str) -> Definition:
    """Read a job's config.xml. Raises Refused for what is malformed or needs more than the stand-in has."""
    try:
        root = parse(text)
    except ValueError as exc:
        raise Refused(500, f"Failed to parse the job's XML: {exc}") from exc
    if root.tag != "project":
        raise Refused(400, f"the stand-in has freestyle jobs only (<project>), found <{root.tag}>")
    if unknown := sorted({child.tag for child in root} - _KNOWN):
        raise Refused(400, f"the stand-in does not know the elements {', '.join(unknown)} of a job")
    for name in ("triggers", "publishers", "buildWrappers"):
        child = root.find(name)
        if child is not None and len(child):
            raise Refused(400, f"the stand-in has no {name}, found <{child[0].tag}>")
    scm = root.find("scm")
    if scm is not None and scm.get("class", "hudson.scm.NullSCM") != "hudson.scm.NullSCM":
        raise Refused(400, f"the stand-in has no {scm.get('class')}")
    label = (text_of(root, "assignedNode") or "").strip() or None
    if label is not None and not re.fullmatch(r"[^\s!&|<>()\"]+", label):
        raise Refused(400, f"the stand-in has single labels only, no expression such as {label!r}")
    return Definition(
        label=None if boolean_of(root, "canRoam") else label,
        disabled=boolean_of(root, "disabled"),
        concurrent=boolean_of(root, "concurrentBuild"),
        quiet_period_s=None if root.find("quietPeriod") is None else integer_of(root, "quietPeriod"),
        description=text_of(root, "description") or "",
        parameters=_parameters(root),
        steps=_steps(root),
    )


def _parameters(root: ET.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for property_ in root.find("properties") if root.find("properties") is not None else []:  # type: ignore[union-attr]
        if property_.tag != _PARAMETERS:
            raise Refused(400, f"the stand-in does not know the property {property_.tag}")
        for definition in property_.find("parameterDefinitions") or []:
            if definition.tag != _STRING:
                raise Refused(400, f"the stand-in has string parameters only, found {definition.tag}")
            found[text_of(definition, "name") or ""] = text_of(definition, "defaultValue") or ""
    return found


def _steps(root: ET.Element) -> tuple[str, ...]:
    steps = []
    builders = root.find("builders")
    for builder in builders if builders is not None else []:
        if builder.tag != _SHELL:
            raise Refused(400, f"the stand-in has shell steps only, found {builder.tag}")
        steps.append(text_of(builder, "command") or "")
    return tuple(steps)


def with_element(text: str, name: str, value: object) -> str:
    """Return a job's config.xml with one child of the root set."""
    root = parse(text)
    child = root.find(name)
    if child is None:
        child = ET.SubElement(root, name)
    child.text = str(value).lower() if isinstance(value, bool) else str(value)
    return document(ET.tostring(root, encoding="unicode"))


@dataclass
class Build:
    """One build. Times in milliseconds since the epoch; ``result`` None while it runs."""

    job: Job
    number: int
    queue_id: int
    timestamp_ms: int  # when it left the queue
    node: str
    cause: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    duration_ms: int = 0
    result: str | None = None
    step: int = 0  # of the definition's steps, the one that runs
    stopping: bool = False

    @property
    def directory(self) -> Path:
        return self.job.directory / "builds" / str(self.number)

    @property
    def log_path(self) -> Path:
        return self.directory / "log"

    def write_log(self, data: bytes) -> None:
        with self.log_path.open("ab") as file:
            file.write(data)

    def save(self) -> None:
        """Write build.xml."""
        parameters = "".join(
            f"<hudson.model.StringParameterValue>{element('name', name)}{element('value', value)}"
            "</hudson.model.StringParameterValue>"
            for name, value in self.parameters.items()
        )
        result = element("result", self.result) if self.result else ""
        body = (
            f"<build><actions><hudson.model.ParametersAction><parameters>{parameters}</parameters>"
            f"</hudson.model.ParametersAction></actions>{element('queueId', self.queue_id)}"
            f"{element('timestamp', self.timestamp_ms)}{element('startTime', self.timestamp_ms)}{result}"
            f"{element('duration', self.duration_ms)}{element('builtOn', self.node)}"
            f"{element('description', self.cause)}</build>"
        )
        write_whole(self.directory / "build.xml", document(body))


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, as Jenkins' AtomicFileWriter does."""
    part = path.with_name(path.name + ".tmp")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


class Job:
    """A job and the builds that were not deleted, by number."""

    def __init__(self, directory: Path, definition: Definition) -> None:
        self.directory = directory
        self.definition = definition
        self.builds: dict[int, Build] = {}
        self.next_number = 1

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def config_path(self) -> Path:
        return self.directory / "config.xml"

    @property
    def last_build(self) -> Build | None:
        return self.builds[max(self.builds)] if self.builds else None

    def running(self) -> Iterator[Build]:
        return (build for build in self.builds.values() if build.result is None)

    def write_config(self, text: str) -> None:
        """Take a new config.xml. Raises Refused."""
        self.definition = read_definition(text)
        self.directory.mkdir(parents=True, exist_ok=True)
        write_whole(self.config_path, text)

    def start_build(self, queue_id: int, now_ms: int, node: str, cause: str, parameters: Mapping[str, str]) -> Build:
        build = Build(self, self.next_number, queue_id, now_ms, node, cause, parameters)
        self.next_number += 1
        build.directory.mkdir(parents=True, exist_ok=True)
        write_whole(self.directory / "nextBuildNumber", f"{self.next_number}\n")
        build.write_log(b"")
        build.save()
        self.builds[build.number] = build
        return build

    def delete_build(self, build: Build) -> None:
        del self.builds[build.number]
        shutil.rmtree(build.directory)

    def estimated_ms(self) -> int:
        """Return the mean of the last three successful builds, -1 if there is none (Job.getEstimatedDuration)."""
        done = [b.duration_ms for _, b in sorted(self.builds.items(), reverse=True) if b.result == "SUCCESS"][:3]
        return round(sum(done) / len(done)) if done else -1


def load(directory: Path) -> Job:
    """Read a job from disk; builds that had not ended are ABORTED. Raises Refused, OSError, ValueError."""
    job = Job(directory, read_definition((directory / "config.xml").read_text(encoding="utf-8")))
    builds = directory / "builds"
    for path in sorted(builds.glob("[0-9]*")) if builds.exists() else []:
        if path.name.isdigit() and (path / "build.xml").exists():
            job.builds[int(path.name)] = _load_build(job, path)
    number = directory / "nextBuildNumber"
    written = int(number.read_text()) if number.exists() else 1
    job.next_number = max([written, *(n + 1 for n in job.builds)])
    return job


def _load_build(job: Job, path: Path) -> Build:
    root = parse_file(path / "build.xml")
    build = Build(
        job=job,
        number=int(path.name),
        queue_id=integer_of(root, "queueId"),
        timestamp_ms=integer_of(root, "timestamp"),
        node=text_of(root, "builtOn") or "",
        cause=text_of(root, "description") or "",
        parameters={
            text_of(value, "name") or "": text_of(value, "value") or ""
            for value in root.iter("hudson.model.StringParameterValue")
        },
        duration_ms=integer_of(root, "duration"),
        result=text_of(root, "result"),
    )
    if build.result is None:
        build.result = "ABORTED"
        build.save()
    return build
