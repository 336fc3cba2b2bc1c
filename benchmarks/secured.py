"""What closing a cluster costs: ``create``, ``scale`` and ``verify`` open and closed in turn, and the way of secrets to
many nodes.

usage: secured.py lab [--rounds N] [--example NAME]     on the lab, zone container
       secured.py delivery [--rounds N] [--hosts N]     on test hosts (``lab/hosts``)

lab: the same cluster file, once with every part open and once with every part closed; the two take turns, so that a
drift of the machine meets both. ``create`` ends when the cluster has verified itself, ``scale`` when the agent that was
added serves; ``verify`` is the median of five.

delivery: five test hosts under N names, so that each name is logged in to for itself; its files lie in a directory of
its own, in each round in another. In turn, each over new connections: a command that does nothing; files with secrets
that are all new; the same files once more.

Both print Markdown. The load is that of one minute, seen after each step: what else ran meanwhile is in it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "lab"), str(ROOT)]

import labkit  # noqa: E402

from clusterctl.ops.kit.access import Access  # noqa: E402
from clusterctl.ops.kit.credentials import deliver  # noqa: E402
from clusterctl.remote.prober import SshProber  # noqa: E402
from clusterctl.secrets.derive import Keyring, new_key  # noqa: E402
from clusterctl.secrets.files import DIRECTORY, SecretFile  # noqa: E402
from clusterctl.secrets.nodes import credentials_for  # noqa: E402
from clusterctl.services import Service  # noqa: E402
from clusterctl.spec import ClusterSpec, load_spec  # noqa: E402
from clusterctl.ssh.client import Ssh, SshError  # noqa: E402
from clusterctl.ssh.config import SshConfig, Target  # noqa: E402
from clusterctl.ssh.console import HostKey  # noqa: E402
from clusterctl.ssh.hostkeys import HostKeys, KnownHosts  # noqa: E402
from clusterctl.topology import Addresses  # noqa: E402

LABHOST = ROOT / "lab" / "hosts" / "labhost"
LAB = "benchsec"
HOSTS = 5
OPEN, CLOSED = "open", "closed"
SECURITY = {OPEN: {"insecure": "all"}, CLOSED: {}}


def load() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def span(figures: Sequence[float], digits: int = 2) -> str:
    """The least and the most of them."""
    return f"{min(figures):.{digits}f} to {max(figures):.{digits}f}"


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


# --- on the lab ------------------------------------------------------------------------------------------------------
def cluster_file(example: str, way: str) -> Path:
    """The example's file with every part open or closed."""
    file = labkit.cluster_file(example, "container", name=f"bench-{way}")
    kept = [line for line in file.read_text().splitlines() if not line.startswith("security:")]
    file.write_text("\n".join([*kept, f"security: {json.dumps(SECURITY[way])}"]) + "\n")
    load_spec(file)
    return file


def cluster(file: Path) -> dict[str, float]:
    """Seconds of each command on a cluster that is made for it; it is gone afterwards."""
    try:
        seconds = {"create": timed(lambda: labkit.clusterctl("create", file))}
        seconds["verify"] = statistics.median(timed(lambda: labkit.clusterctl("verify", file)) for _ in range(5))
        group = load_spec(file).groups_of(Service.MESOS_AGENT)[-1]
        count = load_spec(file).groups[group].count
        seconds["scale"] = timed(lambda: labkit.clusterctl("scale", file, f"{group}={count + 1}"))
    finally:
        labkit.clusterctl("destroy", file, "--yes")
    return seconds


def on_the_lab(rounds: int, example: str) -> None:
    """Prints a line a command."""
    labkit.lab_up()
    labkit.clusterctl("image", "build", labkit.artifacts_file("container", labkit.build_artifacts()))
    pairs: list[dict[str, dict[str, float]]] = []
    loads = [load()]
    for number in range(rounds):
        # who is first changes
        ways = (OPEN, CLOSED) if number % 2 == 0 else (CLOSED, OPEN)
        pairs.append({})
        for way in ways:
            pairs[-1][way] = cluster(cluster_file(example, way))
            loads.append(load())
        print(json.dumps(pairs[-1]), file=sys.stderr, flush=True)
    print("| command | open | closed | ratio | spread of the ratio | rounds | load |\n|---|---|---|---|---|---|---|")
    for command in ("create", "scale", "verify"):
        ratios = [pair[CLOSED][command] / pair[OPEN][command] for pair in pairs]
        medians = [statistics.median(pair[way][command] for pair in pairs) for way in (OPEN, CLOSED)]
        print(
            f"| {command} | {medians[0]:.1f} s | {medians[1]:.1f} s | {statistics.median(ratios):.2f} | "
            f"{span(ratios)} | {rounds} | {span(loads, 1)} |"
        )


