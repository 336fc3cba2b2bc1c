"""The state in ZooKeeper, below Marathon's path: ``<path>/state``.

    state/version        {"storage": [110, 100, 0], "version": "1.11.24", "build": 1}
    state/framework-id   the id, as text
    state/KIND/KEY       JSON, for each KIND of ``state.KINDS``; KEY is the id, %-escaped
    state/migration-in-progress   there while the state is migrated, and after a migration that was killed

Only the leader writes. A build migrates the state of older releases and refuses that of newer ones, as Marathon does
(its Migration.scala); the node of the storage version is written after the last step.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NodeExistsError, NoNodeError, OperationTimeoutError

from .buildinfo import MIGRATIONS, BuildInfo, StorageVersion
from .exits import Crash, Exit
from .state import KINDS, Change

# Marathon's own logger, by whose name operators look for these lines
log = logging.getLogger("mesosphere.marathon.storage.migration.Migration")

Data = dict[str, dict[str, dict[str, Any]]]  # kind -> key -> data
_OLDEST: StorageVersion = (1, 6, 0)
_MARK = "migration-in-progress"
_TELL_S = 10.0  # Marathon says that often that a step still runs
_CHUNK, _CHUNK_BYTES = 500, 400_000  # of changes in one transaction: ZooKeeper's limit is 1 MiB a request


def text_of(version: StorageVersion) -> str:
    """Return the version as Marathon's log shows it."""
    return f"Version({version[0]}, {version[1]}, {version[2]}, PERSISTENCE_STORE)"


def migrations(found: StorageVersion, wanted: StorageVersion) -> list[StorageVersion]:
    """Return the steps from ``found`` to ``wanted``. Raises Crash (104, the end of a failed leader) if there is no way.

    Source: Migration.migrateStorage.
    """
    if found < _OLDEST:
        message = f"Migration from versions < {text_of(_OLDEST)} are not supported. Your version: {text_of(found)}"
        raise Crash(Exit.LEADERSHIP_ENDED_FAULTY, message)
    if found > wanted:
        message = f"Migration from {text_of(found)} is not supported as it is newer than {text_of(wanted)}."
        raise Crash(Exit.LEADERSHIP_ENDED_FAULTY, message)
    return [step for step in MIGRATIONS if found < step <= wanted]


class ZooKeeperStore:
    """The repository of the state. Errors of kazoo pass through; the actor ends the process on them."""

    def __init__(
        self, client: KazooClient, path: str, build: BuildInfo, step_s: float, pause: Callable[[float], None]
    ) -> None:
        self._client, self._path, self._build = client, f"{path}/state", build
        self._step_s, self._pause = step_s, pause
        self._known: set[str] = set()

    def load(self) -> tuple[Data, str | None]:
        """Return the state, migrated to this build's storage version, and the framework id. To be called once elected.

        Raises Crash if a newer release has written it.
        """
        self._client.retry(self._client.ensure_path, self._path)
        self._client.retry(self._client.sync, self._path)
        self._migrate(self._read_json("version"))
        for name in KINDS:
            self._client.retry(self._client.ensure_path, f"{self._path}/{name}")
        data: Data = {kind: self._read_kind(kind) for kind in KINDS}
        framework_id = self._read("framework-id")
        return data, framework_id.decode() if framework_id else None

    def _migrate(self, stored: Mapping[str, Any] | None) -> None:
        wanted = self._build.storage
        if stored is None:
            log.info("No migration necessary, no version stored")
            self._write_version()
            return
        major, minor, patch = stored["storage"]
        found: StorageVersion = (major, minor, patch)
        steps = migrations(found, wanted)
        if not steps:
            log.info("No migration necessary, already at the target version %s", text_of(wanted))
        else:
            self._apply(found, wanted, steps)
        log.info("Migration successfully applied for version %s", text_of(wanted))

    def _apply(self, found: StorageVersion, wanted: StorageVersion, steps: Sequence[StorageVersion]) -> None:
        """Take the time that the steps take; the stand-in's data are alike in all storage versions."""
        way = f"Migration for storage: {text_of(found)} to"
        try:
            self._client.retry(self._client.create, f"{self._path}/{_MARK}", b"")
        except NodeExistsError:
            log.warning("Warning: Migration is already in progress; /%s node already exists", _MARK)
        for step in steps:
            log.info("%s target: %s: apply change for version: %s ", way, text_of(wanted), text_of(step))
            left = self._step_s
            while left > _TELL_S:
                self._pause(_TELL_S)
                left -= _TELL_S
                log.info(
                    "%s current: %s: application of the change for version %s is still in progress",
                    way,
                    text_of(wanted),
                    text_of(step),
                )
            self._pause(left)
        self._write_version()
        self._client.retry(self._client.delete, f"{self._path}/{_MARK}")

    def _write_version(self) -> None:
        build = self._build
        version = {"storage": list(build.storage), "version": build.version, "build": build.build}
        self._upsert(f"{self._path}/version", _json(version))

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
        """Write ``changes`` in transactions of up to 500, and well below what ZooKeeper takes in one request."""
        part: list[Change] = []
        size = 0
        for change in changes:
            length = len(_json(change[2])) if change[2] is not None else 0
            if part and (len(part) == _CHUNK or size + length > _CHUNK_BYTES):
                self._commit(part)
                part, size = [], 0
            part.append(change)
            size += length
        if part:
            self._commit(part)

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
