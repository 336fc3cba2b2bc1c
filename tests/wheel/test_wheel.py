"""The wheel: what is in it, and the program installed from it outside the tree, with its declared dependencies only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ("roles", "playbooks", "cloud-init", "inventory", "examples")


def call(words: Sequence[str | Path], cwd: Path) -> str:
    """Standard output of a program that must succeed; the tree is on none of its paths."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LANG": "C.UTF-8", "TERM": "dumb"}
    environment |= {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "HTTP", "http"))}
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "-w", target, ROOT], check=True)
    [found] = target.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the programs of a fresh environment with the wheel."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    call([venv / "bin/pip", "--disable-pip-version-check", "install", "--quiet", wheel], venv)
    return venv / "bin"


@pytest.mark.parametrize("directory", DATA)
def test_all_data_are_in_it(names: set[str], directory: str) -> None:
    there = {
        f"clusterctl/_data/{path.relative_to(ROOT)}"
        for path in (ROOT / directory).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert there
    assert there <= names
    assert "clusterctl/_data/ansible.cfg" in names


def test_all_modules_are_in_it_and_nothing_of_the_workshop(names: set[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "clusterctl").rglob("*.py")}
    assert modules <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"clusterctl"}
    foreign = {"tests", "lab", "molecule", "benchmarks", "__pycache__"}
    assert not [name for name in names if foreign & set(name.split("/"))]
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_its_dependencies_fit_together(installed: Path, tmp_path: Path) -> None:
    assert (
        call([installed / "pip", "--disable-pip-version-check", "check"], tmp_path) == "No broken requirements found.\n"
    )


def test_the_data_are_found(installed: Path, tmp_path: Path) -> None:
    told = call([installed / "python", "-c", "from clusterctl.paths import data_root; print(data_root())"], tmp_path)
    assert Path(told.strip()).is_relative_to(installed.parent / "lib")


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--version",
        "create --help",
        "image build --help",
        "jenkins create --help",
        "loadtest run --help",
        "settings mesos_agent",
        "schema",
    ],
)
def test_the_program_runs(installed: Path, tmp_path: Path, words: str) -> None:
    assert "clusterctl" in call([installed / "clusterctl", *words.split()], tmp_path).lower() or words.startswith(
        "settings"
    )


def test_the_examples_are_valid(installed: Path, tmp_path: Path) -> None:
    [data] = (installed.parent / "lib").glob("python*/site-packages/clusterctl/_data")
    examples = sorted((data / "examples").glob("*.yml"))
    assert len(examples) > 3
    for example in examples:
        found = json.loads(call([installed / "clusterctl", "validate", example, "--json"], tmp_path))
        assert found["valid"], example


def test_ansible_finds_the_roles(installed: Path, tmp_path: Path) -> None:
    [data] = (installed.parent / "lib").glob("python*/site-packages/clusterctl/_data")
    for playbook in ("site.yml", "image.yml"):
        words = [installed / "ansible-playbook", "--syntax-check", "-i", "localhost,", data / "playbooks" / playbook]
        assert f"playbook: {data / 'playbooks' / playbook}" in call(words, data)


def test_nodes_user_data_are_rendered_from_it(installed: Path, tmp_path: Path) -> None:
    code = (
        "from clusterctl.paths import data_root\n"
        "from clusterctl.render.templates import units\n"
        "from clusterctl.render.roles import roles_of\n"
        "print(units(data_root() / 'roles', roles_of(['zookeeper', 'mesos_master', 'marathon']), {}))"
    )
    assert "zookeeper" in call([installed / "python", "-c", code], tmp_path)
