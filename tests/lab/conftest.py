"""The lab's driver is no part of the package: its directory must be named."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab" / "openstack"))
