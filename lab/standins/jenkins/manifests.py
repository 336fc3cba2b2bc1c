"""The plugins that stand in for the real ones: their manifests, as far as installing and loading them goes.

From the poms and build.gradle of jenkinsci/mesos-plugin (tags mesos-0.16, mesos-1.0.0, master for 2.0),
credentials-plugin (credentials-1.22), metrics-plugin (metrics-3.1.2.6, metrics-4.0.2.5), jackson2-api-plugin
(jackson2-api-2.5.4, -2.8.10.1) and variant-plugin (variant-1.1).
"""

from __future__ import annotations

from dataclasses import dataclass

_LINE = 72  # bytes of a manifest's line with its end (JAR file specification)


@dataclass(frozen=True)
class PluginFile:
    name: str
    version: str
    core: str
    dependencies: str = ""
    compatible_since: str = ""

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.hpi"

    def manifest(self) -> bytes:
        """Return META-INF/MANIFEST.MF."""
        entries = {
            "Manifest-Version": "1.0",
            "Created-By": "the Jenkins stand-in's build",
            "Extension-Name": self.name,
            "Group-Id": "org.jenkins-ci.plugins",
            "Implementation-Title": f"{self.name} (stand-in, not the plugin)",
            "Implementation-Version": self.version,
            "Short-Name": self.name,
            "Long-Name": f"{self.name} (stand-in)",
            "Plugin-Version": self.version,
            "Hudson-Version": self.core,
            "Jenkins-Version": self.core,
            "Compatible-Since-Version": self.compatible_since,
            "Plugin-Dependencies": self.dependencies,
        }
        return manifest({name: value for name, value in entries.items() if value})


_METRICS_3 = PluginFile("metrics", "3.1.2.6", "1.580", "jackson2-api:2.5.4")
_METRICS_4 = PluginFile(
    "metrics",
    "4.0.2.5",
    "2.60.3",
    "jackson2-api:2.8.10.1,variant:1.1,workflow-durable-task-step:2.15;resolution:=optional",
)
_CREDENTIALS = PluginFile("credentials", "1.22", "1.520")
_CLASSIC = "credentials:1.22,metrics:3.1.2.6;resolution:=optional"

# Generation -> the Mesos plugin and all that it needs. 1.x declares metrics optional, but uses it always.
PLUGINS: dict[str, tuple[PluginFile, ...]] = {
    "0.x": (PluginFile("mesos", "0.16", "2.7.3", _CLASSIC, "0.16"), _CREDENTIALS),
    "1.x": (
        PluginFile("mesos", "1.0.0", "2.7.3", _CLASSIC, "0.16"),
        _CREDENTIALS,
        _METRICS_3,
        PluginFile("jackson2-api", "2.5.4", "1.580"),
    ),
    "2.x": (
        PluginFile("mesos", "2.0", "2.164", "metrics:4.0.2.5"),
        _METRICS_4,
        PluginFile("jackson2-api", "2.8.10.1", "2.60"),
        PluginFile("variant", "1.1", "1.580.1"),
    ),
}


def manifest(entries: dict[str, str]) -> bytes:
    """Return a manifest's main section, with long lines folded."""
    lines = []
    for name, value in entries.items():
        line = f"{name}: {value}"
        while len(line) > _LINE - 2:
            lines.append(line[: _LINE - 2])
            line = " " + line[_LINE - 2 :]
        lines.append(line)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
