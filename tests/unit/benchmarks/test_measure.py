"""What benchmarks make of their figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import away, in_sequence, spread, told, tuned_ansible


@pytest.mark.parametrize(
    ("spans", "rounds"),
    [
        ([], 0),
        ([(0, 1), (1, 2), (2, 3)], 3),
        ([(0, 1), (0.1, 1.1), (0.2, 1.2)], 1),  # side by side
        ([(0, 1), (0, 1.1), (1.2, 2), (1.15, 2.1), (2.1, 3)], 3),
        ([(0, 5), (1, 2), (2, 3)], 2),  # two calls beside a long one
        ([(2, 3), (0, 1)], 2),  # in whatever order they are told
    ],
)
def test_calls_in_sequence(spans: list[tuple[float, float]], rounds: int) -> None:
    assert in_sequence(spans) == rounds


def gauge(left: float | None, back: float | None, longest_gap_s: float = 0.05) -> dict[str, Any]:
    return {"left": left, "back": back, "longest_gap_s": longest_gap_s}


@pytest.mark.parametrize(
    ("gauges", "seconds"),
    [
        ([gauge(None, None)], 0.05),
        ([gauge(None, None, 0.8)], 0.8),  # late, but good
        ([gauge(10.0, 12.0)], 2.0),
        ([gauge(10.0, 12.0), gauge(11.0, 14.0)], 4.0),
        ([gauge(10.0, 12.0), gauge(None, None)], 2.0),
        ([gauge(10.0, 12.0), gauge(11.0, None)], None),  # not back yet
    ],
)
def test_away_until_all_are_good_again(gauges: list[dict[str, Any]], seconds: float | None) -> None:
    assert away(*gauges) == seconds


def test_cells_of_a_row_of_figures() -> None:
    assert told([float(each) for each in range(1, 21)]) == ["10.5 s", "19.0 s", "20.0 s"]
    assert told([0.126], 2) == ["0.13 s", "0.13 s", "0.13 s"]
    assert told([]) == ["", "", ""]
    assert spread([3.0, 1.0, 2.0]) == "2.0 s (1.0 to 3.0)"
    assert spread([3.0]) == "3.0 s"


def test_a_tuned_ansible(tmp_path: Path) -> None:
    text = tuned_ansible(tmp_path).read_text()
    assert f"control_path_dir = {tmp_path}/cp" in text
    assert {"forks = 50", "pipelining = true", "gathering = explicit"} <= set(text.splitlines())
