"""Calls to the cloud in parallel: all are tried, and a failure of one is raised when the others are over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from clusterctl.errors import ClusterctlError

# Calls in flight at once. Nova's API answers in well under a second; more only queue up in its workers, and deletes are
# serialised by host anyway.
AT_ONCE = 8

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def for_each(call: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """Calls ``call`` with every item; the answers in the items' order.

    Raises: the first failure, when all were tried; one that is not a ClusterctlError (a bug) before those that are.
    """
    with ThreadPoolExecutor(AT_ONCE) as threads:
        futures = [threads.submit(call, item) for item in items]
    failures = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(failures, key=lambda error: isinstance(error, ClusterctlError)):
        raise error
    return [future.result() for future in futures]
