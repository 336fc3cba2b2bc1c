"""What a war and plugins say of themselves in their manifests, and whether a set of them is complete.

A manifest is ``META-INF/MANIFEST.MF`` of a zip file: lines ``Name: value`` of 72 bytes, longer ones continued by a line
that begins with a blank (JAR file specification). Jenkins fetches nothing: it disables a plugin that lacks another.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from clusterctl.errors import InputError
from clusterctl.jenkins.combinations import METRICS_FROM
from clusterctl.numbers import at_least

MANIFEST = "META-INF/MANIFEST.MF"
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Dependency:
    """``name:version`` of Plugin-Dependencies."""

    name: str
    version: str
    optional: bool


@dataclass(frozen=True)
class Manifest:
    """The main section of a manifest."""

    values: Mapping[str, str]

    @property
    def core(self) -> str:
        """A war: its version; a plugin: the oldest core that it runs with. Empty if it is not told."""
        return self.values.get("Jenkins-Version") or self.values.get("Hudson-Version", "")

    @property
    def name(self) -> str:
        """A plugin's short name, empty for other files."""
        return self.values.get("Short-Name") or self.values.get("Extension-Name", "")

    @property
    def version(self) -> str:
        """A plugin's version; builds of one's own have a remark behind it."""
        return (self.values.get("Plugin-Version") or "").partition(" ")[0]

    @property
    def dependencies(self) -> tuple[Dependency, ...]:
        """Other plugins that a plugin needs or can use."""
        entries = (each.strip() for each in self.values.get("Plugin-Dependencies", "").split(","))
        return tuple(_dependency(each) for each in entries if each)


def parse(text: str) -> Manifest:
    """The main section: what stands before the first empty line."""
    values: dict[str, str] = {}
    last = None
    for line in text.splitlines():
        if not line.strip():
            break
        if line.startswith(" ") and last is not None:
            values[last] += line[1:]
        else:
            name, _, value = line.partition(":")
            values[name] = value.removeprefix(" ")
            last = name
    return Manifest(values)


def read(path: Path, key: str) -> Manifest:
    """The manifest of a war, ``.hpi`` or ``.jpi``.

    Args:
        key: of ``artifacts.yml``, for the message.

    Raises:
        InputError: it is not a zip file, or has no manifest.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(MANIFEST) as file:
            return parse(file.read(MAX_BYTES).decode("utf-8", "replace"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{key}: {path.name} is neither a war nor a plugin: {str(error).strip(chr(34))}") from error


def problems(war: Manifest, version: str, plugins: Mapping[str, tuple[str, Manifest]]) -> list[str]:
    """What is wrong with a war and plugins as a set; empty if it is complete.

    Args:
        version: of the war in ``artifacts.yml``.
        plugins: name in ``artifacts.yml`` -> version there and manifest.
    """
    found = (
        [] if war.core == version else [f"artifacts.jenkins.version: found {version!r}; the war is {_told(war.core)}"]
    )
    for name, (wanted, plugin) in plugins.items():
        at = f"artifacts.jenkins_plugins.{name}"
        if not plugin.name or not plugin.version:
            found.append(f"{at}: the file is not a plugin: its manifest has no Short-Name or no Plugin-Version")
            continue
        if plugin.name != name or plugin.version != wanted:
            found.append(f"{at}: found version {wanted}; the file is {plugin.name} {plugin.version}")
        if plugin.core and not at_least(war.core, plugin.core):
            found.append(f"{at}: needs core {plugin.core}; the war is {_told(war.core)}")
        found += [f"{at}: {each}" for each in _missing(plugin, plugins)]
    return found


def _missing(plugin: Manifest, there: Mapping[str, tuple[str, Manifest]]) -> Iterator[str]:
    for each in plugin.dependencies:
        if each.name not in there:
            if not each.optional:
                yield f"needs {each.name} {each.version} or newer, which is not in jenkins_plugins; add it"
        elif (version := there[each.name][1].version) and not at_least(version, each.version):
            yield f"needs {each.name} {each.version} or newer; found {version}"
    if plugin.name == "mesos" and at_least(plugin.version, METRICS_FROM) and "metrics" not in there:
        declared = any(each.name == "metrics" and not each.optional for each in plugin.dependencies)
        if not declared:
            yield "needs metrics whenever it asks for an agent, though it declares it as optional; add it"


def _dependency(entry: str) -> Dependency:
    reference, *attributes = entry.split(";")
    name, _, version = reference.partition(":")
    return Dependency(name.strip(), version.strip(), any("resolution:=optional" in each for each in attributes))


def _told(text: str) -> str:
    return text or "without a version"
