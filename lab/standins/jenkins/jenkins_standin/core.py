"""One Jenkins: its state behind one lock, its boot and its timers."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from . import cloud as cloud_module
from . import groovy, home, plugins
from .buildinfo import banner
from .buildqueue import BuildQueue
from .errors import BootFailure, PluginError, Refused
from .inbound import AgentChannel, InboundPort
from .job import Job
from .libprocess import Libprocess
from .mesoscloud import MesosCloud
from .node import Node
from .provisioner import Provisioner
from .retention import Retention
from .runner import Runner
from .scheduler import Host
from .security import Accounts, Sessions, agent_secret
from .settings import Settings

log = logging.getLogger("jenkins.InitReactorRunner")
_PING_S = 60.0
_QUEUE_SAVED_S = 60.0  # hudson.model.Queue.Saver
_AGENT_TIMEOUT_MINUTES = 5  # 2.x: usi.jenkins.agent-timeout


class Jenkins:
    """``lock`` is held for everything but boot's waiting. ``state``: loading, setup, up or failed."""

    def __init__(self, settings: Settings, version: str, clock: Callable[[], float] = time.time) -> None:
        self.settings, self.version, self.clock = settings, version, clock
        self.lock = threading.RLock()
        self.state, self.failure = "loading", ""
        self.session_id = secrets.token_hex(4)
        self.sessions = Sessions()
        self.quieting_down = False
        self.ending: str | None = None  # exit or restart
        self.ending_at_once = False  # else once the builds that run are over
        self._moved = threading.Condition(self.lock)  # notified at each tick
        self.jobs: dict[str, Job] = {}
        self.nodes: dict[str, Node] = {}
        self.plugins: dict[str, plugins.Plugin] = {}
        self.clouds: list[MesosCloud] = []
        self.queue = BuildQueue(clock)
        self.inbound: InboundPort | None = None
        self._owner: dict[str, MesosCloud] = {}
        self._key = b""
        self._pinged = self._saved = clock()

    # --- boot

    def boot(self) -> None:
        """Load the home and start. What would stop Jenkins' boot is kept as ``failure``. Raises Fatal."""
        until = self.clock() + self.settings.load_s
        try:
            home.prepare(self.settings.home)
            self._load()
            while self.clock() < until:
                time.sleep(0.05)
            if self.state == "loading":
                self._start()
        except BootFailure as exc:
            log.log(logging.ERROR, "Failed to initialize Jenkins: %s", exc)
            self.state, self.failure = "failed", str(exc)
            home.note_boot_failure(self.settings.home, datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+0000"))

    def _load(self) -> None:
        where = self.settings.home
        self.config = home.read_config(where / "config.xml")
        location = home.root_url(where)
        self.root_url = location or f"http://localhost:{self.settings.http_port}{self.settings.prefix}/"
        self.accounts = Accounts(where)
        self._key = home.agent_key(where)
        self.plugins = plugins.load(where / "plugins", self.version)
        log.info("Loaded %d plugins", len(self.plugins))
        groovy.run_hooks(where, self.accounts, self.config.has_users)
        self.jobs = home.load_jobs(where)
        self.queue.load(where / "queue.xml", self.jobs)
        log.info("Loaded %d jobs", len(self.jobs))
        self._read_clouds(location)
        if home.needs_setup(where, self.settings.setup_wizard):
            self.state = "setup"
            log.info("Jenkins initial setup is required. The stand-in has no wizard: write config.xml")

    def _read_clouds(self, location: str | None) -> None:
        if not self.config.clouds:
            return
        plugin = self.plugins.get("mesos")
        if plugin is None or plugin.problem:
            log.warning("config.xml: CannotResolveClassException: %s; moved to the old data", cloud_module.ELEMENT)
            return
        if problem := plugins.unstartable(plugin, self.version):
            raise BootFailure(problem)
        libprocess = Libprocess(self.settings.libprocess_address, self.settings.libprocess_port)
        for element in self.config.clouds:
            try:
                cloud = cloud_module.read(element, plugins.generation(plugin) or 0)
            except PluginError as exc:
                raise BootFailure(f"config.xml: {exc}") from exc
            made = MesosCloud(
                cloud, self.settings, self.settings.home, location, self.lock, self._host(len(self.clouds)), libprocess
            )
            self.clouds.append(made)

    def _host(self, number: int) -> Host:
        return Host(
            send=lambda call: None,
            clock=self.clock,
            secret_of=self._agent_secret,
            builds_wait=lambda: any(
                self.clouds[number].cloud.template_for(item.job.definition.label) for item in self.queue.queued()
            ),
            has_nodes=lambda: bool(self.nodes),
            task_running=self._task_running,
            task_ended=self._task_ended,
            leave=lambda: None,
            minute_s=self.settings.minute_s,
        )

    def _start(self) -> None:
        port = self._agent_port()
        if port >= 0:
            try:
                self.inbound = InboundPort(self.settings.http_address or "0.0.0.0", port, self)
            except OSError as exc:
                log.warning("Failed to listen to incoming agent connections through JNLP port %d: %s", port, exc)
            else:
                self.inbound.start()
        now = self.clock()
        settings = self.settings
        self.runner = Runner(self.queue, self.clock, self.root_url, self.version)
        self.provisioner = Provisioner(now, settings.initial_delay_s, settings.recurrence_s)
        self.retention = Retention(now, settings.minute_s)
        with self.lock:
            for cloud in self.clouds:
                try:
                    cloud.boot()
                except PluginError as exc:
                    raise BootFailure(f"org.jenkinsci.plugins.mesos.MesosCloud.init: {exc}") from exc
            self.state = "up"
        log.info("Completed initialization")
        logging.getLogger("hudson.lifecycle.Lifecycle").info("Jenkins is fully up and running (%s)", self.name)

    def _agent_port(self) -> int:
        """The property decides if it is enforced, or if config.xml says nothing."""
        given, written = self.settings.agent_port, self.config.agent_port
        if written is None or (given is not None and self.settings.agent_port_enforced):
            return given if given is not None else -1
        return written

    @property
    def name(self) -> str:
        return banner(self.version)

    # --- timers

    def tick(self) -> bool:
        """Do what is due; False when the process is to end. Raises Fatal."""
        with self.lock:
            if self.state != "up":
                return self.ending is None
            now = self.clock()
            self.queue.maintain(self.quieting_down)
            if not self.quieting_down:
                self.runner.assign(list(self.nodes.values()))
                if self.provisioner.due(now):
                    nodes = list(self.nodes.values())
                    self.provisioner.review(self.clouds, self.queue.buildable(), nodes, self.add_node, now)
            for cloud in self.clouds:
                cloud.tick()
            self._care_for_nodes(now)
            if now - self._saved >= _QUEUE_SAVED_S:
                self._saved = now
                self.queue.save(self.settings.home / "queue.xml")
            self._moved.notify_all()
            return self.ending is None or (not self.ending_at_once and self.busy_executors > 0)

    def wait_until(self, condition: Callable[[], bool], until: float | None) -> bool:
        """Wait under the lock, which others get meanwhile; whether the condition came true.

        Args:
            condition: looked at after each tick
            until: when to give up, by the monotonic clock; None: never
        """
        while not condition():
            if until is not None and time.monotonic() >= until:
                return False
            self._moved.wait(1.0)
        return True

    def _care_for_nodes(self, now: float) -> None:
        for node in self.retention.terminated(list(self.nodes.values()), now, self._generation_of):
            self.remove_node(node)
        if now - self._pinged >= _PING_S:
            self._pinged = now
            for node in self.nodes.values():
                if node.channel is not None:
                    node.channel.ping()
        for node in list(self.nodes.values()):
            late = now - node.created > _AGENT_TIMEOUT_MINUTES * self.settings.minute_s
            if node.connecting and late and self._generation_of(node) == 2:
                log.info("Agent %s failed to come online", node.name)
                node.connecting = False
                self._owner[node.name].terminate(node)

    def _generation_of(self, node: Node) -> int:
        return self._owner[node.name].cloud.generation

    @property
    def busy_executors(self) -> int:
        return sum(build is not None for node in self.nodes.values() for build in node.executors)

    def shut_down(self) -> None:
        """Jenkins' cleanUp: builds that run are lost, the queue is saved, the framework's connection ends."""
        with self.lock:
            if self.state == "up":
                self.runner.abandon(list(self.nodes.values()))
                self.queue.save(self.settings.home / "queue.xml")
                log.info("Saved the queue with %d items", len(list(self.queue.queued())))
                for node in self.nodes.values():
                    if node.channel is not None:
                        node.channel.close()
            self.state = "loading"
            for cloud in self.clouds:
                cloud.stop()

    def reload_jobs(self) -> None:
        """POST /reload: jobs are read again; the stand-in leaves everything else as it is."""
        if self.busy_executors:
            raise Refused(500, "the stand-in does not reload while builds run")
        self.jobs = home.load_jobs(self.settings.home)

    # --- nodes

    def add_node(self, cloud: MesosCloud, node: Node) -> None:
        """Put a node into Jenkins and ask for its task."""
        node.created = node.idle_since = self.clock()
        self.nodes[node.name] = node
        self._owner[node.name] = cloud
        if not cloud.launch(node):
            self.remove_node(node)

    def remove_node(self, node: Node) -> None:
        """Take a node out of Jenkins, then end its task (in this order: it decides when a framework leaves)."""
        if self.nodes.pop(node.name, None) is None:
            return
        log.info("Terminating slave %s", node.name)
        self.runner.lost(node)
        cloud = self._owner.pop(node.name)
        channel, node.channel = node.channel, None
        cloud.terminate(node)
        if channel is not None:
            channel.close()

    def _task_running(self, name: str) -> None:
        if node := self.nodes.get(name):
            node.pending_delete = False

    def _task_ended(self, name: str, message: str) -> None:
        if node := self.nodes.get(name):
            log.info("Task of %s: %s", name, message)
            node.connecting = False

    def _agent_secret(self, name: str) -> str:
        return agent_secret(self._key, name) if self.config.use_security else ""

    # --- agents (inbound.Registry)

    @property
    def hello(self) -> Mapping[str, str]:
        return {
            "Jenkins-Agent-Protocols": "JNLP4-connect, Ping",
            "Jenkins-Version": self.version,
            "Jenkins-Session": self.session_id,
            "Stand-In": self.name,
        }

    def agent_connected(self, name: str, secret: str, channel: AgentChannel) -> str | None:
        with self.lock:
            node = self.nodes.get(name)
            if node is None:
                return f"{name} is not known to this Jenkins"
            if self.config.use_security and not secrets.compare_digest(secret, self._agent_secret(name)):
                return f"{name}: the secret is wrong"
            if node.channel is not None:
                return f"{name} is already connected"
            channel.welcome("Welcome")
            node.channel, node.connecting = channel, False
            node.created = node.idle_since = self.clock()
            log.info("Agent %s is online", name)
            return None

    def agent_log(self, name: str, number: int, data: bytes) -> None:
        with self.lock:
            if node := self.nodes.get(name):
                self.runner.step_log(node, number, data)

    def agent_exit(self, name: str, number: int, code: int) -> None:
        with self.lock:
            if node := self.nodes.get(name):
                self.runner.step_over(node, number, code)

    def agent_lost(self, name: str, channel: AgentChannel) -> None:
        with self.lock:
            node = self.nodes.get(name)
            if node is not None and node.channel is channel:
                log.info("Agent %s is offline", name)
                node.channel = None
                if self.state == "up":
                    self.runner.lost(node)
