"""The page of charts and the rows of text."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser

import pytest

from clusterctl.errors import InputError
from clusterctl.load.page import page
from clusterctl.load.result import Turn
from clusterctl.load.table import facts, group_rows, percentile_rows
from clusterctl.load.verdict import Thresholds, summarise
from tests.unit.load.worlds import framework, result


class Reader(HTMLParser):
    """Text outside scripts and styles, and addresses that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.fetched: list[str] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href") and tag != "a"]

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in not in ("script", "style"):
            self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_it_stands_alone_and_says_what_was_seen() -> None:
    pytest.importorskip("plotly")
    text = page(result(), summarise(result(), Thresholds()))
    seen = read(text)
    assert seen.fetched == []
    assert len(re.findall(r'<div id="[^"]+" class="plotly-graph-div"', text)) == 4
    for words in ("cluster demo: FAILED", "p99 time to first offer: never, allowed 5 s"):
        assert words in seen.text
    assert "Marathon's waits for an offer" in seen.text


def test_names_are_no_markup() -> None:
    pytest.importorskip("plotly")
    bad = result(cluster="<b>x</b>", frameworks=(framework("f0"), framework("f1"), framework("</script>", "canary")))
    text = page(bad, summarise(bad, Thresholds()))
    assert "<b>x</b>" not in text
    assert "cluster <b>x</b>:" in read(text).text


def test_a_canary_that_was_never_served_is_on_its_chart() -> None:
    pytest.importorskip("plotly")
    starving = result(canary=(Turn(at_s=5, wait_s=None),))
    assert "never served; waited until the end" in page(starving, summarise(starving, Thresholds()))


def test_without_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.io", None)
    with pytest.raises(InputError, match="needs plotly") as caught:
        page(result(), summarise(result(), Thresholds()))
    assert "clusterctl[load]" in str(caught.value.hint)


def test_rows() -> None:
    summary = summarise(result(), Thresholds())
    header, rows = percentile_rows(summary)
    assert header == ["wait", "p50", "p90", "p99", "longest"]
    assert rows[0] == ["first offer", "1 s", "never", "never", "never"]
    _, groups = group_rows(result())
    assert groups == [
        ["jenkins", "on_demand", "*", "2", "4", "1, 1, 1", "70 s", "0"],
        ["Marathon's canary", "marathon", "*", "1", "0", "1, 1, 1", "0 s", "0"],
    ]
    told = {row[0]: row[1] for row in facts(result(), summary)}
    assert told["ended"] == "its time was up, after 100 s"
    assert told["builds"] == "4, of them 1 not finished, 0 failed"
    assert told["driver"] == "5% of a CPU, 90 MiB at most, 0.06 s late at most"
