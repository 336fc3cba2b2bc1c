"""Waiting until the other members of a node's ensembles bear its loss."""

from __future__ import annotations

from collections.abc import Callable

from clusterctl.ops.grow.operation import Operation
from clusterctl.ops.observe.look import Look
from clusterctl.ops.observe.majority import hopeless, loss

# After an accident the others may be at an election, or a leader that lost its session starts anew: seconds, and more
# on a busy host. What is out for longer needs a command of its own
ELECTION_S = 60.0
TICK_S = 2.5


def unborne(
    op: Operation, name: str, *, within_s: float = ELECTION_S, seen: Callable[[Look], None] = lambda _look: None
) -> str | None:
    """Why the others don't bear the loss of node ``name``, looked at anew for ``within_s``; None once they do.

    Where too few of them have a server that runs, they are not waited for.

    Args:
        seen: is given each look; what it raises passes through.
    """
    waiter = op.run.waiter
    end = waiter.clock() + min(within_s, op.left(), waiter.left())
    reason: str | None = None

    def over() -> bool:
        nonlocal reason
        look = op.look(op.run.spec)
        seen(look)
        reason = loss(look, name)
        return reason is None or hopeless(look, name) or waiter.clock() >= end

    what = f"a majority beside {name}"
    waiter.until(over, what=what, timeout_s=within_s, every_s=TICK_S, told=lambda: reason or "")
    return reason
