"""Every command that a message names can be pasted: it names a real file, a real verb and real options."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import clusterctl
from clusterctl.cli.app import program
from clusterctl.cli.session import given
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.lock import Guard

SOURCE = Path(clusterctl.__file__).parent
ROOT = SOURCE.parent
GIVEN = Command("verify", "my demo.yml", options=(("--cloud", "lab"), ("--deep", None)))
# What stands in a message in place of an expression, by a word of the expression; in this order
SAMPLES = {"count": "3", "group": "builders", "artifacts": "artifacts.yml", "units": "-u zookeeper"}


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module but for its docstrings, with samples in place of expressions."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(map(sample, node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | parts:
            yield node.lineno, node.value


def sample(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    words = ast.unparse(part)
    return next((text for word, text in SAMPLES.items() if word in words), "demo-control-1")


def named() -> dict[str, str]:
    """Command -> where it is named, of all messages of the program."""
    found: dict[str, str] = {}
    # the pattern that finds them, and the command of somebody else that holds a lock
    others = (SOURCE / "ops/kit/command.py", SOURCE / "ops/kit/lock.py")
    for path in sorted(set(SOURCE.rglob("*.py")) - set(others)):
        for line, text in texts(path):
            for command in re.findall(r"`(clusterctl [^`]+)`", text):
                found[command] = f"{path.relative_to(SOURCE)}:{line}"
    return found


def parse(line: str) -> Any:
    """The context of a command line's verb. Raises click's error if it would be refused."""
    _, *words = shlex.split(line)
    group: Any = typer.main.get_command(program())
    context = group.make_context("clusterctl", words)
    while hasattr(group, "resolve_command"):
        rest = [*context._protected_args, *context.args]  # as Group.invoke does
        name, group, words = group.resolve_command(context, rest)
        context = group.make_context(name, words, parent=context)
    return context


def refusal(line: str) -> str:
    """Name of the error with which a command line would be refused; '' if it wouldn't."""
    try:
        parse(line)
    except Exception as error:  # noqa: BLE001  (whose class it is depends on typer's version)
        return type(error).__name__
    return ""


def options_of(group: Any) -> set[str]:
    """All options of a group's verbs."""
    found: set[str] = set()
    for each in getattr(group, "commands", {}).values():
        found |= {name for option in each.params for name in option.opts} | options_of(each)
    return found


def outside_commands() -> Iterator[tuple[str, str]]:
    """Where each text of the program stands, and the text without the commands that it names."""
    for path in sorted(SOURCE.rglob("*.py")):
        for line, text in texts(path):
            if len(text.split()) >= 3:
                yield f"{path.relative_to(SOURCE)}:{line}", re.sub(r"`[^`]+`", "", text)


def in_docs() -> dict[str, str]:
    """Command -> page, of those that the documentation names in a line or shows in a block."""
    found: dict[str, str] = {}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if path.name in ("decisions.md", "reliability.md"):  # of the past
            continue
        text = path.read_text()
        named = re.findall(r"`(clusterctl [^`]+)`", text)
        for block in re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL):
            named += re.findall(r"^\s*(?:\$ )?(clusterctl .*?)(?: +#.*)?$", block.replace("\\\n", " "), re.MULTILINE)
        for each in named:
            plain = re.sub(r"[][]", "", each)  # [--an-option] may be left out
            plain = re.sub(r"(--[a-z-]+) [A-Z]+\b", r"\1 5", plain)  # --interval SECONDS
            found.update({" ".join(part.split()): path.name for part in plain.split(";")})
    return found


NAMED = named()


def test_there_are_hints() -> None:
    assert len(NAMED) > 12
    assert Guard("scale").unlock == "clusterctl unlock FILE"


@pytest.mark.parametrize("command", sorted(NAMED))
def test_a_named_command_can_be_pasted(command: str) -> None:
    line = GIVEN.filled(f"`{command}`")[1:-1]
    verb = " ".join(parse(line).command_path.split()[1:])
    assert command.startswith(f"clusterctl {verb}"), NAMED[command]
    assert "FILE" not in line, NAMED[command]
    if "FILE" in command:
        assert "--cloud lab 'my demo.yml'" in line


