"""The state in ZooKeeper, below Marathon's path: ``<path>/state``.

    state/version        {"format": 1, "version": "1.11.24", "build": 1}
    state/framework-id   the id, as text
    state/apps/KEY  state/instances/KEY  state/deployments/KEY  state/failures/KEY     JSON; KEY is the id, %-escaped

Only the leader writes. A build reads the formats up to its own, migrating older ones, and refuses newer ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NodeExistsError, NoNodeError, OperationTimeoutError

from .buildinfo import BuildInfo
from .exits import Crash, Exit
from .state import KINDS, Change

FORMAT = 1
Data = dict[str, dict[str, dict[str, Any]]]  # kind -> key -> data
# format n -> what makes format n + 1 of it. There has been one format so far.
MIGRATIONS: Mapping[int, Callable[[Data], Data]] = {}
_CHUNK = 500  # changes in one transaction: well below ZooKeeper's limit of 1 MiB a request


def migrated(data: Data, found: int, wanted: int, steps: Mapping[int, Callable[[Data], Data]]) -> Data:
    """Return ``data`` of format ``found`` in format ``wanted``. Raises Crash if it is newer or there is no way."""
    if found > wanted:
        raise Crash(
            Exit.UNCAUGHT_EXCEPTION,
            f"the state in ZooKeeper has format {found}, written by a newer build; this build reads up to {wanted}."
            " Install that build again, or restore the backup made before the upgrade.",
        )
    for step in range(found, wanted):
        if step not in steps:
            raise Crash(Exit.UNCAUGHT_EXCEPTION, f"no migration of the state in ZooKeeper from format {step}")
        data = steps[step](data)
    return data


class ZooKeeperStore:
    """The repository of the state. Errors of kazoo pass through; the actor ends the process on them."""

    def __init__(self, client: KazooClient, path: str, build: BuildInfo) -> None:
        self._client, self._path, self._build = client, f"{path}/state", build
        self._known: set[str] = set()

    def load(self) -> tuple[Data, str | None]:
        """Return the state, migrated to this build's format, and the framework id. To be called once elected."""
        for name in KINDS:
            self._client.retry(self._client.ensure_path, f"{self._path}/{name}")
        self._client.retry(self._client.sync, self._path)
        found = self._read_json("version")
        data: Data = {kind: self._read_kind(kind) for kind in KINDS}
        if found is not None and found["format"] != FORMAT:
            after = migrated(data, found["format"], FORMAT, MIGRATIONS)
            gone = [(kind, key) for kind, items in data.items() for key in items if key not in after.get(kind, {})]
            self.commit([(kind, key, None) for kind, key in gone])
            self.commit([(kind, key, item) for kind, items in after.items() for key, item in items.items()])
            data = after
        version = {"format": FORMAT, "version": self._build.version, "build": self._build.build}
        self._upsert(f"{self._path}/version", _json(version))
        framework_id = self._read("framework-id")
        return data, framework_id.decode() if framework_id else None

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(self._client.retry(self._client.get, f"{self._path}/{name}")[0])
        except NoNodeError:
            return None

    def _read_json(self, name: str) -> dict[str, Any] | None:
        raw = self._read(name)
        return None if raw is None else dict(json.loads(raw))

    def _read_kind(self, kind: str) -> dict[str, dict[str, Any]]:
        result = {}
        for name in self._client.retry(self._client.get_children, f"{self._path}/{kind}"):
            data = self._read_json(f"{kind}/{name}")
            if data is not None:
                result[unquote(name)] = data
                self._known.add(f"{self._path}/{kind}/{name}")
        return result

    def _upsert(self, path: str, raw: bytes) -> None:
        try:
            self._client.retry(self._client.create, path, raw)
        except NodeExistsError:
            self._client.retry(self._client.set, path, raw)

    def save_framework_id(self, framework_id: str) -> None:
        self._upsert(f"{self._path}/framework-id", framework_id.encode())

    def commit(self, changes: Sequence[Change]) -> None:
        """Write ``changes`` in transactions of up to 500."""
        for start in range(0, len(changes), _CHUNK):
            self._commit(changes[start : start + _CHUNK])

    def _commit(self, changes: Sequence[Change]) -> None:
        known = set(self._known)
        transaction = self._client.transaction()
        for path, raw in self._nodes(changes):
            if raw is None:
                if path in known:
                    transaction.delete(path)
                    known.discard(path)
            elif path in known:
                transaction.set_data(path, raw)
            else:
                transaction.create(path, raw)
                known.add(path)
        try:
            results = transaction.commit() if transaction.operations else []
        except (ConnectionLoss, OperationTimeoutError):
            # Done or not? Doing it again in steps that may be repeated is right in both cases.
            self._repeat(changes)
            results = []
        for result in results:
            if isinstance(result, Exception):
                raise result
        self._known = known

    def _nodes(self, changes: Sequence[Change]) -> list[tuple[str, bytes | None]]:
        return [
            (f"{self._path}/{kind}/{quote(key, safe='')}", None if data is None else _json(data))
            for kind, key, data in changes
        ]

    def _repeat(self, changes: Sequence[Change]) -> None:
        for path, raw in self._nodes(changes):
            if raw is not None:
                self._upsert(path, raw)
                continue
            try:
                self._client.retry(self._client.delete, path)
            except NoNodeError:
                continue


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, sort_keys=True).encode()