# --- on test hosts ---------------------------------------------------------------------------------------------------
def labhost(*arguments: str) -> str:
    """What labhost prints."""
    return subprocess.run([LABHOST, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def on_test_hosts(rounds: int, hosts: int) -> None:
    """Makes them, and goes on in their network."""
    labhost("down", LAB)
    labhost("image")
    try:
        for number in range(1, HOSTS + 1):
            labhost("up", LAB, f"bench-{number}", f"10.99.0.{10 + number}")
        told = json.loads(labhost("inventory", LAB))["all"]["hosts"]
        words = next(iter(told.values()))["ansible_ssh_common_args"].replace("'", "").split()
        given = dict(word.partition("=")[::2] for word in words if "=" in word)
        namespace = words[words.index("exec") + 1]
        again = ["delivery", "--rounds", str(rounds), "--hosts", str(hosts)]
        inside = ["--known-hosts", given["UserKnownHostsFile"], "--key", given["IdentityFile"]]
        subprocess.run(["ip", "netns", "exec", namespace, sys.executable, __file__, *again, *inside], check=True)
    finally:
        labhost("down", LAB)


def access(work: Path, key: Path, known_hosts: Path, targets: list[Target]) -> Access:
    """ssh to the targets, with no connection left over from before."""
    _, kind, public = known_hosts.read_text().split()[:3]
    known = KnownHosts(work / "known_hosts")
    for target in targets:
        known.pin(target.server_id, [HostKey(kind, public)])
    ssh = Ssh(SshConfig("root", known.path, work, identity=key, persist_s=1))
    keys = HostKeys(known, lambda _: "", lambda _: None)
    return Access(ssh, keys, SshProber(ssh, keys))


def give(to: Access, wanted: dict[Target, list[SecretFile]], changed: int) -> None:
    """Delivers, and looks that so many files of each name changed."""
    done = deliver(to, wanted)
    if other := [name for name, paths in done.items() if len(paths) != changed]:
        raise RuntimeError(f"of {len(other)} names another number of files changed than {changed}: {other[0]}")


def delivery(rounds: int, hosts: int, key: Path, known_hosts: Path) -> None:
    """Prints a line for each thing that is done to all hosts."""
    spec: ClusterSpec = load_spec(ROOT / "examples" / "demo.yml")
    at = Addresses(zookeeper=((1, "10.99.0.11"),), mesos_master=("10.99.0.11",), marathon=("10.99.0.11",))
    targets = [Target(f"sim-{n:03}", f"sim-{n:03}", f"10.99.0.{11 + n % HOSTS}") for n in range(hosts)]
    group = spec.groups_of(Service.MESOS_AGENT)[-1]
    seconds: dict[str, list[float]] = {"nothing": [], "all files new": [], "no file new": []}
    loads = [load()]
    for number in range(rounds):
        files = credentials_for(spec, group, Keyring(spec.cluster, new_key()), at)
        wanted = {
            to: [replace(each, path=each.path.replace(DIRECTORY, f"{DIRECTORY}-{to.name}-{number}")) for each in files]
            for to in targets
        }

        def nothing(to: Access) -> None:
            answers = to.ssh.run_many(targets, lambda _: ["sudo", "-n", "true"], stdin=b"", timeout_s=60)
            failed = [each for each in answers.values() if isinstance(each, SshError) or each.returncode]
            if failed:
                raise RuntimeError(f"{len(failed)} of {len(targets)} hosts could not be asked: {failed[0]}")

        ways: dict[str, Callable[[Access], object]] = {
            "nothing": nothing,
            "all files new": partial(give, wanted=wanted, changed=len(files)),
            "no file new": partial(give, wanted=wanted, changed=0),
        }
        for name, work in ways.items():
            # short, since sockets of ssh lie in it
            with tempfile.TemporaryDirectory(prefix="bs", dir="/tmp") as directory:
                to = access(Path(directory), key, known_hosts, targets)
                seconds[name].append(timed(lambda work=work, to=to: work(to)))  # type: ignore[misc]
                to.ssh.close()
            loads.append(load())
            print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
    floor = seconds["nothing"]
    print(f"\n{hosts} hosts, {len(files)} files each\n")
    print("| done to all hosts | median | ratio to nothing | spread | rounds | load |\n|---|---|---|---|---|---|")
    for name, each in seconds.items():
        ratios = [mine / least for mine, least in zip(each, floor, strict=True)]
        print(
            f"| {name} | {statistics.median(each):.1f} s | {statistics.median(ratios):.2f} | "
            f"{span(ratios)} | {rounds} | {span(loads, 1)} |"
        )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("lab", "delivery"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--example", default="demo", help="file in examples/ (without .yml)")
    parser.add_argument("--hosts", type=int, default=100, help="names of hosts")
    parser.add_argument("--key", type=Path, help=argparse.SUPPRESS)  # in the hosts' network
    parser.add_argument("--known-hosts", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.what == "lab":
        on_the_lab(arguments.rounds, arguments.example)
    elif arguments.key:
        delivery(arguments.rounds, arguments.hosts, arguments.key, arguments.known_hosts)
    else:
        on_test_hosts(arguments.rounds, arguments.hosts)


if __name__ == "__main__":
    main()
