"""The attacks, by the position from which each is made, and how each ends.

On an open cluster (``insecure: all``) an attack gets through, unless ``opened`` names what denies it there already
(rights of files and of Unix users, which nothing opens); those are shown to have something to get by root's reading it.
On a closed one it is denied for the reason ``closed``; ``THROUGH`` there is what docs/security.md says stays open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

THROUGH = "through"
# nftables on the node, by the user's number
REJECTED = "rejected"
# a security group: packets go nowhere
TIMEOUT = "timeout"

SECRETS = "/etc/clusterctl/secrets"
AGENT_LOGIN = f"{SECRETS}/mesos-agent-credential.json"
TENANT_LOGIN = f"{SECRETS}/jenkins/jm-001"
# Ports among those of tasks, for answers
ANSWER_PORT, ROGUE_PORT = 31900, 31901
METADATA_4, METADATA_6 = "169.254.169.254", "fe80::a9fe:a9fe"


@dataclass(frozen=True)
class Place:
    """A node, and its agent's id if it has one."""

    name: str
    address: str
    agent_id: str = ""


@dataclass(frozen=True)
class Scene:
    """What the attacker is told: more than he could find out by himself.

    Args:
        control: addresses of the control nodes.
        mesos, zookeeper, marathon: addresses of the leaders.
        own: the builder that he is on; ``other``: another one; ``masters``: the node of Jenkins masters.
        victim: number of a process of another tenant's build on his builder, ``victim_place`` its directory.
        other_jvm, other_port: process and port of another Jenkins master.
        link: an interface of ``own``.
    """

    control: tuple[str, ...]
    mesos: str
    zookeeper: str
    marathon: str
    own: Place
    other: Place
    masters: Place
    victim: int
    victim_place: str
    agent_pid: int
    other_jvm: int
    other_port: int
    link: str
    setuid: str


@dataclass(frozen=True)
class Attack:
    """One attack.

    Args:
        do: what the tool calls it (``tool/main.py``).
        args: its arguments.
        closed: why a closed cluster denies it.
        says: a text in the evidence of that.
        opened: how it ends on an open one; empty if it is not made there.
    """

    name: str
    do: str
    args: Callable[[Scene], dict[str, Any]]
    closed: str
    says: str = ""
    opened: str = THROUGH


def _task(where: str) -> str:
    return f"id > /var/tmp/attack-{where}"


FORGED, LAUNCHED = "/var/tmp/attack-forged-{}", "/var/tmp/attack-launched-{}"
_APP = {"id": "/attack", "cmd": "true", "user": "root", "instances": 0}

