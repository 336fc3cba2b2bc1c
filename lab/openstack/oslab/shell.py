"""Running programs: one way to say what failed."""

import os
import subprocess

from .settings import LabError


def run(*argv: str | os.PathLike[str], check: bool = True, stdin: str | None = None) -> str:
    """Runs a program and returns its standard output.

    Raises LabError with the program's words if it exits with another code than 0 (unless `check` is false).
    """
    result = subprocess.run(argv, capture_output=True, text=True, check=False, input=stdin)
    if check and result.returncode:
        words = (result.stderr or result.stdout).strip()
        raise LabError(f"{' '.join(map(str, argv))} failed (exit {result.returncode}): {words}")
    return result.stdout


def succeeds(*argv: str | os.PathLike[str]) -> bool:
    """Whether a program exits with code 0."""
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
