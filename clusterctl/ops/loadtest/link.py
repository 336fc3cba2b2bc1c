"""The connection of one simulated framework to the leading master: its stream of events, and its calls in order."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from clusterctl.errors import ClusterctlError
from clusterctl.load.calls import framework_info, subscribe
from clusterctl.load.framework import Action, Framework, Leave, MesosCall, Register
from clusterctl.ops.loadtest.logins import Who
from clusterctl.ops.loadtest.masters import PASSING, Endpoint, MasterMap

_STREAM_ID = "Mesos-Stream-Id"
_AGAIN_S = 0.5
_CLOSE_S = 20.0


@dataclass(frozen=True)
class _Letter:
    """A call to be sent, and the reader that is to end after it."""

    to: Endpoint
    stream: str
    call: dict[str, Any]
    then_end: asyncio.Task[None] | None


class Link:
    """Carries out what a ``Framework`` says and tells it what happens.

    Args:
        failover_s: how long masters keep it when the connection breaks; 0 as the plugin up to 1.x has it.
        now: seconds since the test began.
        spawn: runs a coroutine whose failure fails the test.
    """

    def __init__(
        self,
        framework: Framework,
        masters: MasterMap,
        who: Who,
        failover_s: float,
        now: Callable[[], float],
        spawn: Callable[[Any], asyncio.Task[None]],
    ) -> None:
        self.framework = framework
        self.refused = 0
        self.reconnects = 0
        self.refusals: list[str] = []
        self._masters = masters
        self._name, self._role, self._who = framework.seen.name, framework.seen.role, who
        self._failover_s = failover_s
        self._now = now
        self._spawn = spawn
        self._reader: asyncio.Task[None] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._outbox: deque[_Letter] = deque()
        self._at: tuple[Endpoint, str] | None = None  # where it is subscribed, and the stream's id
        self._last_id: str | None = None

    def act(self, actions: Sequence[Action]) -> None:
        """Carries out actions; calls are sent one after the other."""
        for action in actions:
            match action:
                case Register():
                    self._reader = self._spawn(self._live())
                case Leave():
                    self._leave()
                case MesosCall(body):
                    self._post(body)

    @property
    def subscribing(self) -> bool:
        """Whether it has asked to be registered and has no answer yet."""
        return self._reader is not None and self._at is None

    async def close(self) -> None:
        """Removes the framework from the cluster as well as it can; the masters are asked afterwards what is left."""
        reader = self._reader
        self._outbox.clear()
        self._leave()
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=_CLOSE_S)
            self._sender.cancel()
        if reader is not None:
            reader.cancel()

    def _leave(self) -> None:
        """TEARDOWN, after which the stream is useless."""
        self._post({"type": "TEARDOWN"}, then_end=self._reader)
        self._at = self._last_id = self._reader = None

    # --- calls ----------------------------------------------------------------------

    def _post(self, body: dict[str, Any], then_end: asyncio.Task[None] | None = None) -> None:
        if self._at is None or self._last_id is None:
            return  # between two leaders: the new one knows of no offer or suppression of before
        endpoint, stream = self._at
        call = {**body, "framework_id": {"value": self._last_id}}
        self._outbox.append(_Letter(endpoint, stream, call, then_end))
        if self._sender is None or self._sender.done():
            self._sender = self._spawn(self._send())

    async def _send(self) -> None:
        while self._outbox:
            letter = self._outbox.popleft()
            url, headers = f"{letter.to.url}/api/v1/scheduler", {_STREAM_ID: letter.stream, **self._who.headers}
            kind = letter.call["type"]
            try:
                async with self._masters.calls(letter.to).post(
                    url, json=letter.call, headers=headers, allow_redirects=False
                ) as answer:
                    if answer.status != 202:
                        self._refuse(f"{kind}: HTTP {answer.status} {(await answer.text()).strip()[:200]}")
            except PASSING as error:
                self._refuse(f"{kind}: {error or type(error).__name__}")
            if letter.then_end is not None:
                letter.then_end.cancel()

    def _refuse(self, why: str) -> None:
        self.refused += 1
        if len(self.refusals) < 3:
            self.refusals.append(why)

    # --- events ---------------------------------------------------------------------

    async def _live(self) -> None:
        """One registration, through changes of the leader, until it leaves or is removed."""
        mine = asyncio.current_task()
        while True:
            endpoint = await self._masters.leader()
            try:
                ended = await self._listen(endpoint)
            except (*PASSING, asyncio.IncompleteReadError, ValueError):
                ended = False  # the leader is gone, perhaps in the middle of a record
            if self._reader is not mine:
                return
            self._at = None
            if ended:
                self._reader = None
                self._last_id = None
                self.act(self.framework.removed(self._now()))
                return
            self._masters.distrust(endpoint)
            self.reconnects += self._last_id is not None
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self, endpoint: Endpoint) -> bool:
        """Subscribes and reads events; True when the masters have removed the framework."""
        who, known = self._who, self.framework.id
        info = framework_info(self._name, self._role, who.user, failover_s=self._failover_s, framework_id=known)
        if who.principal is not None:
            info["principal"] = who.principal
        async with self._masters.streams(endpoint).post(
            f"{endpoint.url}/api/v1/scheduler",
            json=subscribe(info),
            headers={"Accept": "application/json", **who.headers},
            allow_redirects=False,
        ) as answer:
            if answer.status in (307, 404, 503):  # not leading any more, without routes yet, or not recovered yet
                return False
            if answer.status != 200:
                text = (await answer.text()).strip()
                raise ClusterctlError(
                    f"the master {endpoint.address} does not let {self._name} subscribe: HTTP {answer.status} {text}"
                )
            self._at = (endpoint, answer.headers[_STREAM_ID])
            return await self._read(answer.content)

    async def _read(self, content: aiohttp.StreamReader) -> bool:
        while size := await content.readline():  # RecordIO: <length>\n<json>
            event = json.loads(await content.readexactly(int(size)))
            if event["type"] == "ERROR":
                return True
            self._handle(event)
        return False

    def _handle(self, event: dict[str, Any]) -> None:
        now, framework = self._now(), self.framework
        match event["type"]:
            case "SUBSCRIBED":
                self._last_id = event["subscribed"]["framework_id"]["value"]
                self.act(framework.subscribed(self._last_id, now))
            case "OFFERS":
                self.act(framework.offered(event["offers"]["offers"], now))
            case "RESCIND":
                framework.rescinded(event["rescind"]["offer_id"]["value"], now)
            case "UPDATE":
                self.act(framework.updated(event["update"]["status"], now))
