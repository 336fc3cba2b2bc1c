"""The flags of our files, defaults and those that a cluster file adds, are what Mesos itself says that it has."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clusterctl.paths import roles_dir
from clusterctl.render.roles import roles_of
from clusterctl.render.templates import render_files
from clusterctl.resources import Flavor
from clusterctl.spec.flags import mesos_lines
from clusterctl.spec.load import parse_model
from clusterctl.spec.mesosflags import AGENT, MASTER
from clusterctl.spec.model import ClusterSpec
from clusterctl.topology import addresses, topology
from clusterctl.variables import pool_variables, variables_of
from tests.contract.mesos.cluster import Daemon, ready, wait_for

pytestmark = pytest.mark.mesos

FILE = """
cluster: c
cloud: none
network: none
keypair: none
access: {ssh_from: network}
security: {insecure: all}
allow_non_ha: true
groups:
  control: {count: 1, flavor: f, services: [zookeeper, mesos_master, marathon]}
  jenkins: {count: 0, flavor: f, services: [mesos_agent], reserve_for: marathon, attributes: {pool: masters}}
  builders:
    count: 1
    flavor: f
    services: [mesos_agent]
    mesos: {agent_flags: {max_completed_executors_per_framework: 7}}
mesos:
  master_flags:
    allocation_interval: 500ms
    filter_gpu_resources: false
    domain: {fault_domain: {region: {name: 'a "b" $c `d` \\e'}, zone: {name: z}}}
  agent_flags: {max_completed_executors_per_framework: 9, gc_disk_headroom: 0.2, strict: false}
settings:
  mesos_agent_executor_registration_timeout_min: 20
  mesos_agent_executor_reregistration_timeout_s: 12
  mesos_master_recovery_agent_removal_limit_percent: 40
  mesos_agent_logging_level: WARNING
"""


def environment(service: str, path: str) -> dict[str, str]:
    """What the file of a node of ``service`` says, as a shell reads it: systemd has the same rules for quotes."""
    spec = parse_model(FILE, ClusterSpec, "c.yml")
    top = topology(spec)
    (node,) = top.nodes
    at, flavors = addresses(top, {node.name: "127.0.0.8"}), {"f": Flavor("f", "f", vcpus=1, ram_mib=1024, disk_gib=9)}
    pool = next(pool for pool in top.pools if pool.group == "builders")
    variables = (
        pool_variables(spec, pool, flavors, at)
        if service == "mesos_agent"
        else variables_of(spec, node, flavors, at, "127.0.0.8", None)
    )
    (text,) = [file.content for file in render_files(roles_dir(), roles_of([service]), variables) if file.path == path]
    done = subprocess.run(["/bin/sh", "-ac", f"{text}\nenv -0"], capture_output=True, text=True, check=True, env={})
    pairs = [line.partition("=") for line in done.stdout.split("\0") if line]
    return {name: value for name, _, value in pairs if name.startswith("MESOS_")}


def flags_of(daemon: Daemon, host: str, port: int) -> dict[str, Any]:
    daemon.start()
    try:
        return dict(wait_for(daemon.name, lambda: ready(host, port, "/flags"))["flags"])
    finally:
        daemon.kill()


def test_a_masters_flags(root: Path, network: None, tmp_path: Path) -> None:
    env = environment("mesos_master", "/etc/default/mesos-master")
    for name in ("MESOS_ZK", "MESOS_QUORUM"):  # alone, without ZooKeeper
        del env[name]
    env |= {"MESOS_REGISTRY": "in_memory", "MESOS_WORK_DIR": str(tmp_path)}
    flags = flags_of(Daemon("master", [str(root / "usr/sbin/mesos-master")], tmp_path / "log", env), "127.0.0.8", 5050)
    assert flags.keys() - {"help", "version", "port"} <= MASTER
    ours = {
        "allocation_interval": "500ms",
        "filter_gpu_resources": "false",
        "offer_timeout": "1mins",
        "max_completed_frameworks": "500",
        "max_completed_tasks_per_framework": "100",
        "agent_removal_rate_limit": "1/10secs",
        "recovery_agent_removal_limit": "40%",
    }
    assert {name: flags.get(name) for name in ours} == ours
    # JSON keeps its quotes through the file and a shell's rules
    region = json.loads(flags["domain"])["fault_domain"]["region"]
    assert region == {"name": 'a "b" $c `d` \\e'}


def test_an_agents_flags(root: Path, network: None, tmp_path: Path) -> None:
    env = environment("mesos_agent", "/etc/default/mesos-agent") | {
        "MESOS_MASTER": "127.0.0.7:5050",
        "MESOS_IP_DISCOVERY_COMMAND": "echo 127.0.0.9",
        "MESOS_WORK_DIR": str(tmp_path / "work"),
        "MESOS_RUNTIME_DIR": str(tmp_path / "run"),
        "MESOS_FETCHER_CACHE_DIR": str(tmp_path / "fetch"),
        "MESOS_LAUNCHER_DIR": str(root / "usr/libexec/mesos"),
    }
    flags = flags_of(Daemon("agent", [str(root / "usr/sbin/mesos-agent")], tmp_path / "log", env), "127.0.0.9", 5051)
    assert flags.keys() - {"help", "version", "port"} <= AGENT
    ours = {
        "executor_registration_timeout": "20mins",
        "executor_reregistration_timeout": "12secs",
        "gc_delay": "2days",
        "gc_disk_headroom": "0.2",
        "logging_level": "WARNING",
        "max_completed_executors_per_framework": "7",
        "strict": "false",
    }
    assert {name: flags.get(name) for name in ours} == ours


def test_mesos_ignores_what_it_does_not_know(root: Path, network: None, tmp_path: Path) -> None:
    """Why clusterctl refuses unknown names itself."""
    env = dict(line.split("=", 1) for line in mesos_lines({"offer_timeot": "1mins"}))
    env |= {"MESOS_REGISTRY": "in_memory", "MESOS_WORK_DIR": str(tmp_path), "MESOS_IP": "127.0.0.8"}
    env["MESOS_HOSTNAME_LOOKUP"] = "false"
    assert "MESOS_OFFER_TIMEOT" in env
    flags = flags_of(Daemon("master", [str(root / "usr/sbin/mesos-master")], tmp_path / "log", env), "127.0.0.8", 5050)
    assert "offer_timeot" not in flags
