"""A limit of this machine's kernel that many booted systems on it run into."""

from pathlib import Path

from .settings import LabError

INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INSTANCES = 2048
"""Each booted system holds about ten inotify instances, all of them root's. Of these a user may have 128 by default
(inotify(7)); the systemd that gets none says "Too many open files" and ends."""


def raise_inotify(path: Path = INOTIFY) -> None:
    """Lets root have enough inotify instances for many containers; never lowers the limit.

    Raises LabError if it is too low and can't be changed.
    """
    if int(path.read_text()) >= INSTANCES:
        return
    try:
        path.write_text(f"{INSTANCES}\n")
    except OSError as error:
        raise LabError(f"{path} is below {INSTANCES} and can't be raised: {error}") from error
