"""The section ``jenkins`` of the cluster file: Jenkins masters under Marathon, each a Mesos framework by itself.

Rules within one of these models stand here, those that need the rest of the file in ``jenkins_rules``. What the plugin
can do is from its sources at the tags mesos-0.16 and mesos-1.0.0 and of release 2.0.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clusterctl.spec.types import (
    AbsolutePath,
    AttributeName,
    AttributeText,
    Label,
    Line,
    StrictModel,
    Text,
    matching,
    rule_error,
)

Plugin = Literal["0.x", "1.x", "2.x"]
Registration = Literal["on_demand", "always"]

DEFAULT_DIRECTORY = "/srv/jenkins"
MAX_SLOTS = 999  # the image holds the users of so many slots; their names have three digits
HEAP_MARGIN_MIB = 256  # threads, classes and code of a JVM beside its heap

# The node's name is 'mesos-jenkins-', 32 digits, '-' and the label, cut off at 63 characters (plugin, MesosUtils)
_BUILD_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,15}")
_REMOTE_FS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_MESOS_ROLE = re.compile(r"\*|[A-Za-z0-9_][A-Za-z0-9_.-]*")
_FRAMEWORK = re.compile(r"[A-Za-z0-9_.{}-]+")
_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~{}-]+)*/")
_ADMIN = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_JAVA_OPTION = re.compile(r"-.+")

# What the start script sets itself; a second setting would win or lose by its place on the command line
_OWN_OPTIONS = (
    "-Xmx",
    "-jar",
    "-Djenkins.model.Jenkins.slaveAgentPort",
    "-Djenkins.install.runSetupWizard",
    "-Dhudson.slaves.NodeProvisioner.",
    "-DJENKINS_HOME",
    "-Dhudson.DIRECTORY",
    "-Djava.io.tmpdir",
    "-Duser.home",
)


class JenkinsMaster(StrictModel):
    """What each master is given, and how Marathon watches it."""

    cpus: float = Field(default=0.5, gt=0, le=64, strict=False, description="share of a processor of a master")
    mem_mib: int = Field(default=1024, ge=320, description="memory of a master, the whole process")
    heap_mib: int = Field(default=512, ge=64, description="-Xmx of a master; mem_mib must be 256 more")
    java_options: tuple[Annotated[Line, matching(_JAVA_OPTION, "a Java option, beginning with '-'")], ...] = Field(
        default=(), strict=False, description="further Java options of a master, one per entry"
    )
    start_grace_s: int = Field(
        default=300,
        ge=0,
        description="seconds after the start in which failed checks don't count; plugins are unpacked",
    )
    check_interval_s: int = Field(default=30, ge=1, description="seconds between health checks (GET /login)")
    check_timeout_s: int = Field(default=20, ge=1, description="seconds in which /login must answer")
    check_failures: int = Field(
        default=3, ge=0, le=1000, description="failed checks in a row after which a master is restarted; 0: never"
    )
    kill_grace_s: int = Field(
        default=60, ge=10, le=3600, description="seconds that a master gets to save its queue before it is killed"
    )

    @model_validator(mode="after")
    def _rules(self) -> JenkinsMaster:
        if self.mem_mib < self.heap_mib + HEAP_MARGIN_MIB:
            raise rule_error(
                "heap",
                f"found {self.mem_mib} for a heap of {self.heap_mib} MiB; allowed: {self.heap_mib + HEAP_MARGIN_MIB} "
                f"or more, since a JVM needs {HEAP_MARGIN_MIB} MiB beside its heap",
                ("mem_mib",),
            )
        for number, option in enumerate(self.java_options):
            if own := next((each for each in _OWN_OPTIONS if option.startswith(each)), None):
                instead = "; use master.heap_mib" if own == "-Xmx" else ""
                raise rule_error(
                    "java_option",
                    f"found {option!r}; clusterctl sets {own} itself{instead}",
                    ("java_options", number),
                )
        return self


class Provisioner(StrictModel):
    """How quickly a master asks for an agent when a build waits (Jenkins' NodeProvisioner, by system properties)."""

    recurrence_ms: int = Field(default=2500, ge=100, le=60000, description="milliseconds between checks of the queue")
    initial_delay_ms: int = Field(default=0, ge=0, description="milliseconds from the start to the first check")
    margin: int = Field(default=50, ge=0, le=100, description="MARGIN, percent; the plugin's manual advises 50")
    margin0: float = Field(
        default=0.85, ge=0, le=1, strict=False, description="MARGIN0; the plugin's manual advises 0.85"
    )


class Uri(StrictModel):
    """A file that Mesos fetches into a build's sandbox."""

    value: Line = Field(description="URL or path")
    executable: bool = Field(default=False, description="make it executable")
    extract: bool = Field(default=True, description="unpack it if it is an archive")


class BuildSettings(StrictModel):
    """A kind of build: its label, and what Mesos must offer for it.

    A task has ``cpus + executors * executor_cpus`` processors, and 1.1 times ``mem_mib + executors * executor_mem_mib``
    with plugin 0.x and 1.x; 32 MiB more than that with 2.x.
    """

    label: Annotated[str, matching(_BUILD_LABEL, "up to 16 letters, digits, '_', '-' and '.'")] = Field(
        default="mesos", description="label by which jobs ask for it"
    )
    default: bool = Field(default=True, description="also serves jobs without a label (0.x, 1.x); one only")
    attributes: dict[AttributeName, AttributeText] = Field(
        default_factory=dict, description="attributes that an agent must have, all of them"
    )
    cpus: float = Field(default=1.0, gt=0, strict=False, description="processors of a build's task")
    mem_mib: int = Field(default=512, ge=64, description="heap of the build agent's JVM and memory of its task")
    executor_cpus: float = Field(default=0.0, ge=0, strict=False, description="processors for each executor, beside")
    executor_mem_mib: int = Field(default=256, ge=0, description="MiB for each executor, for what a build starts")
    executors: int = Field(default=1, ge=1, le=64, description="builds at a time in one task")
    disk_mib: int = Field(default=0, ge=0, description="disk of a task; not compared with offers by 0.x and 1.x")
    idle_minutes: int = Field(default=1, ge=1, description="minutes without a build after which a task ends")
    remote_fs: Annotated[str, matching(_REMOTE_FS, "a relative path of plain names")] = Field(
        default="jenkins", description="directory of workspaces in the sandbox (0.x, 1.x)"
    )
    jvm_args: Line = Field(
        default="-Xms16m -Djava.net.preferIPv4Stack=true", description="options of the build agent's JVM (0.x, 1.x)"
    )
    jnlp_args: Line = Field(default="-noReconnect", description="arguments of the build agent")
    uris: tuple[Uri, ...] = Field(default=(), strict=False, description="files fetched into each sandbox")

    @model_validator(mode="after")
    def _rules(self) -> BuildSettings:
        if "-Xmx" in self.jvm_args:
            raise rule_error("jvm_args", "found -Xmx; the plugin sets it from mem_mib", ("jvm_args",))
        if "UseConcMarkSweepGC" in self.jvm_args:
            raise rule_error(
                "jvm_args", "found UseConcMarkSweepGC; Java 14 and later refuse to start with it", ("jvm_args",)
            )
        return self

    @property
    def task_cpus(self) -> float:
        """Processors of a task."""
        return self.cpus + self.executors * self.executor_cpus

    def task_mem_mib(self, plugin: Plugin) -> float:
        """Memory of a task."""
        inside = self.mem_mib + self.executors * self.executor_mem_mib
        return float(inside + 32) if plugin == "2.x" else 1.1 * inside


class Security(StrictModel):
    """Who may log in to a master. Secrets never stand here: they are made for each master and lie in its home."""

    realm: Literal["private", "file"] = Field(
        default="private", description="private: Jenkins' own users, sign-up off; file: elements of your own"
    )
    file: Text | None = Field(
        default=None,
        description="path on your machine: XML with securityRealm and authorizationStrategy for config.xml",
    )
    admin: Annotated[str, matching(_ADMIN, "up to 32 lower-case letters, digits, '_' and '-'")] = Field(
        default="admin", description="the administrator's account, whose API token clusterctl uses"
    )
    extra_groovy: tuple[Text, ...] = Field(
        default=(), strict=False, description="paths on your machine: scripts for init.groovy.d of each master"
    )

    @model_validator(mode="after")
    def _rules(self) -> Security:
        if (self.realm == "file") != (self.file is not None):
            raise rule_error("realm", "'realm: file' and 'file' go together", ("realm",))
        return self


class JenkinsBackup(StrictModel):
    """How homes are backed up."""

    method: Literal["archive", "snapshot"] = Field(
        default="archive", description="archive: one file per home, on your machine; snapshot: of the node's volume"
    )
    directory: Text | None = Field(
        default=None, description="where archives go; by default below ~/.local/state/clusterctl"
    )
    keep: int = Field(default=7, ge=1, description="how many backups are kept")
    builds: bool = Field(default=True, description="with the records and logs of builds")
    quiet_timeout_s: int = Field(default=600, ge=0, description="seconds to wait for running builds")
    exclude: tuple[Text, ...] = Field(
        default=(), strict=False, description="further patterns below the home to leave out"
    )


class JenkinsSettings(StrictModel):
    """The whole section."""

    group: Label | None = Field(
        default=None, description="group of agents for masters; by default the one that reserves for Marathon's role"
    )
    directory: AbsolutePath | None = Field(
        default=None, description="where homes lie on a node; by default the mount point of the group's volume"
    )
    allow_ephemeral_homes: bool = Field(
        default=False, description="consent to homes on a server's own disk, which go with the server"
    )
    plugin: Plugin = Field(default="0.x", description="generation of the Mesos plugin: 0.x (0.16), 1.x, 2.x")
    registration: Registration = Field(
        default="on_demand", description="on_demand: a framework only while builds wait or run (0.x); always"
    )
    checkpoint: bool = Field(default=True, description="builds outlive a restart of their Mesos agent (0.x, 1.x)")
    role: Annotated[str, matching(_MESOS_ROLE, "'*', or letters, digits, '_', '-' and '.'")] = Field(
        default="*", description="Mesos role of the masters' frameworks"
    )
    framework_name: Annotated[str, matching(_FRAMEWORK, "letters, digits, '_', '-', '.' and {name}")] = Field(
        default="jenkins-{name}", description="name of a master's framework; must hold {name}"
    )
    decline_s: int = Field(
        default=600, ge=1, le=31536000, description="seconds for which an idle framework declines offers (0.x, 1.x)"
    )
    max_masters: int = Field(
        default=100, ge=1, le=MAX_SLOTS, description="how many masters there may be; each has three ports of its own"
    )
    master: JenkinsMaster = Field(default=JenkinsMaster(), description="what each master is given")
    public_url: Annotated[str, matching(_PUBLIC_URL, "http(s)://host/…/ with {name}, ending in '/'")] | None = Field(
        default=None, description="what users see, such as https://ci.example.com/{name}/; agents never use it"
    )
    provisioner: Provisioner = Field(default=Provisioner(), description="how quickly agents are asked for")
    builds: tuple[BuildSettings, ...] = Field(
        default=(BuildSettings(),), min_length=1, strict=False, description="kinds of builds, each with a label"
    )
    security: Security = Field(default=Security(), description="who may log in")
    backup: JenkinsBackup = Field(default=JenkinsBackup(), description="how homes are backed up")
