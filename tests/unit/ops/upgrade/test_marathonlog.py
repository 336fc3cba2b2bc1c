"""Which lines of Marathon's log count."""

import pytest

from clusterctl.ops.upgrade.marathonlog import serious

AT = "[2026-11-26 12:00:00,001] "
MAPPER = "(mesosphere.marathon.api.MarathonExceptionMapper:qtp123-45)"


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (f"{AT}ERROR Migration failed (mesosphere.marathon.storage.migration.Migration:main)", True),
        (f"{AT}FATAL out of memory", True),
        (f"{AT}ERROR one (of) many (a.b.C:pool-1-thread-2)", True),
        (f"{AT}ERROR Exception while processing request {MAPPER}", False),
        (f"{AT}ERROR a message about {MAPPER} (a.b.C:main)", True),
        (f"{AT}INFO  Received status update for task a: TASK_ERROR () (a.b.C:main)", False),
        (f"{AT}WARN  an ERROR of somebody else (a.b.C:main)", False),
        ("2026-11-26 12:00:00,1:77(0x1):ZOO_ERROR@handle_socket_error_msg@1764: Socket", False),
        ("java.lang.ERROR", False),
    ],
)
def test_lines(line: str, counts: bool) -> None:
    assert serious(["x", line]) == ([line] if counts else [])
