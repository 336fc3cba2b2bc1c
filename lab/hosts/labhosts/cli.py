"""lab/hosts/labhost: see `labhost --help`."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from oslab import cache
from oslab.settings import LabError
from oslab.shell import run

from . import image, machine, net, ssh
from .settings import ROOT, Host, Lab, host, hosts, lab, states_directory


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labhost", description="Real systemd test hosts: LXC on overlayfs.")
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name: str, text: str, *names: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text)
        for each in names:
            sub.add_argument(each)
        return sub

    verb("image", "build what hosts boot from, if it is not there")
    built = verb("artifacts", "build the lab's artifacts; print variables for playbooks/image.yml")
    built.add_argument("--number", type=int, default=1, help="2 and so on: later versions, to upgrade to")
    up = verb("up", "boot a host; make it if it is not there", "lab", "name", "address")
    up.add_argument(
        "--layer",
        default="node",
        help="base: stock Debian; node: a cluster's base image (default); or a disk that was taken",
    )
    up.add_argument("--no-wait", action="store_true", help="return as soon as its init runs")
    up.add_argument("--files", type=Path, help="a directory copied over a new disk")
    verb("stop", "shut a host down in order; its disk stays", "lab", "name")
    verb("crash", "cut a host's power; its disk stays", "lab", "name")
    verb("sh", "run a program in a host, without SSH", "lab", "name").add_argument("command", nargs=argparse.REMAINDER)
    verb("inventory", "print an Ansible inventory of a lab's hosts", "lab")
    verb("instances", "print Molecule's instance configuration of a lab's hosts", "lab")
    verb("keys", "make a lab's SSH keys", "lab")
    verb("state", "print a lab's state directory", "lab")
    verb("list", "print the hosts of all labs")
    verb("take", "move a stopped host's disk to a directory and remove the host", "lab", "name", "target")
    verb("down", "remove a host, or a whole lab", "lab").add_argument("name", nargs="?")
    return parser


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return _dispatch(arguments)
    except LabError as error:
        print(f"labhost: {error}", file=sys.stderr)
        return 1


def _dispatch(arguments: argparse.Namespace) -> int:
    if os.geteuid() != 0:
        raise LabError("must run as root")
    verb = arguments.verb
    if verb == "image":
        run(ROOT / "lab" / "packages.sh")
        print(image.node())
    elif verb == "artifacts":
        print(json.dumps(image.artifacts(arguments.number), indent=1))
    elif verb == "list":
        for directory in sorted(states_directory().glob("*/")):
            for each in hosts(lab(directory.name)):
                print(directory.name, each.name, "up" if machine.pid(each) else "down")
    else:
        return _in_lab(verb, lab(arguments.lab), arguments)
    return 0


def _in_lab(verb: str, of: Lab, arguments: argparse.Namespace) -> int:
    show = {
        "inventory": lambda: json.dumps(ssh.inventory(of), indent=1),
        "instances": lambda: json.dumps(ssh.instances(of), indent=1),
        "state": lambda: str(of.state),
    }
    if verb in show:
        print(show[verb]())
        return 0
    if verb == "keys":
        machine.keys(of)
        return 0
    if verb == "down" and arguments.name is None:
        _remove(of)
        return 0
    one = host(of, arguments.name)
    if verb == "sh":
        return machine.inside(one, *(arguments.command or ["bash"])).returncode
    of.state.mkdir(parents=True, exist_ok=True)
    with cache.locked(of.state / ".lock"):
        _change(verb, one, arguments)
    return 0


def _change(verb: str, one: Host, arguments: argparse.Namespace) -> None:
    if verb == "up":
        (one.state).mkdir(exist_ok=True)
        (one.state / "address").write_text(arguments.address)
        booted = machine.up(one, arguments.address, arguments.layer, arguments.files, wait=not arguments.no_wait)
        if booted:
            print(f"booted {one.name}")
    elif verb == "take":
        machine.take(one, Path(arguments.target))
    elif not one.state.is_dir():
        if verb != "down":
            raise LabError(f"lab {one.lab.name} has no host {one.name}")
    elif verb == "down":
        machine.destroy(one)
    else:
        machine.stop(one, at_once=verb == "crash")


def _remove(of: Lab) -> None:
    if not of.state.is_dir():
        return
    for path in sorted(of.state.glob("*/address")):  # written first, so a half-made host has it
        machine.destroy(Host(of, path.parent.name))
        print(f"removed {path.parent.name}")
    net.down(of)
    shutil.rmtree(of.state)
