"""Runs ON an agent for Jenkins masters, as root: reports the homes there, makes and removes them.

Self-contained, standard library only. The request is one line of JSON on standard input (``standardinput.py``):
``{"action", "directory", "mount", ...}``; ``mount`` is a path that must be a mount point, or null. Prints the answer of
the action, or ``{"error": text}``.

A home belongs to its master's user, who may put anything there, links too. So what is inside of a home is read and
written as that user, never as root.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import stat
import sys
import time
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Json = Any

OWN = ".clusterctl"
MARKER = OWN + "/master.json"
PRINCIPAL = OWN + "/principal"
ASIDE = ".aside"  # in the directory of homes: those that are kept, but belong to no master any more
NEW = ".new-"
RELEASES = "/opt/jenkins"
FIRST_UID, LAST_UID = 30001, 30999  # jm-001 to jm-999
MAX_MARKER = 64 * 1024


class HomeError(Exception):
    """Why an action was refused."""


@contextmanager
def acting_as(uid: int, gid: int) -> Iterator[None]:
    """Runs the body with another user's rights; without root it changes nothing, and files must be ours."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def owner(path: Path) -> os.stat_result:
    """Of a home. Raises HomeError if it isn't a directory of a master's user."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise HomeError(f"there is no home {path}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise HomeError(f"{path} is not a directory")
    if os.geteuid() == 0 and not FIRST_UID <= found.st_uid <= LAST_UID:
        raise HomeError(f"{path} belongs to uid {found.st_uid}, which is not a Jenkins master's")
    return found


def read(path: Path) -> str:
    """A small regular file; links are not followed."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise HomeError(f"{path} is not a file")
        return file.read(MAX_MARKER)


