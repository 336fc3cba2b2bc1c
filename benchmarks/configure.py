"""``configure`` where nothing is to be done, against the same work done in other ways, in one run.

usage: configure.py [--rounds N] [--hosts N] [--plain] [--cluster FILE]

The hosts are those of ``lab/hosts`` (systemd, SSH, real services). Five of them are the demo topology; the N simulated
hosts are names of these five, so that each is logged in to and looked at for itself. ``--cluster`` measures a running
cluster instead, by way of ``inventory/``. The ways take turns, each with no connection left over from before:

configure: ``playbooks/site.yml`` and our ``ansible.cfg``, started as ``clusterctl configure`` does.
configure, one differs: the same, where one host was changed by hand; only that one is put right.
same playbook, stock: ``playbooks/site.yml`` with Ansible's own settings (no pipelining, 5 forks).
plain roles, tuned: ``benchmarks/stock/site.yml``, every role on every host, with pipelining, 50 forks and no gathering
of facts.
plain roles, stock: the same with Ansible's own settings, facts gathered.
logins by ssh alone: each host once, 50 at once, to do nothing there. Client and server share this machine's processors,
so no way that logs in can be quicker here.

A run in which other hosts change than that one, or one fails or can't be reached, ends the benchmark. Prints Markdown.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "lab" / "openstack"), str(ROOT / "lab" / "hosts"), str(ROOT)]

import nodes  # noqa: E402
from measure import load, markdown, say, tuned_ansible  # noqa: E402

from clusterctl.ansible.playbook import run_playbook  # noqa: E402
from clusterctl.spec import load_spec  # noqa: E402
from clusterctl.topology import topology  # noqa: E402

LABHOST = ROOT / "lab" / "hosts" / "labhost"
LAB = "benchconf"
DIFFERS = "th-builders-1"  # of the names of simulated hosts it has one alone
SITE = ROOT / "playbooks" / "site.yml"
PLAIN = ROOT / "benchmarks" / "stock" / "site.yml"


@dataclass(frozen=True)
class Way:
    """A way to do it: a playbook and the settings that it runs with.

    Attributes:
        before: what is done before each run, which isn't measured; see ``differs``.
        differs: whether one host is to be changed by a run.
    """

    name: str
    playbook: Path
    config: Path
    before: Callable[[], None] = lambda: None
    differs: bool = False

    def seconds(self, inventory: Path) -> float:
        """Runs it.

        Raises:
            PlaybookError: a host failed or can't be reached.
            RuntimeError: other hosts were changed than had to be, so it was no such run.
        """
        self.before()
        start = time.monotonic()
        result = run_playbook(self.playbook, inventory=inventory, config=self.config)
        seconds = time.monotonic() - start
        if len({host for host, _ in result.changes}) != self.differs:
            raise RuntimeError(f"{self.name} changed {result.changes or 'nothing'}")
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
            # all names of the simulated hosts may log in at once
            allow = "echo MaxStartups 200 > /etc/ssh/sshd_config.d/many.conf; systemctl reload ssh"
            labhost("sh", LAB, node.name, "sh", "-c", allow)
        inventory = made.inventory(json.loads(labhost("inventory", LAB))["all"]["hosts"])
        for variables in inventory["all"]["hosts"].values():
            # connections are shared as the ways' settings say, not between them
            variables["ansible_ssh_common_args"] = re.sub(
                r"-o Control\w+=\S+ ?", "", variables["ansible_ssh_common_args"]
            )
        run_playbook(SITE, inventory=written(work / "first.json", inventory), config=ROOT / "ansible.cfg")
        yield inventory
    finally:
        labhost("down", LAB)


def simulated(inventory: Mapping[str, Any], count: int) -> dict[str, Any]:
    """An inventory of ``count`` names for its hosts, each with a connection of its own."""
    found: dict[str, Any] = copy.deepcopy(dict(inventory))
    others = [name for name in inventory["all"]["hosts"] if name != DIFFERS]
    again = {f"sim-{number:03}": others[number % len(others)] for number in range(count - 1)}
    again[f"sim-{count - 1:03}"] = DIFFERS
    hosts = found["all"]["hosts"] = {}
    for name, real in again.items():
        variables = inventory["all"]["hosts"][real]
        address, args = variables["ansible_host"], variables["ansible_ssh_common_args"]
        # ssh takes it for another host, which the address is found for on the way
        own = f"{args.replace('%h', address)} -o HostKeyAlias={address}"
        hosts[name] = {**variables, "ansible_host": name, "ansible_ssh_common_args": own}
    for group in found["all"]["children"].values():
        group["hosts"] = dict.fromkeys(name for name, real in again.items() if real in group["hosts"])
    return found


def change() -> None:
    """Changes a file of one test host by hand."""
    labhost("sh", LAB, DIFFERS, "sh", "-c", "echo '# changed by hand' >> /etc/default/mesos-agent")


def forget(file: Path) -> None:
    """Connections to a running cluster's nodes are left over from nobody then."""
    program = Path(sys.executable).parent / "clusterctl"
    told = subprocess.run([program, "inventory", file], check=True, stdout=subprocess.PIPE, text=True).stdout
    for variables in json.loads(told)["_meta"]["hostvars"].values():
        words = shlex.split(variables["ansible_ssh_common_args"])
        [path] = [word.partition("=")[2] for word in words if word.startswith("ControlPath=")]
        Path(path.strip('"')).unlink(missing_ok=True)


