"""Copies a subtree of ZooKeeper to a file, and a file back into ZooKeeper. Standard library only; runs on a node.

    zk_tree.py dump    HOST:PORT PATH FILE     writes PATH and all below it; prints the number of nodes
    zk_tree.py restore HOST:PORT PATH FILE     makes PATH exactly what FILE holds; PATH must be out of use

The file is JSON: {"path", "zxid": [first, last], "nodes": {relative path: base64 of the data}}. Ephemeral nodes belong
to sessions and are left out, and left alone. Access control is that of everybody (ZooKeeper's default), in both ways.
Messages are ZooKeeper's wire format (jute: big-endian numbers, lengths before strings and buffers).
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import sys

CREATE, DELETE, GET_DATA, SET_DATA, GET_CHILDREN, CLOSE = 1, 2, 4, 5, 12, -11
SESSION_MS = 20000
TIMEOUT_S = 30.0
NO_NODE, NODE_EXISTS = -101, -110
_STAT = struct.Struct(">qqqqiiiqiiq")
_ALL = 31  # read, write, create, delete, admin


class ZooKeeperError(Exception):
    """ZooKeeper answered with an error; ``code`` is its own."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what}: ZooKeeper error {code}")
        self.code = code


class Client:
    """One session."""

    def __init__(self, place: str) -> None:
        host, _, port = place.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        self._xid = 0
        self.zxid = 0
        # protocol version, last zxid seen, timeout, session id, password, read-only
        self._send(struct.pack(">iqiq", 0, 0, SESSION_MS, 0) + _buffer(b"\0" * 16) + b"\0")
        self._receive()

    def close(self) -> None:
        """Ends the session; ZooKeeper's own answer is the end of the connection."""
        self.call("close", CLOSE, b"")
        self._socket.close()

    def get(self, path: str) -> tuple[bytes, bool]:
        """Data of a node, and whether it is ephemeral."""
        answer = self.call(path, GET_DATA, _string(path) + b"\0")
        data, rest = _take(answer)
        owner = _STAT.unpack(rest[: _STAT.size])[7]
        return data, owner != 0

    def children(self, path: str) -> list[str]:
        """Names of the nodes right below."""
        answer = self.call(path, GET_CHILDREN, _string(path) + b"\0")
        (count,) = struct.unpack(">i", answer[:4])
        rest, names = answer[4:], []
        for _ in range(count):
            name, rest = _take(rest)
            names.append(name.decode())
        return sorted(names)

    def put(self, path: str, data: bytes) -> None:
        """Makes the node, or sets its data."""
        acl = struct.pack(">ii", 1, _ALL) + _string("world") + _string("anyone")
        try:
            self.call(path, CREATE, _string(path) + _buffer(data) + acl + struct.pack(">i", 0))
        except ZooKeeperError as error:
            if error.code != NODE_EXISTS:
                raise
            self.call(path, SET_DATA, _string(path) + _buffer(data) + struct.pack(">i", -1))

    def delete(self, path: str) -> None:
        """Removes a node without children, whatever its version."""
        self.call(path, DELETE, _string(path) + struct.pack(">i", -1))

    def call(self, what: str, operation: int, body: bytes) -> bytes:
        """The answer to a request, without its header."""
        self._xid += 1
        self._send(struct.pack(">ii", self._xid, operation) + body)
        answer = self._receive()
        xid, zxid, code = struct.unpack(">iqi", answer[:16])
        if xid != self._xid:
            raise ZooKeeperError(f"answer {xid} to request {self._xid}", code)
        self.zxid = max(self.zxid, zxid)
        if code:
            raise ZooKeeperError(what, code)
        return answer[16:]

    def _send(self, message: bytes) -> None:
        self._socket.sendall(struct.pack(">i", len(message)) + message)

    def _receive(self) -> bytes:
        (size,) = struct.unpack(">i", self._read(4))
        return self._read(size)

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self._socket.recv(size - len(found))
            if not part:
                raise ConnectionError("ZooKeeper closed the connection")
            found += part
        return found


def dump(client: Client, root: str) -> dict[str, object]:
    """The subtree, as the file holds it; a node that vanishes meanwhile is left out."""
    nodes: dict[str, str] = {}
    first = 0
    todo = [""]
    while todo:
        relative = todo.pop()
        try:
            data, ephemeral = client.get(root + relative)
            children = [] if ephemeral else client.children(root + relative)
        except ZooKeeperError as error:
            if error.code == NO_NODE and relative:
                continue
            raise
        first = first or client.zxid
        if not ephemeral:
            nodes[relative] = base64.b64encode(data).decode()
            todo += [relative + "/" + name for name in children]
    return {"path": root, "zxid": [first, client.zxid], "nodes": nodes}


def restore(client: Client, root: str, nodes: dict[str, str]) -> None:
    """Makes the subtree what ``nodes`` says: parents first, then what is too much is removed, leaves first."""
    for relative in sorted(nodes, key=lambda path: path.count("/")):
        client.put(root + relative, base64.b64decode(nodes[relative]))
    found = dump(client, root)["nodes"]
    surplus = set(found) - set(nodes)  # type: ignore[call-overload]
    for relative in sorted(surplus, key=lambda path: -path.count("/")):
        client.delete(root + relative)


def _buffer(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def _string(text: str) -> bytes:
    return _buffer(text.encode())


def _take(answer: bytes) -> tuple[bytes, bytes]:
    """A buffer (length -1: none) and what follows it."""
    (size,) = struct.unpack(">i", answer[:4])
    end = 4 + max(size, 0)
    return answer[4:end], answer[end:]


def main(arguments: list[str]) -> int:
    """See the module; exit status 1 and a message if it failed."""
    if len(arguments) != 4 or arguments[0] not in ("dump", "restore"):
        sys.stderr.write(__doc__ or "")
        return 2
    verb, place, root, path = arguments
    try:
        client = Client(place)
        if verb == "dump":
            tree = dump(client, root)
            with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                json.dump(tree, file)
        else:
            with open(path) as file:  # noqa: PTH123
                tree = json.load(file)
            restore(client, root, tree["nodes"])
        client.close()
    except (OSError, ValueError, KeyError, ZooKeeperError) as error:
        sys.stderr.write(f"zk_tree: {type(error).__name__}: {error}\n")
        return 1
    print(len(tree["nodes"]))  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
