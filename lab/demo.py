"""The main job, shown on the lab: a cluster from nothing, and a Jenkins master that runs a build. Verbs: up, down."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import labkit

MASTER = "dev-1"
OPEN_DEADLINE_S = 60


def up(zone: str | None) -> int:
    """Lab, image, cluster, proof, a Jenkins master with a build; writes build/demo.json and build/env.sh."""
    # A shell has what it starts in the background ignore Ctrl-C, and children inherit that; it ends `clusterctl open`
    signal.signal(signal.SIGINT, signal.default_int_handler)
    at = labkit.Phases()
    with at.phase("lab"):
        environment = labkit.lab_up()
    zone = zone or environment["LAB_ZONE_DEFAULT"]
    reason = "KVM works here" if environment["LAB_KVM"] == "1" else "no working KVM here"
    print(f"zone: {zone} ({reason}; `make demo ZONE=vm` forces real VMs)", flush=True)
    with at.phase("artifacts"):
        artifacts = labkit.artifacts_file(zone, labkit.build_artifacts())
        labkit.write_env(environment)
    with at.phase("image"):
        image = labkit.clusterctl("image", "build", artifacts)
    file = labkit.cluster_file("demo", zone)
    if stopped():
        with at.phase("repair"):
            labkit.clusterctl("repair", file, "--apply", "--yes")
    with at.phase("create"):
        created = labkit.clusterctl("create", file)
    with at.phase("verify"):
        verified = labkit.clusterctl("verify", file)
    status = labkit.clusterctl("status", file)
    with at.phase("jenkins"):
        jenkins = master(file, status)
    report = {
        "zone": zone,
        "phases": at.seconds,
        "image": image,
        "create": created,
        "nodes": status["nodes"],
        "leaders": status["leaders"],
        "verify": verified,
        "jenkins": jenkins,
    }
    (labkit.BUILD / "demo.json").write_text(json.dumps(report, indent=2) + "\n")
    summary(file, report)
    return 0


def stopped() -> bool:
    """Whether a demo of before is there whose servers were shut off, as by a stop of the lab."""
    clusters = labkit.clusterctl("list", "--cloud", "lab")["clusters"]
    return any(each["name"] == "demo" and "SHUTOFF" in each["states"] for each in clusters)


def master(file: Path, status: dict[str, Any]) -> dict[str, Any]:
    """A Jenkins master on an agent for masters, which runs one build on a builder; then its page through ssh."""
    labkit.clusterctl("jenkins", "create", file, MASTER, "--probe")
    told: dict[str, Any] = labkit.clusterctl("jenkins", "status", file, MASTER)
    groups = {node["name"]: node["group"] for node in status["nodes"]}
    if groups[told["node"]] != "jenkins":
        raise SystemExit(f"the master runs on {told['node']}; expected: an agent of the group jenkins")
    told["page"] = page(file)
    print(f"jenkins: {MASTER} on {told['node']}, a build done, its page answers with {told['page']}", flush=True)
    return told


def page(file: Path) -> str:
    """First line of the answer to GET /login, asked through `clusterctl jenkins open`."""
    command = [labkit.PROGRAM, "jenkins", "open", file, MASTER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as opened:
        try:
            url = (opened.stdout.readline() if opened.stdout else "").strip()
            with urllib.request.urlopen(f"{url}login", timeout=OPEN_DEADLINE_S) as answer:
                return f"{answer.status}, X-Jenkins {answer.headers['X-Jenkins']}"
        finally:
            opened.send_signal(signal.SIGINT)


def summary(file: Path, report: dict[str, Any]) -> None:
    """What stands now, and what to try next."""
    relative = file.relative_to(labkit.ROOT)
    print("\nThe cluster is up and serves.\n")
    for node in report["nodes"]:
        print(f"  {node['name']:<28} {node['address']:<14} {', '.join(node['services'])}")
    print("\n  leaders: " + ", ".join(f"{service} {name}" for service, name in report["leaders"].items()))
    print("  seconds: " + ", ".join(f"{name} {seconds:g}" for name, seconds in report["phases"].items()))
    calls = report["create"]["api_calls"]
    print(
        f"  create: {report['create']['created']} servers, {calls['write']} writing and {calls['read']} reading calls"
    )
    print(
        f"""
Next:
  . build/env.sh
  clusterctl status {relative}
  clusterctl verify {relative}
  clusterctl ssh {relative} {report["nodes"][0]["name"]}
  clusterctl create {relative}          # again: finds nothing to do
  clusterctl jenkins list {relative}
  clusterctl jenkins open {relative} {MASTER} --login    # its page at a port of this machine, until Ctrl-C
  make demo-down
"""
    )


def down() -> int:
    """Removes the demo's cluster, in whichever zone it is."""
    labkit.use_lab()
    files = [labkit.BUILD / f"demo-{zone}.yml" for zone in labkit.ZONES]
    for file in files:
        if file.exists():
            print(json.dumps(labkit.clusterctl("destroy", file, "--yes")))
            break
    else:
        print("no demo was made here")
    return 0


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up").add_argument("--zone", choices=sorted(labkit.ZONES))
    verbs.add_parser("down")
    arguments = parser.parse_args()
    try:
        return up(arguments.zone) if arguments.verb == "up" else down()
    except subprocess.CalledProcessError as error:
        # the program said why on standard error
        what = f"{Path(error.cmd[0]).name} {error.cmd[1]}"
        print(f"demo: stopped; `{what}` ended with {error.returncode}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
