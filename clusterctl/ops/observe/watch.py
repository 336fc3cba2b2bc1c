"""``status --watch``: a look every few seconds, each one server list and one probe of the control nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.observe.status import StatusReport


def watch(
    collect: Callable[[], StatusReport], *, every_s: float, waiter: Waiter | None = None
) -> Iterator[StatusReport | ClusterctlError]:
    """Looks for ever, ``every_s`` after the end of the look before.

    Yields:
        The report; or why there is none: whoever watches a cluster in trouble wants to see it come back.

    Raises:
        ClusterctlError: of the first look, which is most likely a mistake that waiting doesn't mend.
    """
    waiter = waiter or Waiter()
    yield collect()
    while True:
        waiter.sleep(every_s)
        try:
            yield collect()
        except ClusterctlError as error:
            yield error
