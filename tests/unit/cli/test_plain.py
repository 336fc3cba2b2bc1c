"""What others wrote does nothing to the operator's terminal."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

import clusterctl.cli
from clusterctl.cli import output
from clusterctl.cli.plain import Plain, plain, plain_line
from clusterctl.errors import NodeError

TITLE = "\x1b]0;owned\x07"  # sets the window's title (xterm)
C1 = "\x9b31m"  # the same as ESC [ 31 m, in one character
HIDDEN = "a\u202eb\u2066c\u200b"
EVIL = f"web{TITLE}{C1}\r\x08{HIDDEN}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcode ✓ 漢字\tand\nlines", "plain text, ünïcode ✓ 漢字\tand\nlines"),
        (TITLE, "\\x1b]0;owned\\x07"),
        (C1, "\\x9b31m"),
        ("a\rb\x08\x7f\x00", "a\\x0db\\x08\\x7f\\x00"),
        (HIDDEN, "a\\u202eb\\u2066c\\u200b"),
        ("\U000e0041", "\\U000e0041"),
        ("\udc9b", "\\udc9b"),  # what surrogateescape makes of a byte
    ],
)
def test_what_is_not_printable_is_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_name_with_a_newline_is_no_second_line() -> None:
    assert plain_line("x\nclusterctl: all is well") == "x\\nclusterctl: all is well"


def harmless(text: str) -> bool:
    return text.isprintable() or all(char.isprintable() or char in "\n\t" for char in text)


@pytest.mark.parametrize(
    "say",
    [
        lambda: output.print_line(EVIL),
        lambda: output.print_text(EVIL),
        lambda: output.print_note(EVIL),
        lambda: output.print_error(NodeError(EVIL, hint=EVIL)),
        lambda: output.print_json({EVIL: EVIL}),
        lambda: output.print_rich(table()),
        lambda: output.PlainReporter().started(EVIL),
        lambda: output.PlainReporter().note(EVIL),
        lambda: output.PlainReporter().finished(EVIL, 1.0),
        lambda: output.relay([sys.executable, "-c", f"import sys; print({EVIL!r}); sys.stderr.write({EVIL!r})"], {}),
    ],
)
def test_nothing_raw_is_printed(say: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(say)
    say()
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert "web" in said
    assert harmless(said)


def table() -> Table:
    found = Table(box=None)
    found.add_column(EVIL)
    found.add_row(EVIL)
    found.add_row(Text(EVIL))
    found.add_row("[link=http://evil.example]web[/link]")
    return found


def test_styles_of_ours_stay_on_a_terminal_and_sequences_of_others_do_not() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=200, markup=False)
    console.print(Plain(Text(f"web{TITLE}", style="red")))
    console.print(Plain(table()))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "\x1b[31mweb\\x1b]0;owned\x1b[0m" in shown  # rich leaves the bell out itself
    assert "\x1b]" not in shown
    assert "\x9b" not in shown
    assert "[link=http://evil.example]web[/link]" in shown


def test_the_live_line_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = output.TerminalReporter()
    file = io.StringIO()
    monkeypatch.setattr(reporter._console, "file", file)
    reporter.started(EVIL)
    reporter.note(EVIL)
    reporter.finished(EVIL, 1.0)
    assert "web\\x1b]0;owned" in file.getvalue()
    assert TITLE not in file.getvalue()


def test_a_relayed_program_keeps_its_streams_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    program = "import sys; print('one\\ntwo'); sys.stderr.write('beside\\n'); sys.exit(4)"
    assert output.relay([sys.executable, "-c", program], {}) == 4
    assert capsys.readouterr() == ("one\ntwo\n", "beside\n")


def test_what_libraries_log_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("sdk", logging.WARNING, __file__, 1, "server %s", (EVIL,), None)
    output.LogHandler().handle(record)
    said = capsys.readouterr().err
    assert said.startswith("server web\\x1b]0;owned")
    assert harmless(said)


def test_the_verbs_print_only_through_one_place() -> None:
    raw = (
        "typer.echo",
        "typer.prompt",
        "typer.confirm",
        "typer.secho",
        "sys.stdout.write",
        "sys.stderr.write",
        "print(",
    )
    for path in Path(clusterctl.cli.__path__[0]).glob("*.py"):
        if path.name == "output.py":
            continue
        text = path.read_text()
        assert not [word for word in raw if word in text.replace("_print(", "")], path.name