def test_options_that_messages_name_exist() -> None:
    known = options_of(typer.main.get_command(program()))
    wrong = [
        (place, option)
        for place, text in outside_commands()
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
        if option not in known and "cloud-init" not in text
    ]
    assert len(known) > 60
    assert not wrong


def test_the_files_name_is_filled_in_wherever_it_stands() -> None:
    """Only commands in backquotes get it; ``FILE`` elsewhere would be printed as it is."""
    wrong = [(place, text) for place, text in outside_commands() if re.search(r"\bFILE\b", text)]
    # the argument's name, the start of a command in backquotes, and one that is filled in later
    allowed = {"SERVICE: comes after FILE", "clusterctl ssh FILE demo-control-1 sudo", "clusterctl unlock FILE"}
    assert {text for _, text in wrong} <= allowed, wrong


@pytest.mark.parametrize(("command", "page"), sorted(in_docs().items()))
def test_commands_of_the_documentation_exist(command: str, page: str) -> None:
    # a verb may only be named: `clusterctl run`; --version prints and exits
    assert refusal(command) in ("", "MissingParameter", "NoArgsIsHelpError", "Exit"), page


@pytest.mark.parametrize(
    "line",
    [
        "clusterctl create demo.yml --cloud lab --timeout 30 --no-wait --image base-2",
        "clusterctl destroy demo.yml --cloud lab --yes --volumes",
        "clusterctl scale demo.yml builders=3 jenkins=2 --cloud lab --remove a,b --drain-timeout 60 --force --write",
        "clusterctl replace demo.yml demo-control-1 --cloud lab --force --image base-2",
        "clusterctl repair 'my demo.yml' --cloud lab --apply",
        "clusterctl status demo.yml --cloud lab --watch --interval 2.5",
        "clusterctl restart demo.yml zookeeper --cloud lab --only a,b --batch 20% --max-failures 1",
        "clusterctl upgrade demo.yml all --artifacts new.yml --to 1.2 --previous old.yml",
        "clusterctl reconfigure demo.yml --allow-drain --drain-timeout 90",
        "clusterctl configure demo.yml --check --limit 'group_a:&zookeeper'",
        "clusterctl image build artifacts.yml --cloud lab --force",
        "clusterctl ssh --cloud lab --forward 1:h:2 --forward 3:h:4 demo.yml demo-control-1 ls -l",
        "clusterctl run --cloud lab demo.yml -- zookeeper -m ping",
    ],
)
def test_the_command_is_kept_as_it_was_given(line: str) -> None:
    assert sorted(shlex.split(str(given(parse(line))))) == sorted(shlex.split(line))
    assert given(parse(str(given(parse(line))))) == given(parse(line)), "pasted, it is the same command"


def test_the_program_may_be_called_by_several_words(monkeypatch: pytest.MonkeyPatch) -> None:
    called = parse("clusterctl secrets rotate demo.yml")
    monkeypatch.setattr(called.find_root(), "info_name", "python -m clusterctl")
    assert str(given(called)) == "clusterctl secrets rotate demo.yml"


def test_neither_the_form_of_the_answer_nor_a_stolen_lock_is_repeated() -> None:
    assert str(given(parse("clusterctl create demo.yml --steal-lock --json"))) == "clusterctl create demo.yml"


def test_every_verb_on_a_cluster_takes_the_file_first() -> None:
    group: Any = typer.main.get_command(program())
    for name in ("create", "restart", "upgrade", "scale", "replace", "ssh", "run", "status"):
        arguments = [each.name for each in group.commands[name].params if each.param_type_name == "argument"]
        assert arguments[0] == "file", name


def test_summaries_are_not_cut() -> None:
    group: Any = typer.main.get_command(program())
    families = ("image", "loadtest", "jenkins", "secrets")
    for each in [
        *group.commands.values(),
        *(sub for name in families for sub in group.commands[name].commands.values()),
    ]:
        summary = (each.help or "").split("\n\n")[0]
        assert 0 < len(summary) <= 45, (each.name, summary)
        assert not each.get_short_help_str().endswith("..."), each.name
