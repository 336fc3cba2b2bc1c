"""Which plugin goes with which registration, checkpointing, Jenkins core and Java.

The rows come from the plugin's sources (jenkinsci/mesos-plugin, tags mesos-0.16, mesos-0.17 to mesos-1.0.0, release
2.0), from Jenkins' (jenkinsci/jenkins: the Java versions that ``executable.Main`` accepts,
``Jenkins.AUTOMATIC_SLAVE_LAUNCH``, ``LogRecorder.targets``) and from issues named in the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clusterctl.numbers import at_least, java_major, java_of_package, number
from clusterctl.spec.artifacts import ImageSpec
from clusterctl.spec.jenkins import JenkinsSettings, Plugin, Registration

# ApiTokenProperty.addFixedNewToken (jenkinsci/jenkins #4027): 2.249 has it not, the next LTS has
OLDEST_CORE = "2.263"
# The plugin uses the metrics plugin at every provisioning from here on, though it declares it as optional until 1.0.0
METRICS_FROM = "0.17"


@dataclass(frozen=True)
class Generation:
    """Versions of the plugin that behave alike; ``below`` bounds are not part of a range."""

    plugin: Plugin
    oldest: str
    below: str
    registrations: tuple[Registration, ...]
    checkpoint: bool
    libmesos: bool
    core: str
    core_below: str
    why: str

    @property
    def ports(self) -> int:
        """Ports that a master needs: HTTP, inbound agents, and libprocess where libmesos is used."""
        return 3 if self.libmesos else 2


GENERATIONS = (
    Generation(
        plugin="0.x",
        oldest="0.16",
        below="0.17",
        registrations=("on_demand", "always"),
        checkpoint=True,
        libmesos=True,
        core=OLDEST_CORE,
        core_below="2.328",
        why="older plugins keep agents' attributes in another form (slaveAttributesString came with 0.16) and can't "
        "store it from core 2.102 on (JEP-200, JENKINS-50303); core 2.328 renamed AUTOMATIC_SLAVE_LAUNCH, without "
        "which the plugin's initializer stops the boot",
    ),
    Generation(
        plugin="1.x",
        oldest="0.17",
        below="2.0",
        registrations=("always",),
        checkpoint=True,
        libmesos=True,
        core=OLDEST_CORE,
        core_below="2.328",
        why="on demand leaves a thread that swallows offers (mesos-plugin #328, #338, never fixed); core as with 0.x",
    ),
    Generation(
        plugin="2.x",
        oldest="2.0",
        below="3",
        registrations=("always",),
        checkpoint=False,
        libmesos=False,
        core=OLDEST_CORE,
        core_below="2.509",
        why="FrameworkInfo never sets checkpoint; the framework registers at the first build and stays; "
        "core 2.509 removed LogRecorder.targets, which the plugin touches",
    ),
)


@dataclass(frozen=True)
class CoreLine:
    """Cores from ``core`` on: the Java versions that the war accepts, and the oldest that runs its build agents."""

    core: str
    java: tuple[int, ...]
    agents: int


CORES = (
    CoreLine("2.164", (8, 11), 8),
    CoreLine("2.361", (11, 17), 11),
    CoreLine("2.426", (11, 17, 21), 11),
    CoreLine("2.479", (17, 21), 17),
)


def generation(plugin: Plugin) -> Generation:
    """The row of ``jenkins.plugin``."""
    return next(row for row in GENERATIONS if row.plugin == plugin)


def generation_of(version: str) -> Generation | None:
    """The row that a version of the plugin belongs to; None for one that is not supported."""
    return next(
        (row for row in GENERATIONS if at_least(version, row.oldest) and not at_least(version, row.below)), None
    )


def core_line(core: str) -> CoreLine:
    """The line of a core; the oldest for one that is older."""
    return next((line for line in reversed(CORES) if at_least(core, line.core)), CORES[0])


def tier_problems(jenkins: JenkinsSettings, plugin_version: str) -> list[str]:
    """What the plugin of an image can't do of what the cluster file asks for."""
    row = generation_of(plugin_version)
    if row is None or row.plugin != jenkins.plugin:
        wanted = generation(jenkins.plugin)
        return [
            f"jenkins.plugin is {jenkins.plugin}, and the mesos plugin is {plugin_version}; allowed: {wanted.oldest} "
            f"or newer, below {wanted.below}"
        ]
    return []


def image_problems(spec: ImageSpec) -> list[str]:
    """What in ``artifacts.yml`` does not go together, by the versions that it names; needs no file."""
    if spec.artifacts.jenkins is None:
        return []
    core = spec.artifacts.jenkins.version
    mesos = next((plugin.version for plugin in spec.artifacts.jenkins_plugins if plugin.name == "mesos"), None)
    return [*_plugin_problems(mesos, core), *_java_problems(spec, core)]


def _plugin_problems(mesos: str | None, core: str) -> Iterator[str]:
    if mesos is None:
        yield "artifacts.jenkins_plugins: there is no 'mesos'; without it a master runs no build"
        return
    row = generation_of(mesos)
    if row is None:
        ranges = "; ".join(f"{each.oldest} or newer below {each.below}" for each in GENERATIONS)
        yield f"artifacts.jenkins_plugins: found mesos {mesos}; allowed: {ranges} ({GENERATIONS[0].why})"
        return
    if not at_least(core, row.core) or at_least(core, row.core_below):
        yield (
            f"artifacts.jenkins: found core {core} with plugin mesos {mesos}; allowed: {row.core} or newer, below "
            f"{row.core_below} ({row.why})"
        )


def _java_problems(spec: ImageSpec, core: str) -> Iterator[str]:
    line = core_line(core)
    allowed = " or ".join(map(str, line.java))
    if spec.artifacts.jenkins_java:
        key, major = "artifacts.jenkins_java.version", java_major(spec.artifacts.jenkins_java.version)
    elif spec.jenkins_java_package:
        key, major = "jenkins_java_package", java_of_package(spec.jenkins_java_package)
    else:
        key, major = "java_package", java_of_package(spec.java_package)
    if major is None:
        yield f"{key}: its Java version can't be told from the name; allowed with core {core}: Java {allowed}"
    elif major not in line.java:
        yield f"{key}: found Java {major}; allowed with core {core}: Java {allowed} (it refuses to start with others)"
    builders = java_of_package(spec.java_package)
    if builders is not None and builders < line.agents:
        yield (
            f"java_package: found Java {builders}, which builds run with; the build agent of core {core} needs Java "
            f"{line.agents} or newer"
        )


def table() -> str:
    """The rows as Markdown, for the docs."""
    lines = [
        "| `plugin` | versions of mesos | registration | checkpoint | core | Java of masters | Java of builds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in GENERATIONS:
        inside = [line for line in CORES if not at_least(line.core, row.core_below)]
        java = "; ".join(
            f"{' or '.join(map(str, line.java))} from {max(line.core, row.core, key=number)}" for line in inside
        )
        agents = {line.agents: max(line.core, row.core, key=number) for line in reversed(inside)}
        builds = "; ".join(f"{java} or newer from {core}" for java, core in sorted(agents.items()))
        registrations = ", ".join(f"`{each}`" for each in row.registrations)
        lines.append(
            f"| `{row.plugin}` | {row.oldest} or newer, below {row.below} | {registrations} | "
            f"{'yes' if row.checkpoint else 'no'} | {row.core} or newer, below {row.core_below} | {java} | {builds} |"
        )
    return "\n".join(lines) + "\n"
