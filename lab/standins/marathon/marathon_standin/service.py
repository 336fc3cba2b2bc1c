"""The process: joins the election, leads when elected, answers or passes on requests, and ends when it must."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import replace
from typing import Any

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import KazooRetry
from kazoo.security import CREATOR_ALL_ACL, OPEN_ACL_UNSAFE

from . import metrics, server
from .actor import Actor
from .api import EVENTS, LeaderApi
from .buildinfo import BuildInfo
from .checker import Checker
from .config import Config
from .detector import MasterDetector
from .election import LeaderLatch
from .events import EventBus
from .exits import Crash, Exit
from .gate import Gate
from .info import info_json
from .manners import Manners
from .mesos import MesosDriver
from .messages import Request, Response, as_json, text
from .proxy import LEADER_HEADER, forward
from .scheduler import Scheduler
from .state import State
from .store import ZooKeeperStore

log = logging.getLogger(__name__)

_LEADERSHIP_RETRIES, _LEADERSHIP_RETRY_S = 10, 0.25  # Marathon holds requests back for so long
_ABDICATION_DELAY_S = 0.5  # so that the answer to DELETE /v2/leader gets out


class Service:
    """``run`` returns the exit code. Everything else happens in threads, which call ``crash``."""

    def __init__(self, config: Config, build: BuildInfo, manners: Manners) -> None:
        self._config, self._build, self._manners = config, build, manners
        self._started_at = time.monotonic()
        # A SimpleQueue, because put() may be called from a signal handler.
        self._ends: queue.SimpleQueue[Crash] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._leader: str | None = None
        self._led_since: float | None = None
        self._api: LeaderApi | None = None
        self._scheduler: Scheduler | None = None
        self._driver: MesosDriver | None = None
        self._bus: EventBus | None = None
        timeout_s = config.zk_session_timeout / 1000
        closed = config.zk.credentials is not None
        self._gate = Gate(config)
        self._zk = KazooClient(
            hosts=config.zk.hosts,
            timeout=timeout_s,
            auth_data=[("digest", config.zk.credentials)] if closed else [],
            default_acl=CREATOR_ALL_ACL if closed else OPEN_ACL_UNSAFE,
            # Longer than a session lasts is no use: by then we have stopped being anybody.
            command_retry=KazooRetry(max_tries=-1, delay=0.1, max_delay=1.0, deadline=timeout_s),
        )
        self._latch = LeaderLatch(self._zk, config.zk.path, config.host_port, self._leader_is, self.crash)

    def crash(self, reason: Crash) -> None:
        """Have the process end for ``reason``; the first reason counts."""
        self._ends.put(reason)

    def run(self) -> Exit:
        """Serve until something ends it."""
        reason = self._load()
        if reason is None:
            try:
                self._start()
            except Crash as crash:
                self.crash(crash)
            reason = self._ends.get()
        expected = reason.code in (Exit.SIGTERM, Exit.LEADERSHIP_ENDED_GRACEFULLY)
        log.log(logging.INFO if expected else logging.ERROR, "Exiting with %d: %s", reason.code, reason)
        self._leave(reason)
        return reason.code

    def _load(self) -> Crash | None:
        """Take the time that a JVM takes to load Marathon; return what ends the process meanwhile."""
        try:
            return self._ends.get(timeout=self._manners.start_s)
        except queue.Empty:
            return None

    def _uncaught(self, args: threading.ExceptHookArgs) -> None:
        """A thread that died of an error nobody expected leaves no working process behind."""
        error = args.exc_value
        log.error("unexpected error in %s", args.thread, exc_info=error)
        self.crash(Crash(Exit.UNCAUGHT_EXCEPTION, f"unexpected error: {error!r}"))

    def _start(self) -> None:
        threading.excepthook = self._uncaught
        server.start(self._config, self.answer)
        self._zk.add_listener(self._zookeeper_is)
        try:
            self._zk.start(timeout=self._config.zk_connection_timeout / 1000)
        except KazooTimeoutError as exc:
            message = f"no connection to ZooKeeper at {self._config.zk.hosts}"
            raise Crash(Exit.ZOOKEEPER_CONNECTION_FAILURE, message) from exc
        try:
            self._latch.start()
        except KazooException as exc:
            raise Crash(Exit.ZOOKEEPER_CONNECTION_LOST, f"ZooKeeper: {exc!r}") from exc

    def _leave(self, reason: Crash) -> None:
        """Stop acting first, then make room for the next leader."""
        if self._driver is not None:
            self._driver.stop()
        if reason.code in (Exit.ZOOKEEPER_CONNECTION_LOST, Exit.ZOOKEEPER_CONNECTION_FAILURE):
            return
        try:
            self._latch.close()
            self._zk.stop()
        except KazooException as exc:
            log.info("Left the election without ZooKeeper's word: %r", exc)

    # --- ZooKeeper's and the election's word; both in kazoo's threads

    def _zookeeper_is(self, state: str) -> None:
        """End at once when the connection breaks, though the session lives on, as Marathon does.

        Source: RichCuratorFramework.ConnectionLostListener; Curator's SUSPENDED is "not connected", too.
        """
        if state in (KazooState.LOST, KazooState.SUSPENDED):
            self.crash(Crash(Exit.ZOOKEEPER_CONNECTION_LOST, f"the connection to ZooKeeper is {state}"))
        else:
            log.info("Connected to ZooKeeper")

    def _leader_is(self, leader: str | None) -> None:
        with self._lock:
            if leader == self._leader:
                return
            log.info("The leader is %s", leader or "unknown")
            was_leading = self._leader == self._config.host_port
            self._leader = leader
        if was_leading:
            self.crash(Crash(Exit.LEADERSHIP_LOSS, "lost the leadership"))
        elif leader == self._config.host_port:
            threading.Thread(target=self._lead, name="elected", daemon=True).start()

    def _lead(self) -> None:
        try:
            log.info("Elected as the leader; loading the state")
            slow = self._manners.migration_s
            store = ZooKeeperStore(self._zk, self._config.zk.path, self._build, slow, time.sleep)
            stored, framework_id = store.load()
            if framework_id is None and stored["instances"]:
                message = f"{self._config.zk.path}/state has instances but no framework-id; a new one would orphan them"
                self.crash(Crash(Exit.FRAMEWORK_ID_MISSING, message))
                return
            self._begin(Scheduler(State(store, stored, framework_id), self._config, time.time))
        except Crash as crash:
            self.crash(crash)
        except KazooException as exc:
            self.crash(Crash(Exit.ZOOKEEPER_CONNECTION_LOST, f"ZooKeeper: {exc!r}"))

    def _begin(self, scheduler: Scheduler) -> None:
        detector = MasterDetector(self._config.master, self._config.zk_session_timeout / 1000)
        driver = MesosDriver(
            self._config,
            detector,
            identity=lambda: (scheduler.state.framework_id, scheduler.roles),
            on_event=lambda event: actor.tell(lambda: scheduler.event(event)),
            on_disconnected=lambda: actor.tell(scheduler.disconnected),
            on_crash=self.crash,
        )
        checker = Checker(
            self._config.max_concurrent_marathon_health_checks,
            lambda result: actor.tell(lambda: scheduler.checked(result)),
        )
        bus = EventBus(time.time, self._config.event_stream_max_outstanding_messages)
        actor = Actor(scheduler, driver.send, bus.publish, checker.make, self.crash)
        # Marathon gives --zk_timeout to the operations of its REST API, too.
        api = LeaderApi(
            scheduler, lambda f: actor.ask(f, self._config.zk_timeout / 1000), bus, self._info, self._abdicate
        )
        actor.start()
        detector.start()
        driver.start()
        with self._lock:
            self._scheduler, self._driver, self._api, self._bus = scheduler, driver, api, bus
            self._led_since = time.monotonic()
        log.info("Leading as %s", self._config.host_port)

    def _abdicate(self) -> None:
        graceful = Crash(Exit.LEADERSHIP_ENDED_GRACEFULLY, "abdicated by request")
        timer = threading.Timer(_ABDICATION_DELAY_S, self.crash, [graceful])
        timer.daemon = True
        timer.start()

    # --- requests; in the listener's threads

    def answer(self, request: Request) -> Response:
        """Answer as the leader, or pass on the leader's answer; hold the request while there is none.

        Who asks is checked first, at each instance: what is passed on has the credentials with it.
        """
        if refused := self._gate.refuse(request):
            return refused
        for _ in range(_LEADERSHIP_RETRIES):
            with self._lock:
                api, leader = self._api, self._leader
            if api is not None:
                if request.method == "GET" and request.path in ("/metrics", "/metrics/prometheus"):
                    response = self._metrics(request.path)
                else:
                    response = api.answer(request)
                headers = {**response.headers, LEADER_HEADER: f"http://{self._config.host_port}"}
                return replace(response, headers=headers)
            if leader is not None and leader != self._config.host_port:
                if request.path.startswith(EVENTS):  # a stream is not proxied (LeaderProxyFilter)
                    return Response(302, headers={"Location": f"http://{leader}{request.target}"})
                return forward(request, leader, self._config)
            time.sleep(_LEADERSHIP_RETRY_S)
        return as_json(502, {"message": "Could not determine the current leader"})

    def _metrics(self, path: str) -> Response:
        now = time.monotonic()
        with self._lock:
            scheduler, since, bus = self._scheduler, self._led_since, self._bus
        led = now - since if since is not None else 0.0
        streams = bus.count if bus else 0
        values = metrics.snapshot(self._config.metrics_name_prefix, now - self._started_at, scheduler, led, streams)
        if path == "/metrics":
            return as_json(200, values)
        if not self._config.metrics_prometheus:
            return as_json(404, {"message": "started with --disable_metrics_prometheus"})
        return text(200, metrics.prometheus(values))

    def _info(self) -> dict[str, Any]:
        framework_id = self._scheduler.state.framework_id if self._scheduler else None
        return info_json(self._config, self._build, framework_id, self._driver.master if self._driver else None)
