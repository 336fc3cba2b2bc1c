"""Makes each kind of call fail once in each way, and tells what clusterctl did about it."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from clusterctl.cloud.transport import call_path
from lab.faultproxy.faults import Fault
from lab.faultproxy.proxy import Entry
from tests.faults.content import Content
from tests.faults.kills import Killer, Stage, Undisturbed

# Longer than an answer of the busy lab takes; a time-out costs so long for each kind of call
API_TIMEOUT_S = 20.0

FAULTS: Mapping[str, Fault] = {
    "429 Retry-After": Fault("status", status=429, headers={"Retry-After": "2"}),
    "500": Fault("status", status=500),
    "503": Fault("status", status=503),
    "reset before": Fault("reset"),
    "reset after": Fault("reset", when="after"),
    "time-out before": Fault("hang"),
    "time-out after": Fault("hang", when="after"),
}

AGAIN, FOUND, NOT_REPEATED = "again", "found", "not repeated"


@dataclass(frozen=True)
class Run:
    """One command in which the first call of each kind failed in one way.

    Attributes:
        cells: kind of call -> what was done about its failure.
        differences: from what an undisturbed run leaves.
    """

    command: str
    fault: str
    exit_code: int | None
    cells: Mapping[str, str]
    differences: Sequence[str]
    seconds: float

    @property
    def converged(self) -> bool:
        """Whether the command did its work as if nothing had failed."""
        return self.exit_code == 0 and not self.differences


def kind_of(request: str) -> str:
    """``POST /compute/v2.1/servers`` -> ``compute: POST /servers``; the key of a row."""
    method, _, path = request.partition(" ")
    service = path.split("/")[1]
    if service == "identity":
        return f"{service}: {method} {path.removeprefix('/identity')}"
    return f"{service}: {method} {call_path(path)}"


def patterns(log: Iterable[Entry]) -> dict[str, str]:
    """Kind of call -> shell pattern of its requests, in the order of a run."""
    ids = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<=/)[0-9a-f]{32}(?=/|$)")
    return {kind_of(entry.request): ids.sub("*", entry.request) for entry in log}


def strike(killer: Killer, stage: Stage, fault: str, kinds: Mapping[str, str], wanted: Undisturbed) -> Run:
    """Runs the stage with that fault at the first call of each of these kinds.

    Args:
        wanted: what an undisturbed run leaves.
    """
    began = time.monotonic()
    code = killer.run(stage, *(replace(FAULTS[fault], match=pattern) for pattern in kinds.values()))
    log = killer.proxy.log
    left = killer.settled(wanted.content)
    return Run(
        command=stage.name,
        fault=fault,
        exit_code=code,
        cells=cells(log, kinds, Counter(kind_of(entry.request) for entry in wanted.log)),
        differences=[*left.missing, *left.orphans, *left.duplicates],
        seconds=round(time.monotonic() - began, 1),
    )


def cells(log: Sequence[Entry], kinds: Iterable[str], undisturbed: Content) -> dict[str, str]:
    """What the log tells of each kind: sent again, or looked for and found to be done already."""
    found = {}
    for kind in kinds:
        mine = [entry for entry in log if kind_of(entry.request) == kind]
        struck = next((number for number, entry in enumerate(mine) if entry.fault), None)
        if struck is None:
            continue
        answered = any(entry.status is not None and entry.fault is None for entry in mine[struck + 1 :])
        if ": POST " in kind and not kind.endswith("/auth/tokens"):
            # others of the kind follow in any case: what counts is whether there is one more
            repeated = len(mine) > undisturbed[kind]
            done = (mine[struck].fault or "").endswith("after")
            found[kind] = AGAIN if repeated else FOUND if done else NOT_REPEATED
        else:
            found[kind] = AGAIN if answered else NOT_REPEATED
    return found


def table(runs: Sequence[Run]) -> str:
    """Kinds of call by faults, in Markdown; at the bottom whether the commands did their work."""
    faults = [fault for fault in FAULTS if any(run.fault == fault for run in runs)]
    rows = [f"| call | {' | '.join(faults)} |", f"|---|{'---|' * len(faults)}"]
    shown: set[str] = set()
    for command in dict.fromkeys(run.command for run in runs):
        of = {run.fault: run for run in runs if run.command == command}
        kinds = dict.fromkeys(kind for run in of.values() for kind in run.cells)
        # what another command does as well stands there already
        for kind in [kind for kind in kinds if kind not in shown]:
            shown.add(kind)
            rows.append(f"| `{kind}` | {' | '.join(of[f].cells.get(kind, '') if f in of else '' for f in faults)} |")
        ends = [_end(of[fault]) if fault in of else "" for fault in faults]
        rows.append(f"| **{command}**: calls struck, end | {' | '.join(ends)} |")
    return "\n".join(rows)


def _end(run: Run) -> str:
    return f"{len(run.cells)}, {'as undisturbed' if run.converged else f'exit code {run.exit_code}'}"


def write(path: Path, run: Run) -> None:
    """Appends one run to a file of JSON lines."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(run)) + "\n")


def read(path: Path) -> list[Run]:
    """The runs in such a file; none if there is no file."""
    return [Run(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
