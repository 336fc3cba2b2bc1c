"""Fetch the egg mesos.scheduler 1.11.0 from the default package index and check its digest.

usage: get_egg.py OUTDIR        (prints the path of the egg; exit 1 with a message if it can't be had)

pip does not install eggs; setuptools' own index client still downloads them by name. Debian's
python3-setuptools has it; setuptools 80 and later do not.
"""

import hashlib
import sys
import warnings
from pathlib import Path

WANTED = "mesos.scheduler==1.11.0"
SHA256 = "4940ebb70894ee004cf8a12b7b66b52a351be1070ec2a4e6f7dae4ec04f8cb61"


def main(outdir: Path) -> int:
    """Return 0 with the egg in outdir, 1 after saying why it isn't."""
    with warnings.catch_warnings():  # both modules warn of their own age
        warnings.simplefilter("ignore")
        from pkg_resources import Requirement  # type: ignore[import-untyped]  # noqa: PLC0415
        from setuptools.package_index import PackageIndex  # type: ignore[import-untyped]  # noqa: PLC0415

    index = PackageIndex(platform="linux-x86_64", python="2.7")
    found = index.fetch_distribution(Requirement.parse(WANTED), str(outdir), force_scan=True)
    if found is None:
        print(f"the package index has no egg of {WANTED} for linux-x86_64", file=sys.stderr)
        return 1
    egg = Path(found.location)
    digest = hashlib.sha256(egg.read_bytes()).hexdigest()
    if digest != SHA256:
        print(f"{egg.name} has sha256 {digest}, wanted {SHA256}", file=sys.stderr)
        return 1
    print(egg)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
