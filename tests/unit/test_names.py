"""A class's name means one thing in the whole program."""

from __future__ import annotations

import ast
from pathlib import Path

import clusterctl

SOURCE = Path(clusterctl.__file__).parent
# scripts that run on nodes, each by itself, can't share a module
ALONE = {"remote/marathoncall.py", "remote/mastercall.py", "remote/jenkinshome.py", "remote/jenkinsvolume.py"}


def test_no_two_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        where = str(path.relative_to(SOURCE))
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and where not in ALONE:
                places.setdefault(node.name, []).append(where)
    assert len(places) > 200
    assert {name: at for name, at in places.items() if len(at) > 1} == {}
