"""Kills and faults at every call to the lab's APIs: `make faults`.

usage: python -m tests.faults kills [--every N] [--offset K] [--anew]
       python -m tests.faults calls [--anew]
       python -m tests.faults nodes
       python -m tests.faults states

``kills`` and ``calls`` write each outcome to ``build/faults`` as it comes, and go on from there when they were stopped.
Each puts its table into ``docs/reliability.md`` when it is complete. Exit code 1 if something didn't converge.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import asdict

from tests.faults import calls, kills, nodes, states
from tests.faults.document import put
from tests.faults.kills import Killer, points, stages
from tests.faults.lab import ROOT, Place, place

DIRECTORY = ROOT / "build" / "faults"


def _killer(at: Place) -> Killer:
    return Killer(at.proxy, at.cloud, at.cluster, at.clouds, at.log)


def run_kills(arguments: argparse.Namespace) -> int:
    """Kills at every call."""
    results, numbers = DIRECTORY / "kills.jsonl", DIRECTORY / "calls.json"
    if arguments.anew:
        results.unlink(missing_ok=True)
        numbers.unlink(missing_ok=True)
    with place(DIRECTORY, "faultskills") as at:
        killer, chain = _killer(at), stages(at.file)
        seen = {stage.name: killer.undisturbed(stage) for stage in chain}
        # a run that goes on keeps the numbers of the run that it belongs to
        counts = (
            json.loads(numbers.read_text()) if numbers.exists() else {name: run.calls for name, run in seen.items()}
        )
        numbers.write_text(json.dumps(counts))
        print(f"calls: {counts}", flush=True)
        done = {(each.stage, each.call, each.when) for each in kills.read(results)}
        todo = {
            name: kills.writing_first(
                (
                    point
                    for point in points(count)[arguments.offset :: arguments.every]
                    if (name, point.call, point.when) not in done
                ),
                seen[name].log,
            )
            for name, count in counts.items()
        }
        for outcome in kills.sweep(killer, todo, chain, seen):
            kills.write(results, outcome)
            print(json.dumps(asdict(outcome)), flush=True)
    outcomes = kills.read(results)
    text = kills.table(outcomes, counts)
    early = sum(not each.struck for each in outcomes)
    text += (
        f"\n\n{early} points were not reached: that client had ended before, after fewer looks at what it waited for."
    )
    print(text)
    if arguments.every == 1:
        put("kills", text)
    return 0 if all(each.converged for each in outcomes) else 1


def run_calls(arguments: argparse.Namespace) -> int:
    """Each fault at each kind of call."""
    results = DIRECTORY / "outcomes.jsonl"
    if arguments.anew:
        results.unlink(missing_ok=True)
    with place(DIRECTORY, "faultscalls", api_timeout_s=calls.API_TIMEOUT_S) as at:
        killer = _killer(at)
        create, destroy = (stage for stage in stages(at.file) if stage.name in ("create", "destroy"))
        seen = {stage.name: killer.undisturbed(stage) for stage in (create, destroy)}
        done = {(run.command, run.fault) for run in calls.read(results)}
        for fault in calls.FAULTS:
            for stage in (create, destroy):
                wanted = seen[stage.name]
                if (stage.name, fault) in done:
                    assert killer.run(stage) == 0, f"{stage.name} failed though nothing disturbed it; see {at.log}"
                    continue
                run = calls.strike(killer, stage, fault, calls.patterns(wanted.log), wanted)
                calls.write(results, run)
                print(json.dumps(asdict(run)), flush=True)
                if not run.converged:
                    assert killer.run(stage) == 0, f"{stage.name} doesn't recover; see {at.log}"
    runs = calls.read(results)
    text = calls.table(runs)
    print(text)
    put("calls", text)
    return 0 if all(run.converged for run in runs) else 1


def run_nodes(_arguments: argparse.Namespace) -> int:
    """Builds and boots that fail."""
    with place(DIRECTORY, "faultsnodes", volume=False) as at:
        rows = list(nodes.situations(at, _killer(at)))
    text = nodes.table(rows)
    print(text)
    put("nodes", text)
    return 0


def run_states(_arguments: argparse.Namespace) -> int:
    """States of a project and of what is in it."""
    with place(DIRECTORY, "faultsstates") as at:
        rows = list(states.situations(at))
    text = states.table(rows)
    print(text)
    wrong = [row for row in rows if row.exit_code != row.expected or (row.expected and not row.said)]
    for row in wrong:
        print(f"unexpected: {row}", file=sys.stderr)
    if not wrong:
        put("states", text)
    return 1 if wrong else 0


def main() -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("kills", help="kill at every call")
    verb.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th point")
    verb.add_argument("--offset", type=int, default=0, metavar="K", help="from the K-th on (0-based)")
    verb.add_argument("--anew", action="store_true", help="forget what an earlier run has tried")
    verb.set_defaults(run=run_kills)
    verb = verbs.add_parser("calls", help="each fault at each kind of call")
    verb.add_argument("--anew", action="store_true", help="forget what an earlier run has tried")
    verb.set_defaults(run=run_calls)
    verbs.add_parser("nodes", help="builds and boots that fail").set_defaults(run=run_nodes)
    verbs.add_parser("states", help="quotas, servers and volumes in states of their own").set_defaults(run=run_states)
    arguments = parser.parse_args()
    # stopped in either way, it takes away what it made
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