BUILD = [
    Attack(
        "container on its own agent",
        "container",
        lambda s: {"at": s.own.address, "command": _task("launched-own")},
        "401",
    ),
    Attack(
        "container on another agent",
        "container",
        lambda s: {"at": s.other.address, "command": _task("launched-other")},
        REJECTED,
    ),
    Attack(
        "framework in Marathon's role",
        "framework",
        lambda s: {"at": s.mesos, "role": "marathon", "user": "nobody"},
        REJECTED,
    ),
    Attack("framework in role *", "framework", lambda s: {"at": s.mesos, "role": "*", "user": "nobody"}, REJECTED),
    Attack("framework as root", "framework", lambda s: {"at": s.mesos, "role": "*", "user": "root"}, REJECTED),
    Attack(
        "framework with a borrowed principal",
        "framework",
        lambda s: {"at": s.mesos, "role": "marathon", "user": "jenkins", "claims": "marathon"},
        REJECTED,
    ),
    Attack("flags of the masters", "operator", lambda s: {"at": s.mesos, "path": "/flags"}, REJECTED),
    Attack("flags of its agent", "operator", lambda s: {"at": s.own.address, "path": "/flags", "port": 5051}, "401"),
    Attack(
        "forged task on its own agent",
        "forged_task",
        lambda s: {
            "at": s.own.address,
            "master": s.mesos,
            "agent_id": s.own.agent_id,
            "command": _task("forged-own"),
        },
        "400",
        "IP address",
    ),
    Attack(
        "forged task on another agent",
        "forged_task",
        lambda s: {
            "at": s.other.address,
            "master": s.mesos,
            "agent_id": s.other.agent_id,
            "command": _task("forged-other"),
        },
        REJECTED,
    ),
    Attack(
        "write of the masters' log",
        "log_write",
        lambda s: {"at": s.mesos, "own": s.own.address, "port": ANSWER_PORT},
        REJECTED,
    ),
    Attack(
        "rogue agent with a stolen reservation",
        "rogue_agent",
        lambda s: {"at": s.mesos, "own": s.own.address, "port": ROGUE_PORT, "role": "marathon"},
        REJECTED,
    ),
    Attack("ZooKeeper: create", "zk_create", lambda s: {"at": s.control[0], "path": "/mesos/attack-b"}, REJECTED),
    Attack("ZooKeeper: delete", "zk_delete", lambda s: {"at": s.control[0], "path": "/mesos/log_replicas"}, REJECTED),
    Attack("ZooKeeper: setAcl", "zk_set_acl", lambda s: {"at": s.control[0], "path": "/marathon"}, REJECTED),
    Attack("ZooKeeper: read", "zk_read", lambda s: {"at": s.control[0], "path": "/marathon"}, REJECTED),
    Attack("ZooKeeper: observer", "observer", lambda s: {"at": s.zookeeper, "says": "log_replicas"}, REJECTED),
    Attack("Marathon: apps", "http", lambda s: {"at": s.marathon, "port": 8080, "path": "/v2/apps"}, REJECTED),
    Attack(
        "Marathon: an app as root",
        "http",
        lambda s: {"at": s.marathon, "port": 8080, "path": "/v2/apps", "method": "POST", "body": {**_APP, "id": "/ab"}},
        REJECTED,
    ),
    Attack("metadata by IPv4", "metadata", lambda s: {"at": METADATA_4}, REJECTED),
    # by nftables, too (root gets there, prepare.sh): their word doesn't come back to an address of the link
    Attack("metadata by IPv6", "metadata", lambda s: {"at": f"{METADATA_6}%{s.link}"}, TIMEOUT),
    Attack("SSH of a control node", "enter", lambda s: {"at": s.control[0]}, REJECTED),
    Attack("SSH of its own node", "enter", lambda s: {"at": s.own.address}, REJECTED),
    Attack("SSH of another builder", "enter", lambda s: {"at": s.other.address}, REJECTED),
    Attack("SSH of the masters' node", "enter", lambda s: {"at": s.masters.address}, REJECTED),
    Attack("another tenant's Jenkins", "enter", lambda s: {"at": s.masters.address, "port": s.other_port}, REJECTED),
    Attack(
        "its agent's API for executors",
        "http",
        lambda s: {
            "at": s.own.address,
            "port": 5051,
            "path": "/api/v1/executor",
            "method": "POST",
            "body": {
                "type": "SUBSCRIBE",
                "executor_id": {"value": "attack"},
                "framework_id": {"value": "attack"},
                "subscribe": {},
            },
        },
        # asked nobody who he is (that would be 401): named in docs/security.md
        "400",
        "Framework cannot be found",
        "400",
    ),
    Attack(
        "user-data", "read_file", lambda s: {"path": "/var/lib/cloud/instance/user-data.txt"}, "EACCES", "", "EACCES"
    ),
    Attack("config drive", "read_file", lambda s: {"path": "/var/lib/cloud/seed/config_drive"}, "EACCES", "", "EACCES"),
    Attack("console nonce", "read_file", lambda s: {"path": "/var/lib/clusterctl/console"}, "EACCES", "", "EACCES"),
    Attack("secrets' names", "read_file", lambda s: {"path": SECRETS}, "EACCES", "", "ENOENT"),
    Attack("its agent's credential", "read_file", lambda s: {"path": AGENT_LOGIN}, "EACCES", "", "ENOENT"),
    Attack(
        "its agent's environment",
        "read_file",
        lambda s: {"path": f"/proc/{s.agent_pid}/environ"},
        "ENOENT",
        "",
        "EACCES",
    ),
    Attack("another tenant's file", "read_file", lambda s: {"path": f"{s.victim_place}/mine"}, "EACCES", "", "EACCES"),
    Attack(
        "another tenant's environment",
        "read_file",
        lambda s: {"path": f"/proc/{s.victim}/environ"},
        "ENOENT",
        "",
        "EACCES",
    ),
    Attack("another tenant's command line", "read_file", lambda s: {"path": f"/proc/{s.victim}/cmdline"}, "ENOENT"),
    Attack("end another tenant's build", "end_process", lambda s: {"pid": s.victim}, "EPERM", "", "EPERM"),
    Attack("trace another tenant's build", "trace_process", lambda s: {"pid": s.victim}, "EPERM", "", "EPERM"),
    Attack("journal", "journal", lambda s: {}, "no entries", "", "no entries"),
    Attack("setuid program", "setuid", lambda s: {"program": s.setuid}, "NoNewPrivs: 1"),
    Attack("user name space", "user_namespace", lambda s: {"text": "attack"}, "EPERM"),
]

