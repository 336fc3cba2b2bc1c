"""Lab, artifacts and build/env.sh: what tests and benchmarks start from. Quick when all is there."""

from __future__ import annotations

import labkit


def main() -> None:
    """See the module."""
    environment = labkit.lab_up()
    artifacts = labkit.build_artifacts()
    for zone in labkit.ZONES:
        labkit.artifacts_file(zone, artifacts)
    labkit.write_env(environment)


if __name__ == "__main__":
    main()
