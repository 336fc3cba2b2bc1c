"""Runs on a node, as root: puts files with secrets in their places. Standard library only.

Reads one line of JSON from standard input::

    {"files": [{"path": ..., "text": ..., "owner": ..., "group": ..., "mode": 384}], "look": false}

and prints ``{"answer": {path: {"sha256": ..., "changed": bool}}}``, or ``{"error": ...}`` with nothing changed. With
``look`` nothing is written: the answer tells what would be. All
files are written beside their places first and then renamed, so none is ever half there, and one that can't be written
keeps all others as they were. Contents are never printed.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import stat
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def main() -> None:
    """See the module."""
    request = json.loads(sys.stdin.buffer.readline())
    try:
        answer: Json = {"answer": place(request["files"], look=request.get("look", False))}
    except (OSError, KeyError) as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer) + "\n")


def place(files: list[Json], *, look: bool = False) -> Json:
    """Raises OSError (a file can't be written) or KeyError (an owner is unknown); nothing is changed then."""
    made: list[tuple[Path, Path]] = []
    answer: Json = {}
    try:
        for file in files:
            path, data, mode = Path(file["path"]), file["text"].encode(), file["mode"]
            owner, group = pwd.getpwnam(file["owner"]).pw_uid, grp.getgrnam(file["group"]).gr_gid
            changed = not same(path, data, owner, group, mode)
            answer[file["path"]] = {"sha256": hashlib.sha256(data).hexdigest(), "changed": changed}
            if changed and not look:
                try:
                    made.append((written(path, data, owner, group, mode), path))
                except OSError as error:  # of a full disk it names no file
                    raise OSError(error.errno, error.strerror, str(path)) from error
        while made:
            beside, path = made[0]
            beside.rename(path)
            del made[0]
    finally:
        for beside, _ in made:
            beside.unlink()
    return answer


def same(path: Path, data: bytes, owner: int, group: int, mode: int) -> bool:
    """Whether the file is as wanted already."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            found = os.fstat(file.fileno())
            return (file.read(), found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (data, owner, group, mode)
    except OSError:  # not there, or no plain file: it is replaced
        return False


def written(path: Path, data: bytes, owner: int, group: int, mode: int) -> Path:
    """A new file beside ``path``, for root alone until it has its owner and mode."""
    # others open what they may read by its name; which secrets a node has is nobody's business
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.clusterctl")
    beside.unlink(missing_ok=True)  # of a run that was killed
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchown(file.fileno(), owner, group)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except OSError:
        beside.unlink()
        raise
    return beside


if __name__ == "__main__":
    main()
