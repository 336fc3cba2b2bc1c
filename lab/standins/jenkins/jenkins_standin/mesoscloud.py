"""The life of the Mesos cloud: when the framework registers and leaves, and what it provisions."""

from __future__ import annotations

import getpass
import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import credentials
from .classic import ClassicScheduler
from .cloud import Cloud, Template
from .detector import Detector
from .driver import Driver, Identity
from .errors import PluginError
from .libprocess import Libprocess
from .node import Node, node_name
from .offers import Json, request_for
from .scheduler import Host, Scheduler
from .settings import Settings
from .usi import UsiScheduler

log = logging.getLogger("org.jenkinsci.plugins.mesos.MesosCloud")
_FAILOVER_S = 7 * 86400.0  # 2.x: usi.jenkins.failover-timeout
_ATTEMPTS = 20  # 2.x: RestartFlow's
_PRINCIPAL = "jenkins"  # 0.x and 1.x without credentials


def framework_info(cloud: Cloud, user: str, web_url: str, principal: str) -> Json:
    """Return the FrameworkInfo, without an id. Raises PluginError for a missing name or role."""
    if cloud.framework_name is None:
        raise PluginError("NullPointerException: FrameworkInfo.Builder.setName(frameworkName)")
    info: Json = {"user": cloud.user or user, "name": cloud.framework_name}
    if cloud.generation == 2:
        if cloud.role is None:
            raise PluginError("NullPointerException: FrameworkInfo.Builder.addRoles(role)")
        capabilities = [{"type": name} for name in ("MULTI_ROLE", "REGION_AWARE", "PARTITION_AWARE")]
        return info | {"roles": [cloud.role], "capabilities": capabilities, "failover_timeout": _FAILOVER_S}
    return info | {
        "role": cloud.role,
        "principal": principal,
        "checkpoint": cloud.checkpoint,
        "webui_url": web_url,
        "failover_timeout": 0.0,
    }


