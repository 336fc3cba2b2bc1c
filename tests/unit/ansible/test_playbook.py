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
    result = read_events(EVENTS.splitlines(), "output")
    assert result.changed == 1
    assert result.changes == (("a", "Write the files"),)
    assert result.failures == (("c", "Gathering", "no route"),)
    assert result.notes == (("b", "Tell", "restart pending: zookeeper"),)


def test_a_run_without_events_has_no_hosts() -> None:
    assert read_events([], "").hosts == {}


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
    result = run_playbook(
        Path("site.yml"),
        inventory={"all": {"hosts": ["a"]}},
        config=Path("/etc/our.cfg"),
        extra_vars={"x": 1},
        arguments=["--check"],
    )
    assert result.output.splitlines() == ['{"all": {"hosts": ["a"]}}', '{"x": 1}', "--check site.yml /etc/our.cfg"]


def test_tasks_are_told_as_they_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program waits until the first one was heard: nothing is kept back until its end."""
    lines = [json.dumps({"event": event, "name": name}) for event, name in (("play", "all"), ("task", "one"))]
    say = "; ".join(f"echo '{line}'" for line in lines)
    heard = tmp_path / "heard"
    second = json.dumps({"event": "task", "name": "two"})
    program = fake_program(
        tmp_path, f"{{ {say}; until test -e {heard}; do sleep 0.01; done; echo '{second}'; }} > \"$CLUSTERCTL_EVENTS\""
    )
    monkeypatch.setattr(playbook, "ansible_program", lambda _name: program)
    told: list[str] = []

    def on_task(name: str) -> None:
        told.append(name)
        heard.touch()

    run_playbook(Path("site.yml"), inventory={"all": {}}, config=tmp_path / "ansible.cfg", on_task=on_task)
    assert told == ["one", "two"]


def test_a_program_that_does_not_start_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbook, "ansible_program", lambda _name: str(tmp_path / "none"))
    with pytest.raises(PlaybookError, match="No such file"):
        run_playbook(Path("site.yml"), inventory={"all": {}}, config=tmp_path / "ansible.cfg")


def test_what_on_task_raises_is_raised_when_the_run_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"event": "task", "name": "x" * 1000})] * 200  # more than a pipe holds
    (tmp_path / "lines").write_text("\n".join(lines) + "\n")
    program = fake_program(tmp_path, f'cat {tmp_path}/lines > "$CLUSTERCTL_EVENTS"')
    monkeypatch.setattr(playbook, "ansible_program", lambda _name: program)

    def broken(_name: str) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_playbook(Path("site.yml"), inventory={"all": {}}, config=tmp_path / "ansible.cfg", on_task=broken)


def test_the_real_program_tells_its_tasks(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text(
        "- {hosts: localhost, connection: local, gather_facts: false, tasks: [{name: speak, debug: {msg: hello}}]}\n"
    )
    (tmp_path / "ansible.cfg").touch()
    told: list[str] = []
    inventory = {"all": {"hosts": ["localhost"]}}
    result = run_playbook(tmp_path / "p.yml", inventory=inventory, config=tmp_path / "ansible.cfg", on_task=told.append)
    assert told == ["speak"]
    assert result.notes == (("localhost", "speak", "hello"),)


def test_of_a_loop_the_failed_item_is_told(tmp_path: Path) -> None:
    """Ansible itself says "One or more items failed"."""
    (tmp_path / "p.yml").write_text(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n    - name: Loop\n"
        "      fail: {msg: 'no room for {{ item }}'}\n      loop: [a, b]\n      when: item == 'b'\n"
    )
    (tmp_path / "ansible.cfg").touch()
    inventory = {"all": {"hosts": ["localhost"]}}
    with pytest.raises(PlaybookError) as caught:
        run_playbook(tmp_path / "p.yml", inventory=inventory, config=tmp_path / "ansible.cfg")
    assert caught.value.result.failures == (("localhost", "Loop", "no room for b"),)
