"""The plugins in JENKINS_HOME/plugins: manifests, dependencies, what starts with which core."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .buildinfo import numbers

log = logging.getLogger("hudson.PluginManager")
# Plugin -> first core that it cannot start with: a field it uses is gone (see docs/jenkins.md's table).
_TOO_NEW = {0: ("2.328", "AUTOMATIC_SLAVE_LAUNCH"), 1: ("2.328", "AUTOMATIC_SLAVE_LAUNCH"), 2: ("2.509", "targets")}


@dataclass(frozen=True)
class Plugin:
    """``dependencies``: short name -> lowest version; optional ones apart."""

    name: str
    version: str
    core: str
    dependencies: Mapping[str, str]
    optional: Mapping[str, str]
    problem: str | None = None


def read_manifest(text: str) -> dict[str, str]:
    """Return a manifest's main attributes; a line that begins with a space continues the one before."""
    joined = text.replace("\r\n", "\n").replace("\n ", "")
    found = {}
    for line in joined.split("\n"):
        if not line:
            break
        name, _, value = line.partition(": ")
        found[name] = value
    return found


def read(path: Path) -> Plugin:
    """Return the plugin of a .jpi or .hpi file. Raises OSError, KeyError, zipfile.BadZipFile."""
    with zipfile.ZipFile(path) as archive:
        manifest = read_manifest(archive.read("META-INF/MANIFEST.MF").decode())
    needed: dict[str, str] = {}
    optional: dict[str, str] = {}
    for part in filter(None, manifest.get("Plugin-Dependencies", "").split(",")):
        spec, _, resolution = part.partition(";")
        name, _, version = spec.strip().partition(":")
        (optional if "optional" in resolution else needed)[name] = version
    core = manifest.get("Jenkins-Version") or manifest.get("Hudson-Version", "1.0")
    return Plugin(manifest["Short-Name"], manifest["Plugin-Version"], core, needed, optional)


def resolve(found: Mapping[str, Plugin], core: str) -> dict[str, Plugin]:
    """Return the plugins with the problem of each that cannot be started, dependencies first."""
    done: dict[str, Plugin] = {}

    def visit(name: str, path: tuple[str, ...]) -> Plugin:
        if name in done:
            return done[name]
        plugin = found[name]
        problem = None
        if numbers(plugin.core) > numbers(core):
            problem = f"Jenkins ({plugin.core}) or higher required"
        for dependency, version in {**plugin.dependencies, **plugin.optional}.items():
            if dependency not in found:
                if dependency in plugin.dependencies:
                    problem = problem or f"Plugin is missing: {dependency} ({version})"
                continue
            if numbers(found[dependency].version) < numbers(version):
                problem = problem or f"Update required: {dependency} ({found[dependency].version}) to {version}"
            if dependency not in path and dependency in plugin.dependencies:
                failed = visit(dependency, (*path, name)).problem
                problem = problem or (f"Failed to load: {dependency}" if failed else None)
        result = Plugin(plugin.name, plugin.version, plugin.core, plugin.dependencies, plugin.optional, problem)
        done[name] = result
        return result

    for name in sorted(found):
        visit(name, ())
    return done


def load(directory: Path, core: str) -> dict[str, Plugin]:
    """Read and resolve all plugins of a home; problems are logged, as Jenkins does."""
    found: dict[str, Plugin] = {}
    for path in sorted([*directory.glob("*.jpi"), *directory.glob("*.hpi")]):
        try:
            plugin = read(path)
        except (OSError, KeyError, zipfile.BadZipFile) as exc:
            log.log(logging.ERROR, "Failed to load plugin %s: %r", path.name, exc)
            continue
        if path.with_name(path.name + ".disabled").exists():
            log.info("Plugin %s is disabled", plugin.name)
            continue
        found[plugin.name] = plugin
    plugins = resolve(found, core)
    for plugin in plugins.values():
        if plugin.problem:
            log.error("Failed to load: %s (%s) - %s", plugin.name, plugin.version, plugin.problem)
    return plugins


def generation(plugin: Plugin) -> int | None:
    """Return 0, 1 or 2 for a Mesos plugin that the stand-in imitates (0.16, 1.0.0, 2.0), else None."""
    major, minor = (*numbers(plugin.version), 0)[:2]
    return {(0, 16): 0, (1, 0): 1, (2, 0): 2}.get((major, minor))


def unstartable(plugin: Plugin, core: str) -> str | None:
    """Return why the boot fails with this Mesos plugin on this core, None if it does not."""
    kind = generation(plugin)
    if kind is None:
        return f"the stand-in imitates the Mesos plugins 0.16, 1.0.0 and 2.0, found {plugin.version}"
    first, what = _TOO_NEW[kind]
    if numbers(core) >= numbers(first):
        return f"java.lang.NoSuchFieldError: {what} (Mesos plugin {plugin.version} on core {core})"
    return None
