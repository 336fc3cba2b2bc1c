"""Watching: a look now and then, through times when there is none."""

from __future__ import annotations

from itertools import islice

import pytest

from clusterctl.errors import CloudError
from clusterctl.ops.observe.status import StatusReport, watch
from tests.unit.ops.clouds import Clock

REPORT = StatusReport("demo", (), {})


def test_looks_every_few_seconds_and_goes_on_after_errors() -> None:
    outcomes: list[StatusReport | CloudError] = [REPORT, CloudError("the cloud is down"), REPORT]
    clock = Clock()

    def collect() -> StatusReport:
        outcome = outcomes.pop(0)
        if isinstance(outcome, CloudError):
            raise outcome
        return outcome

    seen = list(islice(watch(collect, every_s=5, waiter=clock.waiter()), 3))
    assert [each.cluster if isinstance(each, StatusReport) else each.message for each in seen] == [
        "demo",
        "the cloud is down",
        "demo",
    ]
    assert clock.now == 10


def test_the_first_look_must_succeed() -> None:
    def collect() -> StatusReport:
        raise CloudError("no such project")

    with pytest.raises(CloudError):
        next(watch(collect, every_s=5, waiter=Clock().waiter()))
