"""Running playbooks: what the callback wrote, and errors that tell where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clusterctl.ansible import playbook
from clusterctl.ansible.playbook import PlaybookError, read_events, run_playbook

EVENTS = "\n".join(
    json.dumps(event)
    for event in (
        {"event": "play", "name": "Every node"},
        {"event": "task", "name": "Write the files"},
        {"event": "result", "host": "a", "task": "Write the files", "state": "changed", "message": ""},
        {"event": "result", "host": "b", "task": "Write the files", "state": "ok", "message": ""},
        {"event": "result", "host": "b", "task": "Tell", "state": "ok", "message": "restart pending: zookeeper"},
        {"event": "result", "host": "c", "task": "Gathering", "state": "unreachable", "message": "no route"},
        {
            "event": "recap",
            "hosts": {
                "a": {"ok": 1, "changed": 1, "failed": 0, "unreachable": 0},
                "b": {"ok": 2, "changed": 0, "failed": 0, "unreachable": 0},
                "c": {"ok": 0, "changed": 0, "failed": 0, "unreachable": 1},
            },
        },
    )
)


def test_events_become_a_result() -> None:
    result = read_events(EVENTS, "output")
    assert result.changed == 1
    assert result.changes == (("a", "Write the files"),)
    assert result.failures == (("c", "Gathering", "no route"),)
    assert result.notes == (("b", "Tell", "restart pending: zookeeper"),)


def test_a_run_without_events_has_no_hosts() -> None:
    assert read_events("", "").hosts == {}


def fake_program(directory: Path, body: str) -> str:
    path = directory / "fake-ansible-playbook"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_failed_run_raises_with_the_last_lines_and_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events").write_text(EVENTS + "\n")
    program = fake_program(tmp_path, f'cat {tmp_path}/events > "$CLUSTERCTL_EVENTS"; echo "fatal: [c]"; exit 4')
    monkeypatch.setattr(playbook, "ansible_program", lambda _name: program)
    with pytest.raises(
        PlaybookError, match=r"site.yml failed \(ansible-playbook ended with 4\):\nfatal: \[c\]"
    ) as caught:
        run_playbook(Path("site.yml"), inventory={"all": {}}, config=tmp_path / "ansible.cfg", hint="Again.")
    assert caught.value.hint == "Again."
    assert caught.value.result.failures == (("c", "Gathering", "no route"),)


def test_inventory_and_variables_reach_the_program_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake_program(tmp_path, '"$2" --list; echo; cat "${4#@}"; echo; echo "$5 $6 $ANSIBLE_CONFIG"')
    monkeypatch.setattr(playbook, "ansible_program", lambda _name: program)
    lines: list[str] = []
    run_playbook(
        Path("site.yml"),
        inventory={"all": {"hosts": ["a"]}},
        config=Path("/etc/our.cfg"),
        extra_vars={"x": 1},
        arguments=["--check"],
        on_line=lines.append,
    )
    assert lines == ['{"all": {"hosts": ["a"]}}', '{"x": 1}', "--check site.yml /etc/our.cfg"]
