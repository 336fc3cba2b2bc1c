"""The main job, shown on the lab: from nothing to a cluster that runs an app. Verbs: up [--zone ZONE], down."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import labkit

APP = {
    "id": "/hello",
    "cmd": "while true; do date; sleep 1; done",
    "cpus": 0.1,
    "mem": 32,
    "instances": 1,
    # a Jenkins master would stand like this: on the reserved agents, and only there
    "constraints": [["pool", "CLUSTER", "jenkins-master"]],
    "acceptedResourceRoles": ["marathon"],
}
APP_DEADLINE_S = 120


def up(zone: str | None) -> int:
    """Lab, image, cluster, proof, sample app; writes build/demo.json and build/env.sh."""
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
    with at.phase("create"):
        created = labkit.clusterctl("create", file)
    with at.phase("verify"):
        verified = labkit.clusterctl("verify", file)
    status = labkit.clusterctl("status", file)
    with at.phase("app"):
        task = launch(file, status)
    report = {
        "zone": zone,
        "phases": at.seconds,
        "image": image,
        "create": created,
        "nodes": status["nodes"],
        "leaders": status["leaders"],
        "verify": verified,
        "app": task,
    }
    (labkit.BUILD / "demo.json").write_text(json.dumps(report, indent=2) + "\n")
    summary(file, report)
    return 0


def launch(file: Path, status: dict[str, Any]) -> dict[str, Any]:
    """Launches the sample app through Marathon and waits until it runs on an agent for Jenkins masters."""
    node = next(each for each in status["nodes"] if "marathon" in each["services"])
    url = f"http://{node['address']}:8080/v2/apps"
    curl = ["curl", "-sS", "--max-time", "20"]
    put = [*curl, "-X", "PUT", "-H", "Content-Type: application/json", "-d", json.dumps(APP), url + APP["id"]]
    answer = on_node(file, node["name"], put)
    print(f"marathon: {answer}", flush=True)
    wanted = {each["address"] for each in status["nodes"] if each["group"] == "jenkins"}
    deadline = time.monotonic() + APP_DEADLINE_S
    while time.monotonic() < deadline:
        tasks = json.loads(on_node(file, node["name"], [*curl, f"{url}{APP['id']}/tasks"]))["tasks"]
        running = [task for task in tasks if task["state"] == "TASK_RUNNING"]
        if running:
            host = running[0]["host"]
            if host not in wanted:
                raise SystemExit(f"the app runs on {host}; allowed by its constraint: {', '.join(sorted(wanted))}")
            print(f"marathon: {APP['id']} runs on {host}, an agent for Jenkins masters", flush=True)
            return {"id": running[0]["id"], "host": host, "state": running[0]["state"]}
        time.sleep(1)
    raise SystemExit(f"the app does not run after {APP_DEADLINE_S} s; ask http://{node['address']}:8080/v2/queue")


def on_node(file: Path, node: str, command: list[str]) -> str:
    """Output of a command on a node, through `clusterctl ssh`."""
    done = subprocess.run(
        [labkit.PROGRAM, "ssh", file, node, "--", *command], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


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
