"""A small Mesos framework over the v1 scheduler HTTP API, which acknowledges updates or not, as told."""

import http.client
import json
import socket
import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

from tests.contract.mesos.cluster import MASTER_PORT, TERMINAL, Json, wait_for

SUBSCRIBE_TIMEOUT_S = 60


class Leading(Protocol):
    """Masters, of which one leads."""

    def leader(self) -> str:
        """Its address."""


class Framework:
    """Subscribes to the leading master; a thread of its own reads events and follows a new leader."""

    def __init__(
        self,
        cluster: Leading,
        roles: tuple[str, ...] = ("*",),
        capabilities: tuple[str, ...] = (),
        *,
        user: str = "root",
        principal: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.cluster = cluster
        self.acknowledging = True
        self.id: Json | None = None
        self.offers: dict[str, Json] = {}
        self.updates: dict[str, list[Json]] = defaultdict(list)
        self.errors: list[str] = []
        self._info: Json = {
            "user": user,
            "name": "test",
            "roles": list(roles),
            "checkpoint": True,
            "failover_timeout": 300,
            "capabilities": [{"type": kind} for kind in ("MULTI_ROLE", "RESERVATION_REFINEMENT", *capabilities)],
        }
        if principal:
            self._info["principal"] = principal
        self._proof = dict(headers or {})  # of who it is, sent with every call
        self._closing = False
        self._unacknowledged: list[Json] = []
        self._stream: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {}
        self._leader = ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_for("a framework id", lambda: self.id, SUBSCRIBE_TIMEOUT_S)

    # --- calls ----------------------------------------------------------------

    def call(self, kind: str, **content: object) -> None:
        """Make a scheduler call; OSError if the master does not accept it."""
        body = {"type": kind, "framework_id": self.id, **content}
        connection = http.client.HTTPConnection(self._leader, MASTER_PORT, timeout=20)
        headers = {"Content-Type": "application/json", **self._headers, **self._proof}
        connection.request("POST", "/api/v1/scheduler", json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != http.HTTPStatus.ACCEPTED:
            raise OSError(f"{kind}: the master answered {answer.status}: {text}")

    def launch(self, command: str | Json, hostname: str, cpus: float = 0.1, mem: float = 32, **more: object) -> str:
        """Launch a task (shell line, or a whole CommandInfo) on an agent as soon as it is offered; its id."""
        offer = wait_for(f"an offer of {hostname}", lambda: self._offer_of(hostname))
        task_id = f"t-{uuid.uuid4().hex[:8]}"
        wanted = []
        for name, value in (("cpus", cpus), ("mem", mem)):
            offered = next(r for r in offer["resources"] if r["name"] == name)
            wanted.append({**offered, "scalar": {"value": value}})
        task = {
            "name": "test",
            "task_id": {"value": task_id},
            "agent_id": offer["agent_id"],
            "command": {"value": command} if isinstance(command, str) else command,
            "resources": wanted,
            **more,
        }
        launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        del self.offers[offer["id"]["value"]]
        accept = {"offer_ids": [offer["id"]], "operations": [launch], "filters": {"refuse_seconds": 0.1}}
        self.call("ACCEPT", accept=accept)
        return task_id

    def _offer_of(self, hostname: str) -> Json | None:
        return next((o for o in list(self.offers.values()) if o["hostname"] == hostname), None)

    def prove(self, headers: Mapping[str, str]) -> None:
        """Subscribe again, and say from now on who it is, as a scheduler that was restarted with a secret."""
        self._proof = dict(headers)
        if self._stream is not None and self._stream.sock is not None:
            self._stream.sock.shutdown(socket.SHUT_RDWR)

    def kill(self, task_id: str) -> None:
        self.call("KILL", kill={"task_id": {"value": task_id}})

    def acknowledge_all(self) -> None:
        """Acknowledge what was held back, and everything from now on."""
        self.acknowledging = True
        while self._unacknowledged:
            self._acknowledge(self._unacknowledged.pop(0))

    def close(self) -> None:
        """Remove the framework and its tasks from the cluster."""
        self._closing = True
        self.call("TEARDOWN")
        self._thread.join(20)
        assert not self.errors, self.errors

    # --- what happened ----------------------------------------------------------

    def states(self, task_id: str) -> list[str]:
        return [status["state"] for status in self.updates[task_id]]

    def wait_state(self, task_id: str, state: str, deadline_s: float = 40) -> Json:
        """The first update with this state; AssertionError if the task ends in another one."""

        def there() -> Json | None:
            found = next((s for s in self.updates[task_id] if s["state"] == state), None)
            assert found or TERMINAL.isdisjoint(self.states(task_id)), self.updates[task_id]
            return found

        return wait_for(f"{state} of {task_id}", there, deadline_s)

    # --- events -----------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            try:
                self._leader = self.cluster.leader()
                self._listen()
            except (OSError, http.client.HTTPException, ValueError):
                continue  # the leader is gone, perhaps in the middle of a record: find the next one

    def _listen(self) -> None:
        self.offers.clear()
        info = dict(self._info, **({"id": self.id} if self.id else {}))
        body: Json = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if self.id:
            body["framework_id"] = self.id
        self._stream = http.client.HTTPConnection(self._leader, MASTER_PORT, timeout=30)
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self._proof}
        self._stream.request("POST", "/api/v1/scheduler", json.dumps(body), headers)
        answer = self._stream.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"SUBSCRIBE: {answer.status} {answer.read().decode()}")
        self._headers = {"Mesos-Stream-Id": answer.headers["Mesos-Stream-Id"]}
        while size := answer.readline():  # RecordIO: <length>\n<json>
            self._handle(json.loads(answer.read(int(size))))

    def _handle(self, event: Json) -> None:
        kind = event["type"]
        if kind == "SUBSCRIBED":
            self.id = event["subscribed"]["framework_id"]
        elif kind == "OFFERS":
            self.offers |= {offer["id"]["value"]: offer for offer in event["offers"]["offers"]}
        elif kind == "RESCIND":
            self.offers.pop(event["rescind"]["offer_id"]["value"], None)
        elif kind == "UPDATE":
            status = event["update"]["status"]
            self.updates[status["task_id"]["value"]].append(status)
            if "uuid" in status:
                if self.acknowledging:
                    self._acknowledge(status)
                else:
                    self._unacknowledged.append(status)
        elif kind == "ERROR" and not self._closing:
            self.errors.append(json.dumps(event))

    def _acknowledge(self, status: Json) -> None:
        what = {key: status[key] for key in ("agent_id", "task_id", "uuid")}
        self.call("ACKNOWLEDGE", acknowledge=what)