def write(path: Path, text: str) -> None:
    """A file 0600 in one step; its directory, if it has none, 0700."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    if os.path.lexists(part):
        part.unlink()
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def checked(request: Json) -> Path:
    """The directory of homes, if it is there."""
    directory = Path(request["directory"])
    mount = request.get("mount")
    if mount and not os.path.ismount(mount):
        raise HomeError(f"the volume is not mounted at {mount}")
    if not directory.is_dir():
        raise HomeError(f"there is no directory {directory}")
    return directory


def home_of(directory: Path, name: str) -> Path:
    """Path of a home; the name comes from us, and is checked all the same."""
    if not name or name.startswith(".") or "/" in name:
        raise HomeError(f"found name {name!r}")
    return directory / name


def survey(request: Json) -> Json:
    """``{"homes": [{"name", "uid", "mode", "marker", "principal", "problem"}], "aside", "free_mib", "size_mib",
    "releases", "current"}``: what lies there. ``marker`` is the file's text, ``releases`` maps names to MiB of plugins.
    """
    directory = checked(request)
    space = os.statvfs(directory)
    homes = []
    for path in sorted(directory.iterdir()):
        if not path.name.startswith(".") and path.name != "lost+found":
            homes.append(told(path))
    aside = directory / ASIDE
    return {
        "homes": homes,
        "aside": sorted(each.name for each in aside.iterdir()) if aside.is_dir() else [],
        "free_mib": space.f_bavail * space.f_frsize // 2**20,
        "size_mib": space.f_blocks * space.f_frsize // 2**20,
        **releases(Path(request.get("releases", RELEASES))),
    }


def told(path: Path) -> Json:
    """One home as ``survey`` gives it."""
    found = path.lstat()
    answer = {"name": path.name, "uid": found.st_uid, "mode": stat.S_IMODE(found.st_mode)}
    answer |= {"marker": None, "principal": "", "problem": ""}
    try:
        owned = owner(path)
        with acting_as(owned.st_uid, owned.st_gid):
            answer |= {"principal": principal(path), "marker": read(path / MARKER)}
    except HomeError as error:
        answer["problem"] = str(error)
    except (OSError, ValueError) as error:
        answer["problem"] = f"its marker can't be read: {getattr(error, 'strerror', None) or error}"
    return answer


def principal(home: Path) -> str:
    """'' where the start script didn't say it, or the master's user put something else there."""
    try:
        return read(home / PRINCIPAL).strip()
    except (HomeError, OSError, ValueError):
        return ""


def releases(root: Path) -> Json:
    """What wars and plugins the node has."""
    found = {}
    for each in root.iterdir() if root.is_dir() else ():
        if not each.is_symlink() and (each / "jenkins.war").is_file():
            found[each.name] = -(-sum(plugin.stat().st_size for plugin in each.glob("plugins/*.jpi")) // 2**20)
    current = root / "current"
    return {"releases": found, "current": current.readlink().name if current.is_symlink() else None}


def make(request: Json) -> Json:
    """Makes ``homes``: ``[{"name", "user", "marker", "files": {path: text}}]``; of each whether it was ``"made"``.

    One that is there with the same marker only gets the files, so a killed run goes on. Token and password are made
    here and stay here.
    """
    directory = checked(request)
    answers = []
    for each in request["homes"]:
        path = home_of(directory, each["name"])
        try:
            user = pwd.getpwnam(each["user"])
        except KeyError:
            raise HomeError(f"the node has no user {each['user']}: its image was built without jenkins") from None
        made = not os.path.lexists(path)
        if made:
            fresh(path, directory, user.pw_uid, user.pw_gid, each)
        found = owner(path)
        if os.geteuid() == 0 and found.st_uid != user.pw_uid:
            raise HomeError(f"{path} is there and belongs to uid {found.st_uid}, not to {each['user']}")
        with acting_as(found.st_uid, found.st_gid):
            there = json.loads(read(path / MARKER))
            wanted = json.loads(each["marker"])
            if (there.get("name"), there.get("slot")) != (wanted["name"], wanted["slot"]):
                raise HomeError(f"{path} has the marker of {there.get('name')} in slot {there.get('slot')}")
            changed = [name for name, text in each["files"].items() if put(path / name, text)]
        answers.append({"name": each["name"], "made": made, "changed": changed})
    return answers


def fresh(path: Path, directory: Path, uid: int, gid: int, wanted: Json) -> None:
    """A home with its marker and secrets appears in one step."""
    part = directory / (NEW + wanted["name"])
    if os.path.lexists(part):
        shutil.rmtree(part)
    part.mkdir(0o700)
    if os.geteuid() == 0:
        os.chown(part, uid, gid)
    with acting_as(uid, gid):
        for name, text in secret_files().items():
            write(part / OWN / name, text)
        write(part / MARKER, wanted["marker"])
    part.rename(path)


def secret_files() -> dict[str, str]:
    """A new token, as ApiTokenProperty takes it ('11' and 32 hex digits), and a new password."""
    return {"token": f"11{secrets.token_hex(16)}\n", "password": f"{secrets.token_urlsafe(18)}\n"}


def put(path: Path, text: str) -> bool:
    """Whether the file had to be written."""
    try:
        if read(path) == text:
            return False
    except FileNotFoundError:
        pass
    write(path, text)
    return True


def set_aside(request: Json) -> Json:
    """Moves the home ``name`` out of the way, into ``.aside``: its new path."""
    directory = checked(request)
    path = home_of(directory, request["name"])
    owner(path)
    aside = directory / ASIDE
    aside.mkdir(mode=0o700, exist_ok=True)
    target = aside / f"{request['name']}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    path.rename(target)
    return str(target)


def put_back(request: Json) -> Json:
    """Undoes ``set_aside``: ``path`` becomes the home ``name`` again."""
    directory = checked(request)
    path = home_of(directory, request["name"])
    if os.path.lexists(path):
        raise HomeError(f"{path} is there")
    (directory / ASIDE / Path(request["path"]).name).rename(path)
    return str(path)


def paths(directory: Path, request: Json) -> list[Path]:
    """Of the homes ``names``, and of those set aside ``aside``."""
    aside = [home_of(directory / ASIDE, name) for name in request.get("aside", ())]
    return [*(home_of(directory, name) for name in request["names"]), *aside]


def purge(request: Json) -> Json:
    """Deletes the homes ``names``, and of those set aside ``aside``; what is not there counts as deleted."""
    directory = checked(request)
    for path in paths(directory, request):
        if not os.path.lexists(path):
            continue
        found = owner(path)
        part = directory / (NEW + path.name)  # out of sight first: half a home is never started
        if os.path.lexists(part):
            shutil.rmtree(part)
        path.rename(part)
        with acting_as(found.st_uid, found.st_gid):
            for entry in part.iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        part.rmdir()
    return None


def sizes(request: Json) -> Json:
    """MiB that each home of ``names`` and ``aside`` takes; None for one that is not there."""
    return {path.name: size_mib(path) for path in paths(checked(request), request)}


def size_mib(path: Path) -> int | None:
    """What a home takes on the disk."""
    try:
        found = owner(path)
    except HomeError:
        return None
    blocks = 0
    with acting_as(found.st_uid, found.st_gid):
        for at, directories, names in os.walk(path):
            for name in (*directories, *names):
                try:
                    blocks += (Path(at) / name).lstat().st_blocks
                except FileNotFoundError:
                    continue
    return -(-blocks // 2048)


def login(request: Json) -> Json:
    """Account and password of the administrator of ``name``."""
    path = home_of(checked(request), request["name"])
    found = owner(path)
    with acting_as(found.st_uid, found.st_gid):
        admin = json.loads(read(path / MARKER))["admin"]
        return {"admin": admin, "password": read(path / OWN / "password").strip()}


ACTIONS = {
    "survey": survey,
    "make": make,
    "set_aside": set_aside,
    "put_back": put_back,
    "purge": purge,
    "sizes": sizes,
    "login": login,
}


def run(request: Json) -> Json:
    """The whole answer to a request."""
    try:
        return {"answer": ACTIONS[request["action"]](request)}
    except HomeError as error:
        return {"error": str(error)}
    except OSError as error:
        return {"error": f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")}


if __name__ == "__main__":
    os.umask(0o077)
    sys.stdout.write(json.dumps(run(json.loads(sys.stdin.buffer.readline()))) + "\n")