DEVELOPER = [
    Attack(
        "framework in Marathon's role, as nobody",
        "framework",
        lambda s: {"at": s.mesos, "role": "marathon", "user": "nobody"},
        "401",
    ),
    Attack(
        "framework in Marathon's role",
        "framework",
        lambda s: {"at": s.mesos, "role": "marathon", "user": "b-001", "login": TENANT_LOGIN},
        "error event",
        "Not authorized to register framework",
    ),
    Attack(
        "framework with a borrowed principal",
        "framework",
        lambda s: {"at": s.mesos, "role": "*", "user": "b-001", "login": TENANT_LOGIN, "claims": "marathon"},
        "400",
        "does not match principal",
    ),
    Attack(
        "framework as root",
        "framework",
        lambda s: {"at": s.mesos, "role": "*", "user": "root", "login": TENANT_LOGIN},
        "error event",
        "User 'root' is not allowed",
    ),
    Attack(
        "framework with a guessed password",
        "framework",
        lambda s: {"at": s.mesos, "role": "marathon", "user": "jenkins", "login": "marathon:guess"},
        "401",
    ),
    Attack("flags of the masters, as nobody", "operator", lambda s: {"at": s.mesos, "path": "/flags"}, "401"),
    Attack(
        "flags of the masters", "operator", lambda s: {"at": s.mesos, "path": "/flags", "login": TENANT_LOGIN}, "403"
    ),
    Attack("drain of an agent", "drain", lambda s: {"at": s.mesos, "agent_id": "none", "login": TENANT_LOGIN}, "403"),
    Attack(
        "container on its own agent",
        "container",
        lambda s: {"at": s.masters.address, "command": _task("launched-masters")},
        "401",
    ),
    Attack(
        "container on a builder",
        "container",
        lambda s: {"at": s.own.address, "command": _task("launched-own-too")},
        REJECTED,
    ),
    Attack(
        "forged task on its own agent",
        "forged_task",
        lambda s: {
            "at": s.masters.address,
            "master": s.mesos,
            "agent_id": s.masters.agent_id,
            "command": _task("forged-masters"),
        },
        "400",
        "IP address",
    ),
    Attack(
        "forged farewell of a builder",
        "forged_farewell",
        lambda s: {"at": s.mesos, "agent": s.other.address, "agent_id": s.other.agent_id},
        "400",
        "IP address",
        "",
    ),
    # named in docs/security.md
    Attack(
        "write of the masters' log",
        "log_write",
        lambda s: {"at": s.mesos, "own": s.masters.address, "port": ANSWER_PORT},
        THROUGH,
    ),
    Attack("ZooKeeper: create", "zk_create", lambda s: {"at": s.control[0], "path": "/mesos/attack-d"}, "NoAuth"),
    Attack("ZooKeeper: create at the top", "zk_create", lambda s: {"at": s.control[0], "path": "/attack-d"}, "NoAuth"),
    Attack("ZooKeeper: delete", "zk_delete", lambda s: {"at": s.control[0], "path": "/mesos/log_replicas"}, "NoAuth"),
    Attack("ZooKeeper: setAcl", "zk_set_acl", lambda s: {"at": s.control[0], "path": "/marathon"}, "NoAuth"),
    Attack("ZooKeeper: setAcl of the root", "zk_set_acl", lambda s: {"at": s.control[0], "path": "/"}, "NoAuth"),
    Attack("ZooKeeper: read", "zk_read", lambda s: {"at": s.control[0], "path": "/marathon"}, "NoAuth"),
    Attack(
        "ZooKeeper: read with a guess",
        "zk_read",
        lambda s: {"at": s.control[0], "path": "/marathon", "login": "marathon:guess"},
        "NoAuth",
    ),
    Attack("ZooKeeper: observer", "observer", lambda s: {"at": s.zookeeper, "says": "log_replicas"}, REJECTED),
    Attack("Marathon: apps", "http", lambda s: {"at": s.marathon, "port": 8080, "path": "/v2/apps"}, REJECTED),
    Attack("SSH of a control node", "enter", lambda s: {"at": s.control[0]}, REJECTED),
    Attack("SSH of a builder", "enter", lambda s: {"at": s.own.address}, REJECTED),
    Attack("another's Jenkins", "enter", lambda s: {"at": s.masters.address, "port": s.other_port}, REJECTED),
    Attack("another's home", "read_file", lambda s: {"path": "/srv/jenkins/dev-002"}, "EACCES", "", "EACCES"),
    Attack(
        "another's credential", "read_file", lambda s: {"path": f"{SECRETS}/jenkins/jm-002"}, "EACCES", "", "ENOENT"
    ),
    Attack(
        "another's environment",
        "read_file",
        lambda s: {"path": f"/proc/{s.other_jvm}/environ"},
        "ENOENT",
        "",
        "EACCES",
    ),
    Attack("end another's Jenkins", "end_process", lambda s: {"pid": s.other_jvm}, "EPERM", "", "EPERM"),
]