def log_in(inventory: Path) -> float:
    """Seconds until each host was logged in to by ssh alone, as Ansible's settings here allow: 50 at once.

    Raises:
        CalledProcessError: a host can't be reached.
    """

    def one(variables: Mapping[str, str]) -> None:
        # Of a setting that comes twice the first counts
        own = "-o BatchMode=yes -o ControlMaster=no -o ControlPath=none"
        options = shlex.split(f"{own} -l {variables['ansible_user']} {variables['ansible_ssh_common_args']}")
        subprocess.run(["ssh", *options, variables["ansible_host"], "true"], check=True, stdin=subprocess.DEVNULL)

    hosts = json.loads(inventory.read_text())["all"]["hosts"].values()
    start = time.monotonic()
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(one, hosts))
    return time.monotonic() - start


def written(path: Path, content: Mapping[str, Any]) -> Path:
    """The path, with the content in it as JSON, which Ansible reads as YAML."""
    path.write_text(json.dumps(content))
    return path


def ways(work: Path, case: str, cluster: Path | None) -> list[Way]:
    """All of them, with a directory of their own for shared connections in each run.

    Args:
        cluster: the file of a running one, whose inventory says where connections are kept.
    """
    ours = (ROOT / "ansible.cfg").read_text().replace("= roles", f"= {ROOT}/roles")
    for name in ("ours", "differs"):
        text = ours.replace("~/.cache/clusterctl/cp", f"{work}/{name}-{case}")
        (work / f"{name}-{case}.cfg").write_text(text)
    for name in ("same", "plain"):
        text = f"[defaults]\nroles_path = {ROOT}/roles\n[ssh_connection]\ncontrol_path_dir = {work}/{name}-{case}\n"
        (work / f"{name}-{case}.cfg").write_text(text)
    (own := work / f"tuned-{case}").mkdir()
    before = (lambda: forget(cluster)) if cluster else (lambda: None)
    found = [
        Way("configure", SITE, work / f"ours-{case}.cfg", before),
        Way("same playbook, stock", SITE, work / f"same-{case}.cfg", before),
        Way("plain roles, tuned", PLAIN, tuned_ansible(own), before),
        Way("plain roles, stock", PLAIN, work / f"plain-{case}.cfg", before),
    ]
    if cluster is None:
        found.insert(1, Way("configure, one differs", SITE, work / f"differs-{case}.cfg", change, differs=True))
    return found


@dataclass
class Case:
    """Hosts, and what was measured on them.

    Attributes:
        plain: whether plain roles run, too.
        cluster: see ``ways``.
    """

    title: str
    hosts: int
    inventory: Path
    plain: bool = True
    cluster: Path | None = None

    def rows(self, rounds: int, work: Path) -> list[list[object]]:
        """Runs the ways in turn; a line of the table for each."""
        seconds: dict[str, list[float]] = {}
        for number in range(rounds):
            for way in ways(work, f"{self.hosts}-{number}", self.cluster):
                if self.plain or way.playbook != PLAIN:
                    seconds.setdefault(way.name, []).append(way.seconds(self.inventory))
                    say(f"{self.title}: {way.name}: {seconds[way.name][-1]:.1f} s")
            if self.cluster is None:
                seconds.setdefault("logins by ssh alone", []).append(log_in(self.inventory))
        ours = statistics.median(seconds["configure"])
        found: list[list[object]] = []
        for name, each in seconds.items():
            median = statistics.median(each)
            a_host = f"{1000 * median / self.hosts:.0f} ms"
            found.append([self.title, name, f"{median:.1f} s", a_host, f"{median / ours:.2f}", rounds, load()])
        return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hosts", type=int, default=100, help="simulated hosts")
    parser.add_argument("--plain", action="store_true", help="plain roles on the simulated hosts, too (long)")
    parser.add_argument("--cluster", type=Path, help="the file of a running cluster, instead of test hosts")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if arguments.cluster:
            os.environ["CLUSTERCTL_FILE"] = str(arguments.cluster.resolve())
            os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            count = topology(load_spec(arguments.cluster)).size
            script = ROOT / "inventory" / "clusterctl"
            rows += Case(arguments.cluster.stem, count, script, cluster=arguments.cluster).rows(arguments.rounds, work)
        else:
            with hosts(work) as inventory:
                five = Case("5 test hosts", 5, written(work / "five.json", inventory))
                rows += five.rows(arguments.rounds, work)
                many = written(work / "many.json", simulated(inventory, arguments.hosts))
                title = f"{arguments.hosts} simulated"
                rows += Case(title, arguments.hosts, many, arguments.plain).rows(arguments.rounds, work)
    header = ["hosts", "way", "median", "a host", "as many times as configure", "rounds", "load"]
    print(markdown(header, rows))


if __name__ == "__main__":
    main()
