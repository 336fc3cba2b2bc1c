"""Where the key comes from; what goes wrong names the place and never the key."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.secrets.sources import from_command, from_environment, from_file

TEXT = "5a" * 32


def test_a_file_of_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text(f"{TEXT}\n")
    assert from_file(file).reveal() == TEXT


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text(TEXT)
    file.chmod(mode)
    with pytest.raises(InputError, match=f"found mode {mode:04o}") as caught:
        from_file(file)
    assert f"chmod 600 {file}" in (caught.value.hint or "")
    assert TEXT not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        from_file(tmp_path / "none")


def test_the_environment() -> None:
    assert from_environment("KEY", {"KEY": TEXT}).reveal() == TEXT
    with pytest.raises(InputError, match=r"\$KEY is not set"):
        from_environment("KEY", {})
    with pytest.raises(InputError, match=r"\$KEY: found 5 characters"):
        from_environment("KEY", {"KEY": "wrong"})


def test_a_command() -> None:
    assert from_command([sys.executable, "-c", f"print({TEXT!r})"]).reveal() == TEXT


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (f"print({TEXT!r}); import sys; sys.exit(3)", "ended with 3"),
        (f"print({TEXT!r} + 'more')", "characters that are not a key"),
        ("import time; time.sleep(60)", "gave no key within 0.2 s"),
    ],
)
def test_a_command_that_fails(program: str, error: str) -> None:
    with pytest.raises(ClusterctlError, match=error) as caught:
        from_command([sys.executable, "-c", program], timeout_s=0.2 if "sleep" in program else 60)
    assert TEXT not in str(caught.value)


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(InputError, match="can't run /no/such/vault"):
        from_command(["/no/such/vault"])
