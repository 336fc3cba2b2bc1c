"""The attack suite's own parts: how the tool tells the end of an attack, how it travels, how ends are judged."""

from __future__ import annotations

import errno
import socket
import subprocess
from pathlib import Path

import pytest

from tests.attacks import table
from tests.attacks.judge import unexpected
from tests.attacks.positions import End, ends, plan, program
from tests.attacks.table import BUILD, CONTROL, DEVELOPER, LATE, ROOTED, THROUGH, Attack, Place, Scene
from tests.attacks.tool.main import IN_TURN, NETWORK, attempt
from tests.attacks.tool.outcome import of_connection
from tests.attacks.tool.wire import login_of, message

NODE = Place("node", "192.0.2.1", "agent")
SCENE = Scene(
    control=("192.0.2.2",),
    mesos="192.0.2.2",
    zookeeper="192.0.2.2",
    marathon="192.0.2.2",
    own=NODE,
    other=NODE,
    masters=NODE,
    victim=1,
    victim_place="/nowhere",
    agent_pid=1,
    other_jvm=1,
    other_port=31002,
    link="eth0",
    setuid="/bin/true",
)


@pytest.mark.parametrize("attacks", [BUILD, DEVELOPER, ROOTED, CONTROL, LATE])
def test_the_tool_knows_each_attack_and_takes_its_arguments(attacks: list[Attack]) -> None:
    names = [attack.name for attack in attacks]
    assert len(set(names)) == len(names)
    for attack in attacks:
        do = {**NETWORK, **IN_TURN}[attack.do]
        wanted = do.__code__.co_varnames[: do.__code__.co_argcount]
        given = attack.args(SCENE)
        assert set(given) <= set(wanted), attack.name
        assert set(wanted[: len(wanted) - len(do.__defaults__ or ())]) <= set(given), attack.name


def test_what_stays_open_is_named_in_the_documentation() -> None:
    """An attack that gets through a closed cluster is a hole, or one that the documentation names."""
    through = {attack.do for attack in (*BUILD, *DEVELOPER, *ROOTED, *CONTROL, *LATE) if attack.closed == THROUGH}
    assert through == {"log_write"}
    text = (Path(table.__file__).parents[2] / "docs/security.md").read_text()
    assert "replicated log accepts writes" in text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), "rejected"),
        (OSError(errno.EACCES, "Permission denied"), "rejected"),
        (TimeoutError("timed out"), "timeout"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "refused"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "closed"),
        (EOFError("closed after 0 bytes"), "closed"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "ENETUNREACH"),
    ],
)
def test_who_denied_a_connection_is_told_by_its_error(error: Exception, reason: str) -> None:
    assert of_connection(error).reason == reason


def test_nobody_listening_is_no_denial_that_the_table_names() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        end = attempt({"name": "x", "do": "enter", "args": {"at": "127.0.0.1", "port": unused.getsockname()[1]}})
    assert (end["outcome"], end["reason"]) == ("denied", "refused")
    every = (*BUILD, *DEVELOPER, *ROOTED, *CONTROL, *LATE)
    assert not [attack for attack in every if "refused" in (attack.closed, attack.opened)]


def test_an_attack_that_breaks_is_neither_denied_nor_through() -> None:
    assert attempt({"name": "x", "do": "end_process", "args": {"pid": "x"}})["outcome"] == "broken"


def test_the_tool_travels_in_a_shell_script(tmp_path: Path) -> None:
    attacks = [
        Attack("there", "read_file", lambda _: {"path": str(tmp_path)}, "EACCES"),
        Attack("not there", "read_file", lambda _: {"path": f"{tmp_path}/none"}, "EACCES"),
        Attack("of closed ones only", "read_file", lambda _: {"path": "/"}, "EACCES", opened=""),
    ]
    script = program(plan(attacks, SCENE, closed=False))
    # it goes through XML, JSON and single quotes
    assert not set("'&<") & set(script)
    done = subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = ends(f"+ noise\n{done.stdout}\nFinished: SUCCESS\n")
    assert {name: end.word for name, end in found.items()} == {"there": THROUGH, "not there": "ENOENT"}


def test_ends_are_judged_by_reason_and_evidence() -> None:
    attacks = [
        Attack("a", "enter", lambda _: {}, "401"),
        Attack("b", "enter", lambda _: {}, "400", "does not match"),
        Attack("c", "enter", lambda _: {}, "EPERM", opened="EPERM"),
        Attack("d", "enter", lambda _: {}, "401", opened=""),
    ]

    def judged(*found: End, closed: bool) -> set[str]:
        return set(unexpected(attacks, {end.name: end for end in found}, closed=closed))

    denied = [
        End("a", "denied", "401", ""),
        End("b", "denied", "400", "x does not match y"),
        End("c", "denied", "EPERM", ""),
        End("d", "denied", "401", ""),
    ]
    assert judged(*denied, closed=True) == set()
    assert judged(End("a", "denied", "timeout", ""), *denied[1:], closed=True) == {"a"}
    assert judged(End("a", "through", "", ""), End("b", "denied", "400", "bad"), *denied[2:], closed=True) == {"a", "b"}
    assert judged(End("a", "broken", "401", ""), *denied[1:3], closed=True) == {"a", "d"}
    through = [End(name, "through", "", "") for name in "ab"]
    assert judged(*through, denied[2], closed=False) == set()
    assert judged(*through, End("c", "through", "", ""), closed=False) == {"c"}


def test_logins(tmp_path: Path) -> None:
    document, line = tmp_path / "document", tmp_path / "line"
    document.write_text('{"principal": "agent-builders", "secret": "s"}\n')
    line.write_text("jenkins-001:s")
    assert login_of(str(document)) == "agent-builders:s"
    assert login_of(str(line)) == "jenkins-001:s"
    assert login_of(f"{tmp_path}/none") == login_of("") == ""
    assert login_of("marathon:guess") == "marathon:guess"


def test_messages_are_protobuf() -> None:
    assert (
        message((1, "ab"), (2, 300), (3, message((1, 1.0)))).hex() == "0a026162" + "10ac02" + "1a0909000000000000f03f"
    )
