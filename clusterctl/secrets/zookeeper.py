"""Pure: who may do what in ZooKeeper's tree, and how its members know each other.

Forms: ZooKeeper's administrator's guide ("Authentication & Authorization Options", "Quorum Peer authentication") and
programmer's guide ("ZooKeeper access control using ACLs"). ACLs are per node and not inherited: whoever creates a node
says who may do what with it. Mesos masters and Marathon do so by themselves once they have credentials
(``EVERYONE_READ_CREATOR_ALL`` in Mesos' ``group.cpp``, ``RichCuratorFramework`` in Marathon); what is above them, and
what is older than their credentials, is closed by ``zookeeper-tree`` on the ZooKeepers' nodes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.names import ZOOKEEPER_MARATHON, ZOOKEEPER_MESOS, ZOOKEEPER_QUORUM, ZOOKEEPER_SUPER
from clusterctl.secrets.secret import Secret

# Users of scheme "digest", and of the quorum
SUPER, MESOS, MARATHON, MEMBER = "super", "mesos", "marathon", "zookeeper"
MESOS_PATH, MARATHON_PATH = "/mesos", "/marathon"

_ALL, _WITHOUT_ADMIN, _READ = 31, 15, 1  # ZooDefs.Perms
_EVERYBODY_READS = [_READ, "world", "anyone"]

Acl = list[list[Any]]


def jaas(keys: Keyring) -> Secret:
    """The members' JAAS file: by it a learner proves itself to a leader, and a leader checks learners.

    A name has one password there, so members have another name in each epoch.
    """
    module = "org.apache.zookeeper.server.auth.DigestLoginModule required"
    known = "".join(
        f'\n    user_{_member(epoch)}="{keys.of(ZOOKEEPER_QUORUM, epoch).reveal()}"'
        for epoch in keys.epochs.taken(ZOOKEEPER_QUORUM)
    )
    name, secret = _member(keys.epochs[ZOOKEEPER_QUORUM]), keys[ZOOKEEPER_QUORUM].reveal()
    return Secret(
        f"QuorumServer {{\n    {module}{known};\n}};\n"
        f'QuorumLearner {{\n    {module}\n    username="{name}"\n    password="{secret}";\n}};\n'
    )


def _member(epoch: int) -> str:
    return MEMBER if epoch == 1 else f"{MEMBER}{epoch}"


def java_options(keys: Keyring, jaas_path: str) -> Secret:
    """A file of options for ``java @FILE``, so that the process list shows none of them.

    The server knows of the user whom no ACL stops only the digest.
    """
    who = digest_id(*_super(keys))
    return Secret(
        f"-Dzookeeper.DigestAuthenticationProvider.superDigest={who}\n-Djava.security.auth.login.config={jaas_path}\n"
    )


def super_credentials(keys: Keyring) -> Secret:
    """``user:password``, as clients of scheme "digest" say it."""
    user, secret = _super(keys)
    return Secret(f"{user}:{secret.reveal()}\n")


def _super(keys: Keyring) -> tuple[str, Secret]:
    """Whom no ACL stops: ``super``. While Marathon's secret turns, Marathon with the next one.

    Else one that has it couldn't read what one with the last one makes meanwhile: a node is open to its creator only.
    """
    taken = keys.epochs.taken(ZOOKEEPER_MARATHON)
    return (MARATHON, keys.of(ZOOKEEPER_MARATHON, max(taken))) if len(taken) > 1 else (SUPER, keys[ZOOKEEPER_SUPER])


def masters_credentials(keys: Keyring) -> Secret:
    """As ``super_credentials``, of the masters."""
    return Secret(f"{MESOS}:{keys[ZOOKEEPER_MESOS].reveal()}\n")


def marathon_credentials(keys: Keyring) -> Secret:
    """As ``super_credentials``, of Marathon."""
    return Secret(f"{MARATHON}:{keys[ZOOKEEPER_MARATHON].reveal()}\n")


def digest_id(user: str, secret: Secret) -> str:
    """Of scheme "digest" (``DigestAuthenticationProvider.generateDigest``, SHA1): ``user:base64``.

    Not to be guessed backwards: our secrets have 256 random bits.
    """
    pair = f"{user}:{secret.reveal()}".encode()
    return f"{user}:{base64.b64encode(hashlib.sha1(pair).digest()).decode()}"  # noqa: S324 (ZooKeeper's)


def _owners(user: str, name: str, keys: Keyring) -> Acl:
    """By whom nodes are changed. In a turn one of two sets no ACLs, by which the lists of its stages differ: so
    ``zookeeper-tree`` looks again at what was made meanwhile.
    """
    return [
        [_WITHOUT_ADMIN if number else _ALL, "digest", digest_id(user, secret)]
        for number, secret in enumerate(keys.taken(name))
    ]


def tree(keys: Keyring, heap_mib: int) -> Secret:
    """What ``zookeeper-tree`` makes true: JSON of ``{"nodes": [...], "quotas": {...}}``.

    A node is ``{"path", "acl"}``, with ``"below"`` for all that lies below it but ``"except"``: ACLs by path. An ACL is
    a list of ``[permissions, scheme, id]``. A quota is ``{"count", "bytes"}``, both hard.

    Args:
        heap_mib: of a ZooKeeper, which holds the whole tree there: Marathon's part must not fill it.
    """
    mesos = [*_owners(MESOS, ZOOKEEPER_MESOS, keys), _EVERYBODY_READS]
    marathon = _owners(MARATHON, ZOOKEEPER_MARATHON, keys)
    told = {
        "nodes": [
            # Anyone's are the nodes that a quota is written to, and the root, until somebody says otherwise
            {"path": "/zookeeper/quota", "acl": [_EVERYBODY_READS], "below": [_EVERYBODY_READS], "except": {}},
            {"path": "/zookeeper", "acl": [_EVERYBODY_READS]},
            {"path": MESOS_PATH, "acl": mesos, "below": mesos, "except": {}},
            {
                "path": MARATHON_PATH,
                "acl": marathon,
                "below": marathon,
                # Where Marathon's leader is to be found
                "except": {f"{MARATHON_PATH}/leader-curator": [*marathon, _EVERYBODY_READS]},
            },
            {"path": "/", "acl": [_EVERYBODY_READS]},
        ],
        "quotas": {
            MESOS_PATH: {"count": 1000, "bytes": 2**20},
            MARATHON_PATH: {"count": 1_000_000, "bytes": heap_mib * 2**20 // 2},
        },
    }
    return Secret(json.dumps(told, indent=1) + "\n")
