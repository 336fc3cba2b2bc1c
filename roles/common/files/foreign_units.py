"""Units that packages bring for the services that clusterctl runs: keeps them from starting. Runs as root on a node.

foreign_units.py quiet [PACKAGE...]   before and after packages come; prints what it changed, one line each
foreign_units.py check                on the builder of an image; prints what would start, one line each

Upstream's Mesos packages enable mesos-master and mesos-slave at every installation, with a quorum of 1; Debian's
zookeeperd and Marathon's own packages bring units, too. Ours have three of those names, and lie in /etc/systemd/system,
which systemd prefers. Each of these names gets a drop-in with a condition: the unit starts only where clusterctl has
written one of that name. It is no mask: `systemctl enable` fails on a masked unit, and upstream's postinst with it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

# clusterctl/services.py, without .service
OURS = ("mesos-agent", "mesos-master", "marathon", "zookeeper")
# What upstream calls the agent
FOREIGN = ("mesos-slave",)
KINDS = (".service", ".socket", ".timer", ".path")
SERVICE = re.compile(r"\b(mesos|zookeeper|marathon)", re.IGNORECASE)
DROP_IN = "clusterctl-foreign.conf"
ADMIN = Path("/etc/systemd/system")
VENDOR = (Path("/lib/systemd/system"), Path("/usr/lib/systemd/system"), Path("/usr/local/lib/systemd/system"))
INIT = Path("/etc/init.d")
SHOWN = "Id,FragmentPath,SourcePath,UnitFileState,ActiveState,DropInPaths,ExecStart"
PULLED = "WantedBy,RequiredBy,UpheldBy,BoundBy,TriggeredBy"
ENABLED = ("enabled", "enabled-runtime", "linked", "linked-runtime")

Unit = Mapping[str, str]  # properties as `systemctl show` names them


def output(*command: str) -> str:
    """What a command printed; a failure shows in what is missing of it."""
    environment = {**os.environ, "LC_ALL": "C", "SYSTEMD_PAGER": ""}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout


def guard(name: str) -> str:
    """The drop-in of a unit that must not start unless it is ours."""
    ours = name.removesuffix(".service") in OURS
    condition = str(ADMIN / name) if ours else "!/"
    return (
        "# Written by clusterctl: a package may bring a unit of this name, which must not start.\n"
        f"[Unit]\nConditionPathExists={condition}\n"
    )


def units_of(paths: Iterable[str]) -> list[str]:
    """Names of the units among a package's files, init scripts among them, that belong to these services."""
    found = set()
    for path in map(Path, paths):
        if path.parent == INIT:
            name = f"{path.name}.service"
        elif path.parent in (ADMIN, *VENDOR) and path.suffix in KINDS:
            name = path.name
        else:
            continue
        if SERVICE.search(name) or SERVICE.search(text_of(path)):
            found.add(name)
    return sorted(found)


def text_of(path: Path) -> str:
    """Of a file; empty if it is not there."""
    return path.read_text(errors="replace") if path.is_file() else ""


def write_guards(names: Iterable[str], admin: Path) -> list[str]:
    """Writes the drop-ins that are missing or differ; gives their paths."""
    written = []
    for name in names:
        path = admin / f"{name}.d" / DROP_IN
        if text_of(path) != guard(name):
            path.parent.mkdir(mode=0o755, exist_ok=True)
            path.write_text(guard(name))
            path.chmod(0o644)
            written.append(str(path))
    return written


def quiet(packages: Iterable[str]) -> list[str]:
    """Guards and disables what is not ours; gives what was changed."""
    listed = [line for package in packages for line in output("dpkg-query", "--listfiles", package).splitlines()]
    names = sorted({f"{name}.service" for name in (*OURS, *FOREIGN)} | set(units_of(listed)))
    changed = write_guards(names, ADMIN)
    if changed:
        subprocess.run(["systemctl", "daemon-reload"], check=True)
    for name in names:
        if name.removesuffix(".service") in OURS and (ADMIN / name).is_file():
            continue
        if output("systemctl", "is-enabled", name).strip() in ENABLED:
            subprocess.run(["systemctl", "disable", "--quiet", "--now", name], check=True)
            changed.append(f"disabled {name}")
    return changed


def shown(text: str) -> list[Unit]:
    """`systemctl show` of several units: blocks of lines NAME=VALUE."""
    blocks = (block for block in text.split("\n\n") if block.strip())
    return [dict(line.split("=", 1) for line in block.strip().splitlines() if "=" in line) for block in blocks]


def problems(units: Iterable[Unit], admin: Path) -> list[str]:
    """The units of these services that run, or would start at the next boot, and why."""
    found = []
    for unit in units:
        name = unit["Id"]
        script = unit.get("SourcePath", "")
        if not (SERVICE.search(name) or SERVICE.search(unit.get("ExecStart", "")) or SERVICE.search(_script(script))):
            continue
        place = script or unit.get("FragmentPath", "")
        pulled = [by for key in PULLED.split(",") for by in unit.get(key, "").split()]
        guarded = str(admin / f"{name}.d" / DROP_IN) in unit.get("DropInPaths", "").split()
        if unit.get("ActiveState") in ("active", "activating", "reloading"):
            found.append(f"{name} runs ({place})")
        elif guarded and not (admin / name).exists():
            continue
        elif unit.get("UnitFileState") in ENABLED or pulled:
            found.append(f"{name} would start at boot ({place}{', by ' + ', '.join(pulled) if pulled else ''})")
    return found


def _script(path: str) -> str:
    return text_of(Path(path)) if path.startswith(str(INIT)) else ""


def check() -> list[str]:
    """``problems`` of this machine."""
    kinds = [f"--type={','.join(kind.lstrip('.') for kind in KINDS)}", "--no-legend", "--plain", "--all"]
    lines = output("systemctl", "list-unit-files", *kinds) + output("systemctl", "list-units", *kinds)
    names = sorted({line.split()[0] for line in lines.splitlines() if line.strip()})
    names = [name for name in names if "@." not in name]
    return problems(shown(output("systemctl", "show", f"--property={SHOWN},{PULLED}", "--", *names)), ADMIN)


def main(verb: str, *packages: str) -> int:
    """See the module; exit status 2 for another verb."""
    if verb not in ("quiet", "check"):
        print(f"found {verb!r}; allowed: quiet, check", file=sys.stderr)
        return 2
    print("\n".join(quiet(packages) if verb == "quiet" else check()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
