"""Real clusters in the lab, driven through the program as an operator would."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labkit
import pytest

from tests.e2e.cluster import Cluster


@pytest.fixture(scope="session")
def lab() -> dict[str, str]:
    """The running lab's environment."""
    return labkit.use_lab()


@pytest.fixture(scope="session", autouse=True)
def artifacts(lab: dict[str, str]) -> dict[str, dict[str, str]]:
    """The lab's artifacts, built or from the cache."""
    return labkit.build_artifacts()


def build_image(zone: str, artifacts: dict[str, dict[str, str]], *options: str) -> dict[str, Any]:
    """`clusterctl image build` for a zone."""
    return labkit.clusterctl("image", "build", labkit.artifacts_file(zone, artifacts), *options)


@pytest.fixture(scope="session")
def container_image(artifacts: dict[str, dict[str, str]]) -> dict[str, Any]:
    """The base image of zone container."""
    return build_image("container", artifacts)


@pytest.fixture(scope="module")
def container_cluster(container_image: dict[str, Any]) -> Iterator[Cluster]:
    """The demo topology in zone container; destroyed afterwards, whatever happened."""
    with Cluster(labkit.cluster_file("demo", "container", name="e2e")) as cluster:
        yield cluster


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs clusterctl without judging its exit code."""
    return subprocess.run(
        [labkit.PROGRAM, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )


def as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The answer of a command run with --json."""
    found: dict[str, Any] = json.loads(done.stdout)
    return found
