"""What ``--timeout`` bounds: all waits together where the verb says so, else each of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from clusterctl.ops.grow.operation import open_operation
from clusterctl.ops.kit.run import Run


@pytest.mark.parametrize(("together", "left"), [(True, [60.0, 20.0, 0.0]), (False, [60.0, 60.0, 60.0])])
def test_no_wait_is_longer_than_the_time_out(together: bool, left: list[float]) -> None:
    now = [1000.0]
    run = cast("Run", SimpleNamespace(waiter=SimpleNamespace(clock=lambda: now[0])))
    operation = open_operation(run, timeout_s=60.0, together=together)
    seen = []
    for moment in (1000.0, 1040.0, 1100.0):
        now[0] = moment
        seen.append(operation.left())
    assert seen == left
