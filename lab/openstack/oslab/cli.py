"""lab/lab: up | start | stop | status [--json] | destroy | shell [COMMAND...] | env"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import api, aptcache, cache, config, container, facts, kvm, net, snapshot, storage
from .settings import HERE, LabError, Settings, from_environment
from .shell import run


class Phases:
    """Seconds that each phase of a start took, printed as it ends."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 1)
        print(f"lab: {name:<12} {self.seconds[name]:7.1f} s", flush=True)


def up(lab: Settings) -> None:
    """Brings the lab up from whatever state it is in; nothing to do if it is well."""
    recently = datetime.now(UTC) - timedelta(seconds=60)
    if container.pid(lab) and not api.missing(lab, recently) and aptcache.answers(lab):
        print("lab: is up")
        return
    phases = Phases()
    with phases.phase("packages"):
        run(HERE.parent / "packages.sh")
    with phases.phase("artefacts"):
        base, images = artefacts(lab)
    stop(lab)
    fresh = not (lab.state / "data.xfs").exists()
    if fresh:
        (lab.state / "base").unlink(missing_ok=True)
    hardware = kvm.works(lab, base, images)
    filled = snapshot.place(lab, base, images, hardware)
    if fresh and filled.is_dir():
        with phases.phase("restore"):
            snapshot.restore(lab, filled)
    with phases.phase("prepare"):
        facts.write_access(lab)
        base = storage.mount(lab, base)
        config.apply(lab, hardware, images.name)
        net.up(lab)
    with phases.phase("services"):
        since = datetime.now(UTC).replace(microsecond=0)
        container.start(lab, images, hardware)
        aptcache.start(lab, base)
        container.wait_for_init(lab)
    with phases.phase("computes"):
        api.wait_until_alive(lab, since)
        aptcache.wait_until_answers(lab)
    if fresh and not filled.is_dir():
        with phases.phase("snapshot"):
            snapshot.take(lab, filled)
    (lab.state / "phases.json").write_text(json.dumps(phases.seconds))
    print(f'lab: ready; zones vm ({"KVM" if hardware else "emulated"}), container, fake; eval "$({sys.argv[0]} env)"')


def artefacts(lab: Settings) -> tuple[Path, Path]:
    """The cached root file system and guest images, built side by side where they are not there."""
    with ThreadPoolExecutor(2) as pool:
        inputs = [HERE / "packages.txt", HERE / "preseed.txt", HERE / "build-rootfs"]
        base = pool.submit(cache.entry, lab.cache, "lab-rootfs", inputs, HERE / "build-rootfs")
        images = pool.submit(cache.entry, lab.cache, "lab-guest", [HERE / "guest"], HERE / "guest" / "build")
        return base.result() / "rootfs", images.result()


def stop(lab: Settings) -> None:
    """Ends what runs and unmounts; keeps all data. Also cleans up after a crash. Idempotent."""
    if not lab.state.exists():
        return
    storage.thaw(lab)
    container.stop(lab)
    if storage.is_mounted(lab.data):
        storage.free_loops(lab)
    storage.unmount(lab)


def destroy(lab: Settings) -> None:
    """Removes everything but the cache. Idempotent."""
    stop(lab)
    net.down(lab)
    container.forget(lab)
    if lab.state.exists():
        shutil.rmtree(lab.state)


def status(lab: Settings, as_json: bool) -> int:
    """Prints the state; exit code 0 if all three zones work, else 3."""
    missing = api.missing(lab, datetime.now(UTC) - timedelta(seconds=60)) if container.pid(lab) else None
    state = facts.status(lab, missing)
    if as_json:
        print(json.dumps(state, indent=2))
    else:
        print("lab: " + ("up" if state["ready"] else "running, not ready" if state["running"] else "not running"))
        for name in state["missing"]:
            print(f"  missing: {name}")
    return 0 if state["ready"] else 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="lab", description="A real OpenStack on this machine, in its own network.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="build what is missing, start, wait until ready; repairs a half-built lab")
    verbs.add_parser("start", help="the same as up")
    verbs.add_parser("stop", help="stop, keep all data")
    verbs.add_parser("status", help="exit code 0 if ready, 3 if not").add_argument("--json", action="store_true")
    verbs.add_parser("destroy", help="remove everything but the cache")
    verbs.add_parser("env", help="print shell exports for using the lab")
    shell = verbs.add_parser("shell", help="run a command, or a shell, inside the lab's container")
    shell.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    try:
        return dispatch(from_environment(), arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def dispatch(lab: Settings, arguments: argparse.Namespace) -> int:
    if arguments.verb == "status":
        return status(lab, arguments.json)
    if arguments.verb == "env":
        print(facts.exports(lab), end="")
        return 0
    if os.geteuid() != 0:
        raise LabError("must run as root")
    if arguments.verb == "shell":
        return subprocess.call(container.enter(lab) + (arguments.command or ["bash"]))
    lab.cache.mkdir(parents=True, exist_ok=True)
    with cache.locked(lab.cache / f"{lab.name}.lock"):
        {"up": up, "start": up, "stop": stop, "destroy": destroy}[arguments.verb](lab)
    return 0
