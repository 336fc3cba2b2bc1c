"""One self-contained HTML page of a result: verdict, percentiles, charts. It needs no network to be read.

The charts are plotly's, which is in the extra ``clusterctl[load]``.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from clusterctl.errors import InputError
from clusterctl.load.percentiles import cumulative
from clusterctl.load.result import LoadResult
from clusterctl.load.table import facts, group_rows, percentile_rows
from clusterctl.load.verdict import Summary, waits

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1d2730 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top }
th { border-bottom: 1px solid #9aa5ae } .ok { color: #17702f } .bad { color: #a8201a; font-weight: 600 }
"""
_HEIGHT = 380


def page(result: LoadResult, summary: Summary) -> str:
    """The page's text.

    Raises:
        InputError: plotly is not installed.
    """
    try:
        from plotly.io import to_html  # noqa: PLC0415  (half a second, and an extra)
    except ImportError as error:
        raise InputError(
            "a page of charts needs plotly, which is not installed",
            hint="`pip install 'clusterctl[load]'`, or leave out --page.",
        ) from error
    charts = [
        ("How long builds waited", _waits(result)),
        ("Offers to each framework", _offers(result)),
        ("Allocation and builds over time", _allocation(result)),
    ]
    if result.canary:
        charts.append(("Marathon's waits for an offer", _canary(result)))
    body = []
    for number, (title, figure) in enumerate(charts):
        # the library goes into the page once, with the first chart
        chart = to_html(figure, full_html=False, include_plotlyjs=number == 0, default_height=f"{_HEIGHT}px")
        body.append(f"<h2>{html.escape(title)}</h2>\n{chart}")
    return _frame(result, summary, body)


def _frame(result: LoadResult, summary: Summary, charts: Sequence[str]) -> str:
    title = html.escape(f"Load test {result.run} of cluster {result.cluster}")
    verdict = "passed" if summary.ok else "FAILED"
    checks = "".join(
        f'<li class="{"ok" if check.ok else "bad"}">{html.escape(check.line)}</li>' for check in summary.checks
    )
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{title}: <span class="{"ok" if summary.ok else "bad"}">{verdict}</span></h1>',
        f"<ul>{checks}</ul>",
        _table((), facts(result, summary)),
        "<h2>Waits</h2>",
        _table(*percentile_rows(summary)),
        "<h2>Groups</h2>",
        _table(*group_rows(result)),
        *charts,
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _figure(x: str, y: str) -> Figure:
    from plotly.graph_objects import Figure  # noqa: PLC0415

    figure = Figure()
    figure.update_layout(
        template="plotly_white", xaxis_title=x, yaxis_title=y, margin={"t": 20, "r": 10}, height=_HEIGHT
    )
    return figure


def _waits(result: LoadResult) -> Figure:
    figure = _figure("seconds", "part of the builds")
    for name, values in waits(result).items():
        if name != "run" and (points := cumulative(values)):
            figure.add_scatter(
                x=[0.0, *(x for x, _ in points)],
                y=[0.0, *(y for _, y in points)],
                mode="lines",
                line={"shape": "hv"},
                name=f"{name} ({len(values)} builds)",
            )
    figure.update_yaxes(range=[0, 1.02])
    return figure


def _offers(result: LoadResult) -> Figure:
    figure = _figure("framework, by number of offers within its group", "offers")
    for group in dict.fromkeys(each.group for each in result.frameworks):
        mine = sorted((each for each in result.frameworks if each.group == group), key=lambda each: each.offers)
        figure.add_bar(
            x=list(range(len(mine))),
            y=[each.offers for each in mine],
            name=group,
            customdata=[[each.name, f"{each.longest_wait_s:.2f}"] for each in mine],
            hovertemplate="%{customdata[0]}: %{y} offers, longest wait %{customdata[1]} s<extra></extra>",
        )
    return figure


def _allocation(result: LoadResult) -> Figure:
    figure = _figure("seconds since the test began", "CPUs")
    at = [sample.at_s for sample in result.samples]
    lines: list[tuple[str, list[float]]] = [
        ("CPUs allocated or offered", [sample.cpus_allocated for sample in result.samples]),
        ("CPUs used by tasks", [sample.cpus_used for sample in result.samples]),
        ("CPUs in all", [sample.cpus_total for sample in result.samples]),
    ]
    for name, values in lines:
        figure.add_scatter(x=at, y=values, mode="lines", name=name)
    others: list[tuple[str, list[float]]] = [
        ("builds waiting", [float(sample.waiting) for sample in result.samples]),
        ("builds running", [float(sample.running) for sample in result.samples]),
    ]
    for name, values in others:
        figure.add_scatter(x=at, y=values, mode="lines", line={"dash": "dot"}, name=name, yaxis="y2")
    figure.update_layout(yaxis2={"title": "builds", "overlaying": "y", "side": "right", "rangemode": "tozero"})
    figure.update_layout(legend={"orientation": "h", "y": 1.15})
    figure.update_yaxes(rangemode="tozero")
    return figure


def _canary(result: LoadResult) -> Figure:
    figure = _figure("seconds since the test began", "seconds until an offer")
    served: list[tuple[float, Any]] = [(turn.at_s, turn.wait_s) for turn in result.canary if turn.wait_s is not None]
    figure.add_scatter(x=[at for at, _ in served], y=[wait for _, wait in served], mode="markers", name="served")
    starving = [(turn.at_s, result.end_s - turn.at_s) for turn in result.canary if turn.wait_s is None]
    if starving:
        figure.add_scatter(
            x=[at for at, _ in starving],
            y=[waited for _, waited in starving],
            mode="markers",
            marker={"symbol": "x", "color": "#a8201a"},
            name="never served; waited until the end",
        )
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(showlegend=True)
    return figure
