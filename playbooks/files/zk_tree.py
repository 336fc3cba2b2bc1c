"""Copies a subtree of ZooKeeper to a file, and a file back into ZooKeeper. Runs on a node, which has python3-kazoo.

    zk_tree.py dump    HOST:PORT PATH FILE [AUTH]   writes PATH and all below it; prints the number of nodes
    zk_tree.py restore HOST:PORT PATH FILE [AUTH]   makes PATH exactly what FILE holds; PATH must be out of use

AUTH is a file that only root reads, with USER:PASSWORD of ZooKeeper's scheme "digest"; it is needed where the tree is
closed to strangers.

The file is JSON: {"path", "zxid": [first, last], "nodes": {relative path: base64 of the data}, "acls": {relative path:
[[permissions, scheme, id], ...]}}; nodes that are open to everybody, which is ZooKeeper's default, stand without ACL.
Ephemeral nodes belong to sessions and are left out, and left alone. Container and TTL nodes are kept, and come back as
ordinary ones.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import sys

try:
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError
    from kazoo.security import OPEN_ACL_UNSAFE, make_acl
except ImportError:  # a node of an older image
    sys.exit("zk_tree: python3-kazoo is not installed on this node; `apt-get install python3-kazoo` there, then again")

# What ZooKeeper shows in place of a digest to those who may not change it (ZooKeeperServer.fixupACL and its relatives)
MASKED = ":x"
SESSION_S = 20.0
CONNECT_S = 15.0
# org.apache.zookeeper.server.EphemeralType: what stands in place of an owner's session
CONTAINER_OWNER = -(1 << 63)
TTL_BYTE = 0xFF


class Hidden(Exception):
    """An ACL can't be copied, since ZooKeeper masks its digests for this client."""


def is_ephemeral(owner):
    """Whether a node with this ``ephemeralOwner`` ends with a session."""
    return owner not in (0, CONTAINER_OWNER) and (owner >> 56) & 0xFF != TTL_BYTE


def dump(client, root):
    """The subtree, as the file holds it; a node that vanishes meanwhile is left out."""
    nodes, acls = {}, {}
    first = 0
    todo = [""]
    while todo:
        relative = todo.pop()
        try:
            data, stat = client.get(root + relative)
            if is_ephemeral(stat.ephemeralOwner):
                continue
            children = client.get_children(root + relative)
            acl, _ = client.get_acls(root + relative)
        except NoNodeError:
            if relative:
                continue
            raise
        first = first or client.last_zxid
        nodes[relative] = base64.b64encode(data).decode()
        if list(acl) != OPEN_ACL_UNSAFE:
            if any(entry.id.scheme == "digest" and entry.id.id.endswith(MASKED) for entry in acl):
                raise Hidden(f"{root + relative}: its ACL is hidden from this client; name a file with AUTH")
            acls[relative] = [[entry.perms, entry.id.scheme, entry.id.id] for entry in acl]
        todo += [relative + "/" + name for name in sorted(children)]
    return {"path": root, "zxid": [first, client.last_zxid], "nodes": nodes, "acls": acls}


def restore(client, root, nodes, acls):
    """Makes the subtree what ``nodes`` says: parents first, then what is too much is removed, leaves first.

    ACLs of nodes that were there come last, since one of them may keep us out. A new node has its own at once: else it
    would lie open meanwhile.
    """
    there = []
    for relative in sorted(nodes, key=lambda path: path.count("/")):
        data = base64.b64decode(nodes[relative])
        try:
            client.create(root + relative, data, acl=entries_of(acls.get(relative)))
        except NodeExistsError:
            client.set(root + relative, data)
            there.append(relative)
    surplus = set(dump(client, root)["nodes"]) - set(nodes)
    for relative in sorted(surplus, key=lambda path: -path.count("/")):
        client.delete(root + relative)
    for relative in sorted(there, key=lambda path: -path.count("/")):
        client.set_acls(root + relative, entries_of(acls.get(relative)))


def entries_of(acl):
    """An ACL of the file, as kazoo takes it; that of a node without one is open, as ZooKeeper makes it."""
    entries = [
        make_acl(
            scheme,
            who,
            read=bool(perms & 1),
            write=bool(perms & 2),
            create=bool(perms & 4),
            delete=bool(perms & 8),
            admin=bool(perms & 16),
        )
        for perms, scheme, who in acl or []
    ]
    return entries or OPEN_ACL_UNSAFE


def main(arguments):
    """See the module; exit status 1 and a message if it failed."""
    if len(arguments) not in (4, 5) or arguments[0] not in ("dump", "restore"):
        sys.stderr.write(__doc__)
        return 2
    logging.getLogger("kazoo").addHandler(logging.NullHandler())
    verb, place, root, path, *auth = arguments
    client = KazooClient(hosts=place, timeout=SESSION_S, connection_retry={"max_tries": 3})
    try:
        client.start(timeout=CONNECT_S)
        for name in auth:
            with open(name) as file:  # noqa: PTH123
                client.add_auth("digest", file.read().strip())
        if verb == "dump":
            tree = dump(client, root)
            with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                json.dump(tree, file)
        else:
            with open(path) as file:  # noqa: PTH123
                tree = json.load(file)
            restore(client, root, tree["nodes"], tree.get("acls", {}))
    except NoNodeError:
        sys.stderr.write(f"zk_tree: {root}: no such node in ZooKeeper at {place}\n")
        return 1
    except Hidden as error:
        sys.stderr.write(f"zk_tree: {error}\n")
        return 1
    except (OSError, ValueError, KeyError, KazooException, KazooTimeoutError) as error:
        sys.stderr.write(f"zk_tree: ZooKeeper at {place}: {type(error).__name__}: {error}\n")
        return 1
    finally:
        client.stop()
        client.close()
    print(len(tree["nodes"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
