"""The watcher on a control node: where all services may be asked (``docs/security.md``)."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import labkit

from tests.e2e.cluster import Cluster, eventually

WATCHER = Path(__file__).with_name("watcher.py")
SECRETS = "/etc/clusterctl/secrets"
# Which files the watcher reads as soon as they are there; its node in ZooKeeper is its own
FILES = json.dumps({"8080": f"{SECRETS}/marathon-http.json", "5050": f"{SECRETS}/mesos-operator.json"})
# Prints what the watcher has to say to services that are closed
_LOGINS = """\
import json, os
places = {"8080": "marathon-http.json", "5050": "mesos-operator.json", "zookeeper": "zookeeper-super"}
found = {}
for name, file in places.items():
    if os.path.exists("/etc/clusterctl/secrets/" + file):
        text = open("/etc/clusterctl/secrets/" + file).read().strip()
        found[name] = json.loads(text) if file.endswith(".json") else text
print(json.dumps(found))
"""


def control(cluster: Cluster) -> list[dict[str, Any]]:
    """Status of the control nodes."""
    return [node for node in cluster.status()["nodes"] if "zookeeper" in node["services"]]


@contextmanager
def watched(
    cluster: Cluster, logins: str | None = None, *, every_s: float = 0.2, patience_s: float = 2
) -> Iterator[dict[str, Any]]:
    """Runs the watcher around the body; its report is in the result afterwards.

    Args:
        logins: see ``watcher.py``; None: those that the node has now.
        every_s: seconds between two questions to a service.
        patience_s: for an answer.
    """
    nodes = control(cluster)
    name = nodes[0]["name"]
    addresses = ",".join(node["address"] for node in nodes)
    if logins is None:
        logins = cluster.on(name, f"sudo python3 -c {shlex.quote(_LOGINS)}")
    put = [labkit.PROGRAM, "ssh", cluster.file, name, "--"]
    subprocess.run([*put, "cat > /tmp/watcher.py"], input=WATCHER.read_bytes(), check=True)
    secret = "sudo sh -c 'umask 077; cat > /root/watcher.json'"
    subprocess.run([*put, secret], input=logins.encode(), check=True)
    # what an earlier watcher said must not be taken for this one's
    start = (
        "sudo systemd-run --quiet --collect --unit=watcher --property=StandardOutput=truncate:/tmp/watched"
        " --property=StandardInput=file:/root/watcher.json"
    )
    cluster.on(
        name, f"sudo rm -f /tmp/watched; {start} /usr/bin/python3 /tmp/watcher.py {addresses} {every_s} {patience_s}"
    )
    eventually(
        "the watcher watches",
        lambda: cluster.on(name, "cat /tmp/watched 2>/dev/null || true"),
        lambda text: "ready" in text,
    )
    report: dict[str, Any] = {}
    try:
        yield report
    finally:
        cluster.on(name, "sudo systemctl stop watcher")
        report |= json.loads(cluster.on(name, "tail -n 1 /tmp/watched"))
