"""The variables of Molecule's scenarios are those that clusterctl gives its clusters."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.hosts.nodes import cluster, write_vars

SHARED = Path(__file__).resolve().parent.parent.parent / "molecule" / "shared"


def texts(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.glob("*_vars/*.json")}


@pytest.mark.parametrize("name", ["one", "three"])
def test_they_are_up_to_date(name: str, tmp_path: Path) -> None:
    write_vars(cluster(SHARED / f"{name}.yml"), tmp_path)
    assert texts(tmp_path) == texts(SHARED / name), f"run lab/hosts/nodes.py vars on molecule/shared/{name}.yml"
