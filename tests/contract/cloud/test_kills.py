"""A client killed at a call to the real APIs, and the same command again: a sample of what `make faults` tries."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.faults.kills import Killer, Point, points, stages, sweep
from tests.faults.lab import place

pytestmark = [pytest.mark.contract, pytest.mark.operate]

EACH = 2  # points of each command; other ones every day


def of_today(all_points: list[Point]) -> list[Point]:
    """So that all points have had their turn after some weeks."""
    first = EACH * datetime.now(UTC).date().toordinal()
    return [all_points[(first + number) % len(all_points)] for number in range(EACH)]


def test_the_same_command_again_leaves_what_an_undisturbed_one_does(tmp_path: Path) -> None:
    with place(tmp_path, "contractkills", volume=False) as at:
        killer, chain = Killer(at.proxy, at.cloud, at.cluster, at.clouds, at.log), stages(at.file)
        seen = {stage.name: killer.undisturbed(stage) for stage in chain}
        todo = {name: of_today(points(run.calls)) for name, run in seen.items()}
        outcomes = list(sweep(killer, todo, chain, seen))
    assert not [outcome for outcome in outcomes if not outcome.converged]
    # a client may need a look less than the undisturbed one did, and so end before its last calls
    assert sum(outcome.struck for outcome in outcomes) >= len(outcomes) / 2
