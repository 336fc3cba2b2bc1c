"""Wars and plugins by their manifests."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from clusterctl.errors import InputError
from clusterctl.jenkins.manifests import Manifest, parse, problems, read
from tests.unit.jenkins.specs import plugin

WAR = Manifest({"Jenkins-Version": "2.319.3"})
CREDENTIALS = plugin("credentials", "2.6.1", needs="structs:1.20")
STRUCTS = plugin("structs", "1.24", "2.204.6")
MESOS = plugin("mesos", "0.16", needs="credentials:1.22,metrics:3.0.2;resolution:=optional")


def whole(*plugins: Manifest) -> dict[str, tuple[str, Manifest]]:
    return {each.name: (each.version, each) for each in plugins}


def test_long_lines_are_continued_and_only_the_main_section_counts() -> None:
    text = (
        "Manifest-Version: 1.0\r\nShort-Name: mesos\r\nPlugin-Version: 0.16 (private-1)\r\n"
        "Plugin-Dependencies: credentials:1.22,met\r\n rics:3.0.2;resolution:=optional\r\n\r\n"
        "Name: x\r\nShort-Name: other\r\n"
    )
    manifest = parse(text)
    assert (manifest.name, manifest.version, manifest.core) == ("mesos", "0.16", "")
    assert [(each.name, each.version, each.optional) for each in manifest.dependencies] == [
        ("credentials", "1.22", False),
        ("metrics", "3.0.2", True),
    ]


def test_a_whole_set() -> None:
    assert problems(WAR, "2.319.3", whole(MESOS, CREDENTIALS, STRUCTS)) == []


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [
        (whole(MESOS, STRUCTS), "jenkins_plugins.mesos: needs credentials 1.22 or newer, which is not in"),
        (whole(MESOS, CREDENTIALS), "jenkins_plugins.credentials: needs structs 1.20 or newer, which is not in"),
        (
            whole(MESOS, CREDENTIALS, plugin("structs", "1.9")),
            "jenkins_plugins.credentials: needs structs 1.20 or newer; found 1.9",
        ),
        (
            whole(MESOS, CREDENTIALS, plugin("structs", "1.24", "2.361.1")),
            "jenkins_plugins.structs: needs core 2.361.1; the war is 2.319.3",
        ),
        (
            {**whole(MESOS, CREDENTIALS), "structs": ("1.23", STRUCTS)},
            "jenkins_plugins.structs: found version 1.23; the file is structs 1.24",
        ),
        (
            {**whole(MESOS, CREDENTIALS), "structs": ("1.24", Manifest({}))},
            "jenkins_plugins.structs: the file is not a plugin",
        ),
        (
            whole(plugin("mesos", "1.0.0", needs="metrics:3.0.2;resolution:=optional")),
            "jenkins_plugins.mesos: needs metrics whenever it asks for an agent",
        ),
        (whole(plugin("mesos", "2.0", needs="metrics:4.0.2")), "needs metrics 4.0.2 or newer, which is not in"),
    ],
)
def test_what_is_missing_is_named(plugins: dict[str, tuple[str, Manifest]], expected: str) -> None:
    (message,) = problems(WAR, "2.319.3", plugins)
    assert expected in message


def test_an_optional_dependency_that_is_there_must_be_new_enough() -> None:
    (message,) = problems(WAR, "2.319.3", whole(MESOS, CREDENTIALS, STRUCTS, plugin("metrics", "3.0")))
    assert "jenkins_plugins.mesos: needs metrics 3.0.2 or newer; found 3.0" in message


def test_a_war_of_another_version() -> None:
    (message,) = problems(WAR, "2.319.1", {})
    assert message == "artifacts.jenkins.version: found '2.319.1'; the war is 2.319.3"


def test_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.hpi"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Short-Name: structs\nPlugin-Version: 1.24\n")
    assert read(path, "k").name == "structs"


@pytest.mark.parametrize("content", [b"<html>not found</html>", None])
def test_what_is_no_plugin_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "a.hpi"
    if content is None:
        zipfile.ZipFile(path, "w").close()
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"artifacts.jenkins: a.hpi is neither a war nor a plugin"):
        read(path, "artifacts.jenkins")
