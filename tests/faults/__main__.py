"""The whole sweep of kills: `make faults`.

usage: python -m tests.faults kills [--every N] [--offset K] [--anew]

Writes each outcome to ``build/faults/kills.jsonl`` as it comes, and goes on from there when it was stopped; puts the
table into ``docs/reliability.md`` when all points are tried. Exit code 1 if a point didn't converge.
"""

from __future__ import annotations

import argparse
import json
import sys

from clusterctl.cloud.openstack import open_cloud
from tests.contract.cloud.lab import wipe
from tests.faults.document import put
from tests.faults.kills import Killer, points, read, stages, sweep, table, write
from tests.faults.lab import CLOUD, ROOT, place

CLUSTER = "faults"
DIRECTORY = ROOT / "build" / "faults"


def kills(arguments: argparse.Namespace) -> int:
    """See the module."""
    results, counts = DIRECTORY / "kills.jsonl", DIRECTORY / "calls.json"
    if arguments.anew:
        results.unlink(missing_ok=True)
        counts.unlink(missing_ok=True)
    wipe(open_cloud(CLOUD), CLUSTER)
    with place(DIRECTORY, CLUSTER) as at:
        killer = Killer(at.proxy, at.cloud, at.cluster, at.clouds, at.log)
        chain = stages(at.file)
        seen = {stage.name: killer.undisturbed(stage) for stage in chain}
        # a run that goes on keeps the numbers of the run that it belongs to
        calls = json.loads(counts.read_text()) if counts.exists() else {name: run.calls for name, run in seen.items()}
        counts.write_text(json.dumps(calls))
        print(f"calls: {calls}", flush=True)
        done = {(each.stage, each.call, each.when) for each in read(results)}
        todo = {
            name: [
                point
                for point in points(count)[arguments.offset :: arguments.every]
                if (name, point.call, point.when) not in done
            ]
            for name, count in calls.items()
        }
        for outcome in sweep(killer, todo, chain, seen):
            write(results, outcome)
            print(_line(outcome), flush=True)
    outcomes = read(results)
    text = table(outcomes, calls)
    print(text)
    early = sum(not each.struck for each in outcomes)
    print(f"\n{early} points weren't reached: the client had ended before that call")
    if arguments.every == 1:
        put("kills", text)
    return 0 if all(each.converged for each in outcomes) else 1


def _line(outcome: object) -> str:
    return json.dumps(vars(outcome))


def main() -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("kills", help="kill at every call")
    verb.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th point")
    verb.add_argument("--offset", type=int, default=0, metavar="K", help="from the K-th on (0-based)")
    verb.add_argument("--anew", action="store_true", help="forget what an earlier run has tried")
    return kills(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
