"""Runs on a node, as root: what the members of ensembles keep on its disk. Standard library only.

Reads one line of JSON from standard input, ``{"zookeeper": [DIRECTORY, ...], "mesos_master": [DIRECTORY]}`` (either may
be absent), and prints one object with the same keys::

    {"zookeeper": {"epoch": int, "zxid": int, "written": seconds since 1970, "bytes": int},
     "mesos_master": {"written": ..., "bytes": int}}

``epoch`` is the last one whose leader the member followed, 0 for a member that never took part; ``zxid`` is that of the
newest snapshot or log by its name (ZooKeeper administrator's guide, data file management). ``bytes`` 0: nothing there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def main() -> None:
    """See the module."""
    request = json.loads(sys.stdin.buffer.readline())
    readers = {"zookeeper": zookeeper, "mesos_master": mesos_master}
    answer = {name: readers[name](list(map(Path, directories))) for name, directories in request.items()}
    sys.stdout.write(json.dumps(answer) + "\n")


def zookeeper(directories: list[Path]) -> Json:
    """Of a dataDir, and a dataLogDir if that is another; the data of each are in ``version-2``."""
    data = [directory / "version-2" for directory in directories]
    names = [path.name for each in data for path in files(each)]
    newest = max((int(end, 16) for name in names if (end := name.partition(".")[2]) and is_hex(end)), default=0)
    try:
        epoch = int((data[0] / "currentEpoch").read_text())
    except (OSError, ValueError):
        epoch = newest >> 32  # a zxid's upper half is its epoch
    return {"epoch": epoch, "zxid": newest, **measured(data)}


def mesos_master(directories: list[Path]) -> Json:
    """Of a work_dir, whose registry is in ``replicated_log``."""
    return measured([directory / "replicated_log" for directory in directories])


def measured(directories: list[Path]) -> Json:
    """When something was last written there, and how much it is."""
    found = [path.stat() for directory in directories for path in files(directory)]
    return {
        "written": int(max((each.st_mtime for each in found), default=0)),
        "bytes": sum(each.st_size for each in found),
    }


def files(directory: Path) -> list[Path]:
    """The files of a directory; none where it doesn't exist."""
    try:
        return [path for path in sorted(directory.iterdir()) if path.is_file()]
    except OSError:
        return []


def is_hex(text: str) -> bool:
    """Whether it can be a zxid."""
    return all(each in "0123456789abcdef" for each in text)


if __name__ == "__main__":
    main()
