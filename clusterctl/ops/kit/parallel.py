"""Calls to the cloud in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from clusterctl.errors import ClusterctlError

# Create calls in flight at once. Nova's API answers in well under a second; more only queues up in its workers.
PARALLEL_WRITES = 8

# Deletes in flight at once; each is short, and the cloud serialises them per host anyway.
PARALLEL_DELETES = 8


def delete_each(delete: Callable[[str], None], ids: Iterable[str]) -> None:
    """Calls ``delete`` for all ids; all are tried, then the first failure is raised."""
    with ThreadPoolExecutor(PARALLEL_DELETES) as pool:
        futures = [pool.submit(delete, each) for each in ids]
    failures = [error for future in futures if (error := future.exception()) is not None]
    expected = [error for error in failures if isinstance(error, ClusterctlError)]
    for error in failures:
        if error not in expected:
            raise error
    if expected:
        raise expected[0]
