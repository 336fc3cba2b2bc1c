"""Mesos masters over HTTP: which one leads, calls of its operator API, connections for schedulers."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp

from clusterctl.errors import ClusterctlError
from clusterctl.load.plan import NAME_PREFIX
from clusterctl.ops.loadtest.logins import Logins

_ASK_TIMEOUT_S = 20.0
_LOOK_EVERY_S = 0.5
_FILES = 4096
# Calls of all frameworks together that are under way at once; streams have connections of their own
_CALL_CONNECTIONS = 16
# The masters' heartbeat comes every 15 s (scheduler HTTP API, "HEARTBEAT")
_STREAM_SILENCE_S = 45.0

# What a busy or not yet leading master answers, or a connection that broke; it passes
PASSING = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True)
class Endpoint:
    """A master.

    Attributes:
        address: ``host:port`` as the masters call it in their redirects.
        socket: a Unix socket on this machine that leads to it; None where it can be reached directly.
        logins: who we are to it.
    """

    address: str
    socket: Path | None = None
    logins: Logins = field(default_factory=Logins, compare=False)

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@dataclass(frozen=True)
class Registered:
    """A framework as the leading master knows it; ``tasks`` are those not over."""

    id: str
    name: str
    connected: bool
    tasks: int

    @property
    def ours(self) -> bool:
        return self.name.startswith(NAME_PREFIX)

    @property
    def run(self) -> str:
        """The id of the load test that it belongs to."""
        return self.name.removeprefix(NAME_PREFIX).partition("-")[0]


def allow_connections() -> None:
    """Raises this process's limit of open files, and so that of children, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class MasterMap:
    """The masters of one cluster. An asynchronous context manager, to be used within one event loop."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.endpoints = {endpoint.address: endpoint for endpoint in endpoints}
        self.logins = next((endpoint.logins for endpoint in self.endpoints.values()), Logins())
        self.leaders: list[str] = []
        self._leader: Endpoint | None = None
        self._looking = asyncio.Lock()
        self._calls: dict[str, aiohttp.ClientSession] = {}
        self._streams: dict[str, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        ask = aiohttp.ClientTimeout(total=_ASK_TIMEOUT_S)
        stream = aiohttp.ClientTimeout(total=None, sock_connect=_ASK_TIMEOUT_S, sock_read=_STREAM_SILENCE_S)
        for endpoint in self.endpoints.values():
            self._calls[endpoint.address] = _session(endpoint, _CALL_CONNECTIONS, ask, endpoint.logins.operator)
            self._streams[endpoint.address] = _session(endpoint, 0, stream, {})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for session in (*self._streams.values(), *self._calls.values()):
            await session.close()

    def calls(self, endpoint: Endpoint) -> aiohttp.ClientSession:
        """For short requests; an operator's, if their headers don't say otherwise."""
        return self._calls[endpoint.address]

    def streams(self, endpoint: Endpoint) -> aiohttp.ClientSession:
        """For subscriptions."""
        return self._streams[endpoint.address]

    def distrust(self, endpoint: Endpoint) -> None:
        """It did not behave as the leader: the next ``leader`` looks again."""
        if self._leader == endpoint:
            self._leader = None

    async def leader(self, deadline_s: float = 60.0) -> Endpoint:
        """The leading master.

        Raises:
            ClusterctlError: none was found within the deadline.
        """
        async with self._looking:
            end = asyncio.get_running_loop().time() + deadline_s
            while self._leader is None:
                said = []
                for endpoint in self.endpoints.values():
                    try:
                        self._leader = await self._named_by(endpoint)
                    except (*PASSING, ClusterctlError) as error:
                        said.append(f"{endpoint.address}: {error or type(error).__name__}")
                        continue
                    break
                else:
                    if asyncio.get_running_loop().time() > end:
                        raise ClusterctlError(
                            "no leading Mesos master:\n" + "\n".join(said),
                            hint="`clusterctl verify FILE` shows what the masters lack.",
                        )
                    await asyncio.sleep(_LOOK_EVERY_S)
            if not self.leaders or self.leaders[-1] != self._leader.address:
                self.leaders.append(self._leader.address)
            return self._leader

    async def _named_by(self, endpoint: Endpoint) -> Endpoint:
        async with self.calls(endpoint).get(f"{endpoint.url}/master/redirect", allow_redirects=False) as answer:
            location = answer.headers.get("Location", "")
        address = urlsplit(location).netloc
        if not address:
            raise ClusterctlError(f"it knows no leader (HTTP {answer.status})")
        if address not in self.endpoints:
            raise ClusterctlError(f"it names {address} as leader, which is not in the list of masters")
        return self.endpoints[address]

    # --- operator API ---------------------------------------------------------------

    async def frameworks(self) -> list[Registered]:
        """All frameworks that the leader has not removed."""
        summary = await self._get("/master/state-summary")
        states = ("TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING")
        return [
            Registered(
                id=framework["id"],
                name=framework.get("name", ""),
                connected=framework.get("connected", False),
                tasks=sum(framework.get(state, 0) for state in states),
            )
            for framework in summary["frameworks"]
        ]

    async def metrics(self) -> dict[str, float]:
        """The leader's metrics by name. By the operator API: /metrics/snapshot answers twice a second at most."""
        leader = await self.leader()
        call = {"type": "GET_METRICS", "get_metrics": {}}
        headers = {"Accept": "application/json"}
        async with self.calls(leader).post(
            f"{leader.url}/api/v1", json=call, headers=headers, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                self.distrust(leader)
                raise aiohttp.ClientError(f"GET_METRICS: HTTP {answer.status}")
            found = json.loads(await answer.read())
        return {metric["name"]: metric.get("value", 0.0) for metric in found["get_metrics"]["metrics"]}

    async def teardown(self, framework_id: str) -> None:
        """Removes a framework and its tasks; one that is gone already is fine.

        Raises:
            ClusterctlError: the leader refused.
        """
        leader = await self.leader()
        form = {"frameworkId": framework_id}
        async with self.calls(leader).post(f"{leader.url}/master/teardown", data=form, allow_redirects=False) as answer:
            text = (await answer.text()).strip()
        if answer.status == 200 or "No framework found" in text:
            return
        self.distrust(leader)
        raise ClusterctlError(
            f"the master {leader.address} does not remove {framework_id}: HTTP {answer.status} {text}"
        )

    async def _get(self, path: str) -> Mapping[str, Any]:
        leader = await self.leader()
        async with self.calls(leader).get(f"{leader.url}{path}", allow_redirects=False) as answer:
            if answer.status != 200:
                self.distrust(leader)
                raise ClusterctlError(f"the master {leader.address} answers {path} with HTTP {answer.status}")
            found: Mapping[str, Any] = json.loads(await answer.read())
            return found


def _session(
    endpoint: Endpoint, connections: int, timeout: aiohttp.ClientTimeout, headers: Mapping[str, str]
) -> aiohttp.ClientSession:
    connector: aiohttp.BaseConnector
    if endpoint.socket is None:
        connector = aiohttp.TCPConnector(limit=connections)
    else:
        connector = aiohttp.UnixConnector(str(endpoint.socket), limit=connections)
    return aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers=headers
    )