class MesosCloud:
    """One cloud of config.xml at work. All methods but the driver's callbacks are called under ``lock``."""

    def __init__(
        self,
        cloud: Cloud,
        settings: Settings,
        home: Path,
        root_url: str | None,
        lock: threading.RLock,
        host: Host,
        libprocess: Libprocess,
    ) -> None:
        """``host``: its ``send`` and ``leave`` are replaced by this cloud's own."""
        self.cloud = cloud
        self._settings, self._home, self._root_url, self._lock = settings, home, root_url, lock
        self._host = replace(host, send=self._send, leave=self._leave)
        self._libprocess = libprocess
        self._recent: dict[str, None] = {}
        self._scheduler: Scheduler | None = None
        self._driver: Driver | None = None
        self._registrations = 0
        self.dead: str | None = None  # why the driver was aborted

    @property
    def running(self) -> bool:
        """Whether a scheduler is started, be it registered yet or not."""
        return self._scheduler is not None

    @property
    def registered(self) -> bool:
        return self._driver is not None and self._driver.registered

    @property
    def framework_id(self) -> str | None:
        return self._driver.framework_id if self._driver else None

    def boot(self) -> None:
        """0.x and 1.x without on-demand registration register when the jobs are loaded. Raises PluginError, Fatal."""
        if self.cloud.generation < 2 and not self.cloud.on_demand:
            self.start()

    def start(self) -> None:
        """Register. Raises PluginError where the plugin would throw, Fatal where libprocess would end the process."""
        cloud = self.cloud
        if cloud.generation == 2 and self.dead:
            raise PluginError("IllegalStateException: The USI stream failed or is closed.")
        if cloud.master is None:
            raise PluginError("NullPointerException: master")
        url = self._jenkins_url()
        principal, secret = self._credentials()
        web_url = self._root_url or self._settings.jenkins_url or ""
        info = framework_info(cloud, getpass.getuser(), web_url, principal)
        self._registrations += 1
        if cloud.generation == 2:
            self._scheduler = UsiScheduler(cloud, url, self._host)
            identity = Identity(info, cloud.framework_id)
        else:
            self._libprocess.open()
            swallow = cloud.generation == 1 and cloud.on_demand and self._registrations > 1
            self._scheduler = ClassicScheduler(cloud, url, self._host, self._recent, swallow)
            identity = Identity(info, None, principal, secret)
            log.info(
                "Initializing the Mesos driver with options\nFramework Name: %s\nPrincipal: %s\nCheckpointing: %s",
                cloud.framework_name,
                principal,
                str(cloud.checkpoint).lower(),
            )
        try:
            detector = Detector(cloud.master, once=cloud.generation == 2)
        except PluginError as exc:
            self._aborted_now(str(exc))
            return
        self.dead = None
        attempts = _ATTEMPTS if cloud.generation == 2 else None
        driver = Driver(identity, detector, self._event, lambda why: self._aborted(driver, why), attempts)
        self._driver = driver
        driver.start()

    def _jenkins_url(self) -> str:
        """Return the URL for agents: the cloud's own, else the root URL (2.x knows its own only)."""
        own = self.cloud.jenkins_url
        if own and own.strip():
            return own
        if self.cloud.generation == 2:
            raise PluginError("NullPointerException: jenkinsURL")
        if self._root_url is None:
            raise PluginError("IllegalArgumentException: Cannot start scheduler if jenkinsMaster is null")
        return self._root_url

    def _credentials(self) -> tuple[str, str | None]:
        if self.cloud.credentials_id is None:
            return _PRINCIPAL, None
        found = credentials.find(self._home, self.cloud.credentials_id)
        if found is None:
            log.warning("No credentials with the id %s", self.cloud.credentials_id)
            return _PRINCIPAL, None
        return found[0], found[1] or None

    def stop(self) -> None:
        """The process ends. 0.x and 1.x are removed by the masters at once, 2.x is kept for its failover time."""
        if self._driver is not None:
            self._driver.stop(teardown=False)

    # --- provisioning

    def provision(self, template: Template, excess: int, now: float) -> list[Node]:
        """Return new nodes for so many waiting builds. Raises PluginError, Fatal."""
        nodes = []
        while excess > 0:
            if not self.running and (self.cloud.on_demand or self.cloud.generation == 2):
                self.start()
            executors = max(template.min_executors, min(excess, template.max_executors))
            if executors < 1:
                raise PluginError("maxExecutors is 0: the plugin would loop for ever")
            excess -= executors
            log.info("Provisioning Jenkins Slave on Mesos with %d executors. Remaining excess: %d", executors, excess)
            nodes.append(self._node(template, executors, now))
        return nodes

    def _node(self, template: Template, executors: int, now: float) -> Node:
        second = self.cloud.generation == 2
        name = node_name(template, self.cloud.generation)
        return Node(name, template, 1 if second else executors, now, single_use=second)

    def launch(self, node: Node) -> bool:
        """Ask for the node's task; False if there is no scheduler to ask (the node is to be removed)."""
        if self._scheduler is None:
            log.warning("Not launching %s because the Mesos Jenkins scheduler is not running", node.name)
            return False
        request = request_for(node.name, node.template, len(node.executors), self.cloud.generation)
        self._scheduler.request(request)
        return True

    def terminate(self, node: Node) -> None:
        if self._scheduler is not None:
            self._scheduler.terminate(node.name)

    def tick(self) -> None:
        if isinstance(self._scheduler, UsiScheduler):
            self._scheduler.tick()

    # --- the driver

    def _send(self, call: Json) -> None:
        if self._driver is not None:
            self._driver.send(call)

    def _leave(self) -> None:
        driver, self._driver, self._scheduler = self._driver, None, None
        if driver is not None:
            driver.stop(teardown=True)
        log.info("The Mesos driver was stopped.")

    def _event(self, event: dict[str, Any]) -> None:
        with self._lock:
            if self._scheduler is None:
                return
            if event["type"] == "OFFERS":
                self._scheduler.offers(event["offers"]["offers"])
            elif event["type"] == "UPDATE":
                self._scheduler.update(event["update"]["status"])
            elif event["type"] == "SUBSCRIBED" and isinstance(self._scheduler, UsiScheduler):
                self._scheduler.subscribed()

    def _aborted(self, driver: Driver, why: str) -> None:
        with self._lock:
            if driver is self._driver:
                self._aborted_now(why)

    def _aborted_now(self, why: str) -> None:
        """0.x and 1.x on demand start again with the next build; the others stay dead until Jenkins restarts."""
        log.error("The Mesos driver was aborted! %s", why)
        self.dead, self._driver, self._scheduler = why, None, None
