"""image build: what goes in decides; the builder is removed whatever happens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.image import build as image
from clusterctl.ops.image.build import ImageReport, Sources, build_image, install_digest
from clusterctl.ops.image.builder import ImageBuilder
from clusterctl.ops.kit.lock import Guard, LockedError
from clusterctl.resources import Flavor, Image, owner_mark
from clusterctl.spec.artifacts import Artifact, Artifacts, Builder, ImageSpec, MarathonArtifact
from clusterctl.spec.model import AccessSettings
from tests.memory.cloud import MemoryCloud
from tests.unit.ops.clouds import Clock, Killed, guard, revive

CONTENT = b"a package"
ARTIFACT = Artifact(version="1.0", src="a.bin", sha256=hashlib.sha256(CONTENT).hexdigest())
MARATHON = MarathonArtifact(**ARTIFACT.model_dump())
SPEC = ImageSpec(
    source_image="debian-12",
    build=Builder(
        cloud="lab", flavor="m1.small", network="lab", keypair="ops", access=AccessSettings(ssh_from=("network",))
    ),
    artifacts=Artifacts(mesos=ARTIFACT, marathon=MARATHON),
)


@pytest.fixture
def cloud() -> MemoryCloud:
    stock = Image("stock", "debian-12", "active", "2026-01-01T00:00:00Z", 2, 0, {})
    return MemoryCloud(image_list=[stock], flavor_list=[Flavor("f1", "m1.small", 1, 1024, 6)], network_name="lab")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tree with one role."""
    for name in (
        "playbooks/image.yml",
        "roles/a/tasks/install.yml",
        "roles/a/tasks/configure.yml",
        "roles/a/templates/x",
    ):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    (tmp_path / "a.bin").write_bytes(CONTENT)
    return tmp_path / "data"


@pytest.fixture
def build(
    cloud: MemoryCloud, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., ImageReport]:
    """build_image without a real connection: the installation is a note that it was asked for."""

    class FakeSsh:
        config = None

    monkeypatch.setattr(ImageBuilder, "reach", lambda *_args: (FakeSsh(), None))
    monkeypatch.setattr(image, "_install", lambda *_args: None)

    def run(spec: ImageSpec = SPEC, by: Guard | None = None, **options: Any) -> ImageReport:
        builder = ImageBuilder(spec, cloud, waiter=Clock().waiter())
        return build_image(builder, Sources(tmp_path, data, tmp_path), by or guard(), **options)

    return run


def test_the_image_records_what_is_inside(build: Callable[..., ImageReport]) -> None:
    report = build()
    assert report.built
    assert report.properties["clusterctl_version_mesos"] == "1.0"
    assert report.properties["clusterctl_sha256_marathon"] == ARTIFACT.sha256
    assert report.properties["clusterctl_source"] == "debian-12"
    assert report.properties["clusterctl_family"] == "clusterctl-base"


def test_unchanged_inputs_need_no_build(build: Callable[..., ImageReport], cloud: MemoryCloud) -> None:
    first = build()
    cloud.reset_calls()
    second = build()
    assert (second.built, second.id, cloud.calls.write) == (False, first.id, 0)
    assert build(force=True).built


def test_an_image_that_is_too_old_is_built_again(build: Callable[..., ImageReport]) -> None:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    first = build(now=lambda: made)
    assert first.properties["clusterctl_built"] == "2026-01-01T00:00:00+00:00"
    assert not build(max_age_days=30, now=lambda: made + timedelta(days=29)).built
    second = build(max_age_days=30, now=lambda: made + timedelta(days=31))
    assert (second.built, second.id != first.id) == (True, True)
    assert not build(now=lambda: made + timedelta(days=365)).built


@pytest.mark.parametrize(
    ("changed", "builds"),
    [
        ("roles/a/tasks/install.yml", True),
        ("playbooks/image.yml", True),
        ("roles/a/tasks/configure.yml", False),
        ("roles/a/templates/x", False),
    ],
)
def test_what_acts_after_the_boot_needs_no_build(data: Path, changed: str, builds: bool) -> None:
    before = install_digest(data)
    (data / changed).write_text("new")
    assert (install_digest(data) != before) is builds


