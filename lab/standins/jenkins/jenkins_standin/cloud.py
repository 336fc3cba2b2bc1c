"""The Mesos cloud of config.xml, read as the plugin's generations do: XStream runs no constructor.

Elements, defaults and what an absent element becomes: jenkinsci/mesos-plugin, MesosCloud and MesosSlaveInfo at tags
mesos-0.16, mesos-1.0.0 and the branch of 2.0.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from .errors import PluginError
from .xmltools import boolean_of, double_of, integer_of, text_of

log = logging.getLogger("org.jenkinsci.plugins.mesos.MesosCloud")
ELEMENT = "org.jenkinsci.plugins.mesos.MesosCloud"
_INFO = "org.jenkinsci.plugins.mesos.MesosSlaveInfo"
_TEMPLATE = "org.jenkinsci.plugins.mesos.MesosAgentSpecTemplate"
_URI = _INFO + "_-URI"
_DEFAULT_DECLINE_S = {0: "600000", 1: "600"}  # the form of 0.x calls its seconds milliseconds
_JVM_OVERHEAD_MIB = 32  # 2.x: added to the task's memory, and the whole heap
_MEMORY_FACTOR = 1.1  # 0.x and 1.x


@dataclass(frozen=True)
class Uri:
    value: str
    executable: bool
    extract: bool


@dataclass(frozen=True)
class Template:
    """A kind of agent. ``label`` None: for jobs without a label only (0.x, 1.x)."""

    label: str | None
    exclusive: bool
    cpus: float
    mem_mib: int
    executor_cpus: float
    executor_mem_mib: int
    disk_mib: float
    min_executors: int
    max_executors: int
    remote_fs: str
    idle_minutes: int
    jvm_args: str
    jnlp_args: str
    default: bool
    attributes: Mapping[str, str]
    uris: tuple[Uri, ...] = ()

    @property
    def labels(self) -> frozenset[str]:
        return frozenset((self.label or "").split())

    def task_cpus(self, executors: int) -> float:
        return self.cpus + executors * self.executor_cpus

    def task_mem_mib(self, executors: int, generation: int) -> float:
        """Return what a task asks of Mesos for a node of so many executors."""
        if generation == 2:
            return float(self.mem_mib + _JVM_OVERHEAD_MIB)
        return _MEMORY_FACTOR * (self.mem_mib + executors * self.executor_mem_mib)

    def heap_mib(self, generation: int) -> int:
        return _JVM_OVERHEAD_MIB if generation == 2 else self.mem_mib


@dataclass(frozen=True)
class Cloud:
    """``generation`` 0, 1 or 2 is that of the installed plugin, whatever wrote the XML."""

    generation: int
    name: str | None
    master: str | None
    framework_name: str | None
    role: str | None
    user: str | None
    jenkins_url: str | None
    templates: tuple[Template, ...]
    cloud_id: str = ""
    credentials_id: str | None = None
    checkpoint: bool = False
    on_demand: bool = False
    decline_text: str = ""
    framework_id: str = ""

    @property
    def decline_s(self) -> float:
        """Raises PluginError: getDeclineOfferDurationDouble parses at each use."""
        try:
            return float(self.decline_text)
        except ValueError:
            raise PluginError(f"NumberFormatException: declineOfferDuration {self.decline_text!r}") from None

    def template_for(self, label: str | None) -> Template | None:
        """Return the first template that serves the label (None: jobs without a label)."""
        for template in self.templates:
            if label is None:
                # 2.x never provisions for these
                if template.label is None and self.generation < 2:
                    return template
            elif label in template.labels:
                return template
        return None


def read(element: ET.Element, generation: int) -> Cloud:
    """Return the cloud. Raises PluginError for XML that this generation of the plugin cannot read at all."""
    if element.find("mesosAgentSpecTemplates") is not None and generation < 2:
        raise PluginError("ConversionException: no such field mesosAgentSpecTemplates; this is the XML of plugin 2.x")
    return _read_second(element) if generation == 2 else _read_classic(element, generation)


def _read_classic(element: ET.Element, generation: int) -> Cloud:
    infos, role = element.find("slaveInfos"), text_of(element, "role")
    return Cloud(
        generation=generation,
        name=text_of(element, "name"),
        master=text_of(element, "master"),
        framework_name=text_of(element, "frameworkName"),
        role="*" if role is None else role,
        user=text_of(element, "slavesUser"),
        jenkins_url=text_of(element, "jenkinsURL"),
        templates=tuple(_info(each) for each in infos.findall(_INFO)) if infos is not None else (),
        cloud_id=text_of(element, "cloudID") or str(uuid.uuid4()),
        credentials_id=text_of(element, "credentialsId") or None,
        checkpoint=boolean_of(element, "checkpoint"),
        on_demand=boolean_of(element, "onDemandRegistration"),
        decline_text=text_of(element, "declineOfferDuration") or _DEFAULT_DECLINE_S[generation],
    )


def _info(element: ET.Element) -> Template:
    _no_container(element)
    return Template(
        label=text_of(element, "labelString"),
        exclusive=text_of(element, "mode") == "EXCLUSIVE",
        cpus=double_of(element, "slaveCpus"),
        mem_mib=integer_of(element, "slaveMem"),
        executor_cpus=double_of(element, "executorCpus"),
        executor_mem_mib=integer_of(element, "executorMem"),
        disk_mib=double_of(element, "diskNeeded"),
        min_executors=integer_of(element, "minExecutors") or 1,
        max_executors=integer_of(element, "maxExecutors"),
        remote_fs=(text_of(element, "remoteFSRoot") or "").strip() or "jenkins",
        idle_minutes=integer_of(element, "idleTerminationMinutes"),
        jvm_args=_or_null(element, "jvmArgs"),
        jnlp_args=_or_null(element, "jnlpArgs"),
        default=boolean_of(element, "defaultSlave"),
        attributes=_attributes(text_of(element, "slaveAttributesString")),
        uris=_uris(element),
    )


def _read_second(element: ET.Element) -> Cloud:
    specs, infos = element.find("mesosAgentSpecTemplates"), element.find("slaveInfos")
    templates: tuple[Template, ...] = ()
    if specs is not None:
        templates = tuple(_spec(each) for each in specs.findall(_TEMPLATE))
    elif infos is not None:
        templates = tuple(_converted(_info(each)) for each in infos.findall(_INFO))
    framework_id = text_of(element, "frameworkId")
    if framework_id is None:
        framework_id = str(uuid.uuid4())
        log.warning("No frameworkId in config.xml: this start is framework %s, the next one another", framework_id)
    return Cloud(
        generation=2,
        name=text_of(element, "name"),
        master=text_of(element, "master"),
        framework_name=text_of(element, "frameworkName"),
        role=text_of(element, "role"),
        user=text_of(element, "agentUser") or text_of(element, "slavesUser") or "nobody",
        jenkins_url=_url(text_of(element, "jenkinsURL")),
        templates=templates,
        framework_id=framework_id,
    )


def _url(text: str | None) -> str | None:
    """The field is a java.net.URL: what is none fails to load, and the cloud has a null there."""
    if text is not None and urlsplit(text).scheme not in ("http", "https"):
        log.warning("Failed to read <jenkinsURL>%s</jenkinsURL>: MalformedURLException; the field is skipped", text)
        return None
    return text


def _spec(element: ET.Element) -> Template:
    _no_container(element)
    return Template(
        label=text_of(element, "label"),
        exclusive=text_of(element, "mode") == "EXCLUSIVE",
        cpus=double_of(element, "cpus"),
        mem_mib=integer_of(element, "mem"),
        executor_cpus=0.0,
        executor_mem_mib=0,
        disk_mib=double_of(element, "disk"),
        min_executors=integer_of(element, "minExecutors"),
        max_executors=integer_of(element, "maxExecutors"),
        remote_fs="jenkins",
        idle_minutes=integer_of(element, "idleTerminationMinutes"),
        jvm_args="",
        jnlp_args=_or_null(element, "jnlpArgs"),
        default=False,
        attributes=_pairs(text_of(element, "agentAttributes") or ""),
        uris=_uris(element),
    )


def _converted(info: Template) -> Template:
    """A MesosSlaveInfo of 0.x or 1.x as 2.x converts it: the executors' share, jvmArgs and remoteFSRoot are dropped."""
    return replace(
        info,
        executor_cpus=0.0,
        executor_mem_mib=0,
        remote_fs="jenkins",
        jvm_args="",
        jnlp_args="" if info.jnlp_args == "null" else info.jnlp_args,
        default=False,
    )


