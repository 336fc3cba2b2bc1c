"""What the script that runs on nodes tells of their way to a closed cluster."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from clusterctl.remote.standardinput import sent


def ask(directory: Path) -> Any:
    request = {
        "files": [str(directory / "zoo.cfg"), str(directory / "none")],
        "secrets": str(directory / "secrets"),
        "pending": str(directory / "config-digest"),
    }
    script = sent("closing.py", request)
    done = subprocess.run(script.command, input=script.stdin, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_an_open_node(tmp_path: Path) -> None:
    assert ask(tmp_path) == {
        "texts": {str(tmp_path / "zoo.cfg"): None, str(tmp_path / "none"): None},
        "secrets": False,
        "pending": [],
    }


def test_one_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "zoo.cfg").write_text("quorum.auth.enableSasl=true\n")
    (tmp_path / "secrets" / "jenkins").mkdir(parents=True)
    assert not ask(tmp_path)["secrets"]
    (tmp_path / "secrets" / "jenkins" / "jm-001").write_text("x")
    program = tmp_path / "config-digest"
    program.write_text("#!/bin/sh\n[ $1 = pending ] && printf 'zookeeper.service\\nmarathon.service\\n'\n")
    program.chmod(0o755)
    found = ask(tmp_path)
    assert found["texts"][str(tmp_path / "zoo.cfg")] == "quorum.auth.enableSasl=true\n"
    assert (found["secrets"], found["pending"]) == (True, ["zookeeper.service", "marathon.service"])