ROOTED = [
    Attack(
        "framework in Marathon's role, as nobody",
        "framework",
        lambda s: {"at": s.mesos, "role": "marathon", "user": "root"},
        "401",
    ),
    Attack(
        "framework as its agent",
        "framework",
        lambda s: {"at": s.mesos, "role": "*", "user": "nobody", "login": AGENT_LOGIN},
        "error event",
        "Not authorized to register framework",
    ),
    Attack(
        "framework with a borrowed principal",
        "framework",
        lambda s: {"at": s.mesos, "role": "marathon", "user": "jenkins", "claims": "marathon", "login": AGENT_LOGIN},
        "400",
        "does not match principal",
    ),
    Attack(
        "flags of the masters", "operator", lambda s: {"at": s.mesos, "path": "/flags", "login": AGENT_LOGIN}, "403"
    ),
    Attack("drain of an agent", "drain", lambda s: {"at": s.mesos, "agent_id": "none", "login": AGENT_LOGIN}, "403"),
    Attack(
        "rogue agent with a stolen reservation",
        "rogue_agent",
        lambda s: {
            "at": s.mesos,
            "own": s.own.address,
            "port": ROGUE_PORT,
            "role": "marathon",
            "credential": AGENT_LOGIN,
        },
        # the master's log says why (test_closed.py)
        "unregistered",
        "Successfully authenticated",
    ),
    Attack(
        "container on another agent",
        "container",
        lambda s: {"at": s.other.address, "command": _task("launched-other-too")},
        TIMEOUT,
    ),
    Attack(
        "forged task on another agent",
        "forged_task",
        lambda s: {
            "at": s.other.address,
            "master": s.mesos,
            "agent_id": s.other.agent_id,
            "command": _task("forged-other-too"),
        },
        TIMEOUT,
    ),
    Attack(
        "forged farewell of another agent",
        "forged_farewell",
        lambda s: {"at": s.mesos, "agent": s.other.address, "agent_id": s.other.agent_id},
        "400",
        "IP address",
        "",
    ),
    # named in docs/security.md, as in the issue
    Attack(
        "write of the masters' log",
        "log_write",
        lambda s: {"at": s.mesos, "own": s.own.address, "port": ANSWER_PORT},
        THROUGH,
    ),
    Attack("ZooKeeper: create", "zk_create", lambda s: {"at": s.control[0], "path": "/mesos/attack-r"}, "NoAuth"),
    Attack("ZooKeeper: delete", "zk_delete", lambda s: {"at": s.control[0], "path": "/mesos/log_replicas"}, "NoAuth"),
    Attack("ZooKeeper: setAcl", "zk_set_acl", lambda s: {"at": s.control[0], "path": "/marathon"}, "NoAuth"),
    Attack("ZooKeeper: read", "zk_read", lambda s: {"at": s.control[0], "path": "/marathon"}, "NoAuth"),
    Attack("ZooKeeper: observer", "observer", lambda s: {"at": s.zookeeper, "says": "log_replicas"}, TIMEOUT),
    Attack("Marathon: apps", "http", lambda s: {"at": s.marathon, "port": 8080, "path": "/v2/apps"}, TIMEOUT),
    Attack("SSH of a control node", "enter", lambda s: {"at": s.control[0]}, TIMEOUT),
    Attack("SSH of the masters' node", "enter", lambda s: {"at": s.masters.address}, TIMEOUT),
    Attack("SSH of another builder", "enter", lambda s: {"at": s.other.address}, TIMEOUT),
    Attack("the masters' agent", "enter", lambda s: {"at": s.masters.address, "port": 5051}, TIMEOUT),
]

