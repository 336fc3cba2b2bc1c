"""clusterctl's ``secure`` on a lab of test hosts: the same code as the command's, with hosts in place of a cloud.

``secure.py LAB SPEC [PHASE]``: closes the cluster of the file SPEC, whose nodes are the hosts of LAB. It dies at the
beginning of the first phase whose name begins with PHASE, as by ``kill -9``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "openstack"), str(HERE.parent.parent)]

from labhosts import settings  # noqa: E402
from nodes import cluster  # noqa: E402
from roll import Printed, hosts_cloud, within  # noqa: E402

from clusterctl.errors import ClusterctlError  # noqa: E402
from clusterctl.ops.kit.command import Command  # noqa: E402
from clusterctl.ops.kit.lock import Guard  # noqa: E402
from clusterctl.ops.kit.progress import Progress  # noqa: E402
from clusterctl.ops.kit.run import Run  # noqa: E402
from clusterctl.ops.roll.ground import Rolling  # noqa: E402
from clusterctl.ops.secure.secure import secure  # noqa: E402

KILLED = 9


class Dying(Printed):
    """A reporter that ends the process when a phase begins."""

    def __init__(self, phase: str) -> None:
        self.phase = phase

    def started(self, phase: str) -> None:
        super().started(phase)
        if self.phase and phase.startswith(self.phase):
            os._exit(KILLED)


def main(lab_name: str, spec: str, phase: str = "") -> int:
    """See the module. Exit status 0, or 1 with the reason on standard error."""
    lab = settings.lab(lab_name)
    if (status := within(lab, __file__, [lab_name, spec, *([phase] if phase else [])])) is not None:
        return status
    of = cluster(Path(spec))
    cloud = hosts_cloud(lab, of)
    run = Run(of.spec, cloud, Command("secure", spec), Guard("secure"), Progress(Dying(phase)), warn=print)
    try:
        report = secure(Rolling(run, timeout_s=180), lambda told: print("\n".join(told), flush=True), batch="50%")
    except ClusterctlError as error:
        print(f"{error.message}\n{error.hint or ''}", file=sys.stderr)
        return 1
    print(json.dumps(report.to_json(), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