def left_of_the_builder(cloud: MemoryCloud) -> int:
    return sum(cloud.observe("clusterctl-base.build").counts.values())


def test_the_builder_is_removed(build: Callable[..., ImageReport], cloud: MemoryCloud) -> None:
    build()
    assert left_of_the_builder(cloud) == 0


def test_the_builder_is_removed_after_a_failure(
    build: Callable[..., ImageReport], cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise ClusterctlError("no space left on device")

    monkeypatch.setattr(image, "_install", fail)
    with pytest.raises(ClusterctlError, match="no space left"):
        build()
    assert left_of_the_builder(cloud) == 0
    assert len(cloud.images(family="clusterctl-base")) == 0


def test_what_a_killed_build_left_is_removed_by_the_next(
    build: Callable[..., ImageReport], cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ImageBuilder, "remove", lambda *_args: None)  # a killed process removes nothing
        build()
    assert left_of_the_builder(cloud) > 0
    build(force=True)
    assert left_of_the_builder(cloud) == 0


def test_a_wrong_digest_stops_before_a_server_exists(build: Callable[..., ImageReport], cloud: MemoryCloud) -> None:
    wrong = ARTIFACT.model_copy(update={"sha256": "0" * 64})
    spec = SPEC.model_copy(update={"artifacts": Artifacts(mesos=wrong, marathon=MARATHON)})
    with pytest.raises(InputError, match=r"artifacts.mesos.sha256"):
        build(spec)
    assert cloud.calls.write == 0


def test_unknown_names_stop_before_a_server_exists(build: Callable[..., ImageReport], cloud: MemoryCloud) -> None:
    builder = SPEC.build.model_copy(update={"flavor": "none", "network": "nowhere", "keypair": "nobody"})
    with pytest.raises(InputError) as caught:
        build(SPEC.model_copy(update={"build": builder, "source_image": "windows"}))
    for expected in ("source_image", "build.flavor", "build.network", "build.keypair"):
        assert expected in caught.value.message
    assert cloud.calls.write == 0


def test_two_builds_at_once(
    build: Callable[..., ImageReport], cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would take the other's builder for what a killed build left."""
    refused: list[str] = []

    def second(*_args: object) -> None:
        with pytest.raises(LockedError) as caught:
            build(force=True, by=guard(pid=2))
        refused.append(f"{caught.value.message} {caught.value.hint}")
        assert len(cloud.observe("clusterctl-base.build").servers) == 1

    monkeypatch.setattr(image, "_install", second)
    first = replace(guard(pid=99), unlock="clusterctl image build artifacts.yml --steal-lock")
    assert build(force=True, by=first).built
    assert "ann@ops1 (pid 99, `clusterctl test`)" in refused[0]
    assert (left_of_the_builder(cloud), cloud.lock_records) == (0, {})


def test_a_builder_is_no_cluster_of_any_name(build: Callable[..., ImageReport], cloud: MemoryCloud) -> None:
    mark = owner_mark("clusterctl-base-build")
    cloud.create_security_group("clusterctl.clusterctl-base-build", mark)
    build()
    assert [description for _, description in cloud.security_group_records.values()] == [mark]
    with pytest.raises(ValidationError):
        ImageSpec.model_validate({**SPEC.model_dump(), "family": "f" * 36})


def test_a_builder_that_was_left_open_wide_is_gone_before_the_next_one(
    build: Callable[..., ImageReport], cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(source: str) -> ImageSpec:
        access = AccessSettings(ssh_from=(source,))
        return SPEC.model_copy(update={"build": SPEC.build.model_copy(update={"access": access})})

    opened: list[set[str | None]] = []

    def install(*_args: object) -> None:
        groups = cloud.observe("clusterctl-base.build").security_groups
        opened.append({rule.source for group in groups for rule in group.rules})
        if len(opened) == 1:
            cloud.faults.append(Killed(0, "before", dead=True))

    monkeypatch.setattr(image, "_install", install)
    with pytest.raises(SystemExit):
        build(of("0.0.0.0/0"))
    revive(cloud)
    build(of("10.0.0.0/8"))
    assert opened == [{"0.0.0.0/0"}, {"10.0.0.0/8"}]
    assert cloud.observe("clusterctl-base.build").security_groups == ()
