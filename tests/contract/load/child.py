"""A load test in a process of its own, to be interrupted or killed: ``child.py RESULT ADDRESS...``."""

import sys
from pathlib import Path

from clusterctl.load.plan import Canary, FrameworkGroup, LoadPlan
from clusterctl.load.result import to_json
from clusterctl.ops.loadtest.driver import run_frameworks
from clusterctl.ops.loadtest.masters import Endpoint, MasterMap

# 2.x and Marathon outlive their connection; builds and the canary's base run longer than any test waits
PLAN = LoadPlan(
    groups=(
        FrameworkGroup(name="stays", kind="suppress", count=5, builds=1, over_s=1, run_s=600),
        FrameworkGroup(name="goes", kind="on_demand", count=5, builds=1, over_s=1, run_s=600),
    ),
    canary=Canary(turns=1, run_s=600),
    limit_s=600,
    user="root",
)

if __name__ == "__main__":
    endpoints = [Endpoint(address) for address in sys.argv[2:]]
    result = run_frameworks(PLAN, MasterMap(endpoints), "child")
    Path(sys.argv[1]).write_text(to_json(result))