# A process without rights on a control node, past all that the network and nftables hold back: what is behind them
CONTROL = [
    Attack(
        "framework in Marathon's role",
        "framework",
        lambda s: {"at": s.mesos, "role": "marathon", "user": "nobody"},
        "401",
    ),
    Attack(
        "container on an agent",
        "container",
        lambda s: {"at": s.own.address, "command": _task("launched-own-again")},
        "401",
    ),
    Attack("ZooKeeper: observer", "observer", lambda s: {"at": s.zookeeper, "says": "log_replicas"}, "closed"),
    Attack("Marathon: ping", "http", lambda s: {"at": s.marathon, "port": 8080, "path": "/ping"}, "401"),
    Attack("Marathon: apps", "http", lambda s: {"at": s.marathon, "port": 8080, "path": "/v2/apps"}, "401"),
    Attack(
        "Marathon: an app as root",
        "http",
        lambda s: {"at": s.marathon, "port": 8080, "path": "/v2/apps", "method": "POST", "body": {**_APP, "id": "/ac"}},
        "401",
    ),
    Attack(
        "Marathon: with a guessed password",
        "http",
        lambda s: {"at": s.marathon, "port": 8080, "path": "/v2/apps", "login": "clusterctl:guess"},
        "401",
    ),
]


# What disturbs a cluster: last. Memory is filled on test hosts only (tests/hosts/test_hostile_build.py): in system
# containers of the lab the limits of a unit's memory have no effect
LATE = [
    Attack(
        "forged farewell of another agent",
        "forged_farewell",
        lambda s: {"at": s.mesos, "agent": s.other.address, "agent_id": s.other.agent_id},
        REJECTED,
    ),
    Attack(
        "more processes than a user may have",
        "many_threads",
        lambda s: {"number": 4500, "hold_s": 5},
        "can't start new thread",
    ),
]