def _or_null(element: ET.Element, name: str) -> str:
    """Return a text that goes to String.format: an absent one becomes the word null on the command line."""
    text = text_of(element, name)
    return "null" if text is None else text


def _attributes(text: str | None) -> dict[str, str]:
    if not text or not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        log.warning("Ignoring Mesos slave attributes JSON due to parsing error : %s", text)
        return {}
    if not isinstance(found, dict):
        raise PluginError(f"ClassCastException: slaveAttributesString must be a JSON object, found {text}")
    return {name: str(value) for name, value in found.items()}


def _pairs(text: str) -> dict[str, str]:
    """Read name:value,name:value. Raises PluginError for a part without a colon."""
    found = {}
    for part in filter(None, text.split(",")):
        words = part.split(":")
        if len(words) < 2:
            raise PluginError(f"ArrayIndexOutOfBoundsException: agentAttributes {text!r}")
        found[words[0]] = words[1]
    return found


def _uris(element: ET.Element) -> tuple[Uri, ...]:
    uris = element.find("additionalURIs")
    if uris is None:
        return ()
    return tuple(
        Uri(text_of(each, "value") or "", boolean_of(each, "executable"), boolean_of(each, "extract"))
        for each in uris.findall(_URI)
    )


def _no_container(element: ET.Element) -> None:
    if element.find("containerInfo") is not None:
        raise PluginError("the stand-in runs no containers: leave containerInfo out")
