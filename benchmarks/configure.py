"""``configure`` where nothing is to be done, against the same work with Ansible's stock settings, in one run.

usage: configure.py [--rounds N] [--hosts N] [--cluster FILE]

The hosts are those of ``lab/hosts`` (systemd, SSH, real services). Five of them are the demo topology; the N simulated
hosts are names of these five in turn, so that each is logged in to and looked at for itself. ``--cluster`` measures a
running cluster instead, by way of ``inventory/``. Three ways take turns, each with no connection left over from before:

configure: ``playbooks/site.yml`` and our ``ansible.cfg``, started as ``clusterctl configure`` does.
same playbook, stock: ``playbooks/site.yml`` with Ansible's own settings (no pipelining, 5 forks).
plain roles, stock: ``benchmarks/stock/site.yml``, every role on every host, facts gathered, Ansible's own settings.

A run in which a host changes, fails or can't be reached ends the benchmark. Prints Markdown.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "lab" / "openstack"), str(ROOT / "lab" / "hosts"), str(ROOT)]

import nodes  # noqa: E402

from clusterctl.ansible.playbook import run_playbook  # noqa: E402

LABHOST = ROOT / "lab" / "hosts" / "labhost"
LAB = "benchconf"
SITE = ROOT / "playbooks" / "site.yml"
PLAIN = ROOT / "benchmarks" / "stock" / "site.yml"


@dataclass(frozen=True)
class Way:
    """A way to do it: a playbook and the settings that it runs with."""

    name: str
    playbook: Path
    config: Path

    def seconds(self, inventory: Path) -> float:
        """Runs it where nothing is to be done.

        Raises:
            PlaybookError: a host failed or can't be reached.
            RuntimeError: a host was changed, so it was no such run.
        """
        start = time.monotonic()
        result = run_playbook(self.playbook, inventory=inventory, config=self.config)
        seconds = time.monotonic() - start
        if result.changed:
            raise RuntimeError(f"{self.name} changed something: {result.changes}")
        return seconds


def labhost(*arguments: str) -> str:
    """What labhost prints."""
    return subprocess.run([LABHOST, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def hosts(work: Path) -> Iterator[dict[str, Any]]:
    """The demo topology on test hosts, configured; its inventory."""
    labhost("down", LAB)
    labhost("image")
    try:
        made = nodes.cluster(ROOT / "molecule" / "shared" / "three.yml")
        for node in made.nodes:
            labhost("up", LAB, node.name, node.address)
        inventory = made.inventory(json.loads(labhost("inventory", LAB))["all"]["hosts"])
        run_playbook(SITE, inventory=written(work / "first.json", inventory), config=ROOT / "ansible.cfg")
        yield inventory
    finally:
        labhost("down", LAB)


def simulated(inventory: Mapping[str, Any], count: int) -> dict[str, Any]:
    """An inventory of ``count`` names for its hosts."""
    found: dict[str, Any] = copy.deepcopy(dict(inventory))
    names = list(found["all"]["hosts"])
    again = {f"sim-{number:03}": names[number % len(names)] for number in range(count)}
    found["all"]["hosts"] = {name: inventory["all"]["hosts"][real] for name, real in again.items()}
    for group in found["all"]["children"].values():
        group["hosts"] = dict.fromkeys(name for name, real in again.items() if real in group["hosts"])
    return found


def written(path: Path, content: Mapping[str, Any]) -> Path:
    """The path, with the content in it as JSON, which Ansible reads as YAML."""
    path.write_text(json.dumps(content))
    return path


def ways(work: Path, case: str) -> list[Way]:
    """The three, with a directory of their own for shared connections in each run."""
    ours = (ROOT / "ansible.cfg").read_text().replace("~/.cache/clusterctl/cp", f"{work}/ours-{case}")
    (work / f"ours-{case}.cfg").write_text(ours.replace("= roles", f"= {ROOT}/roles"))
    for name in ("same", "plain"):
        text = f"[defaults]\nroles_path = {ROOT}/roles\n[ssh_connection]\ncontrol_path_dir = {work}/{name}-{case}\n"
        (work / f"{name}-{case}.cfg").write_text(text)
    return [
        Way("configure", SITE, work / f"ours-{case}.cfg"),
        Way("same playbook, stock", SITE, work / f"same-{case}.cfg"),
        Way("plain roles, stock", PLAIN, work / f"plain-{case}.cfg"),
    ]


def measure(case: str, inventory: Path, rounds: int, work: Path, plain: bool) -> None:
    """Runs the ways in turn and prints a line of the table for each."""
    seconds: dict[str, list[float]] = {}
    for number in range(rounds):
        for way in ways(work, f"{number}"):
            if plain or way.playbook != PLAIN:
                seconds.setdefault(way.name, []).append(way.seconds(inventory))
                print(f"{case}: {way.name}: {seconds[way.name][-1]:.1f} s", file=sys.stderr, flush=True)
    ours = statistics.median(seconds["configure"])
    for name, each in seconds.items():
        median = statistics.median(each)
        print(f"| {case} | {name} | {median:.1f} s | {median / ours:.1f} | {rounds} | {os.getloadavg()[0]:.1f} |")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hosts", type=int, default=100, help="simulated hosts")
    parser.add_argument("--plain", action="store_true", help="run plain roles on the simulated hosts, too (long)")
    parser.add_argument("--cluster", type=Path, help="the file of a running cluster, instead of test hosts")
    arguments = parser.parse_args()
    print("| hosts | way | median | as many times as configure | rounds | load |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if arguments.cluster:
            os.environ["CLUSTERCTL_FILE"] = str(arguments.cluster)
            os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            measure(arguments.cluster.stem, ROOT / "inventory" / "clusterctl", arguments.rounds, work, plain=True)
            return
        with hosts(work) as inventory:
            measure("5", written(work / "five.json", inventory), arguments.rounds, work, plain=True)
            many = written(work / "many.json", simulated(inventory, arguments.hosts))
            measure(f"{arguments.hosts} simulated", many, arguments.rounds, work, plain=arguments.plain)


if __name__ == "__main__":
    main()
