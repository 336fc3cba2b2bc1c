"""The program from outside: exit codes, messages, JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from clusterctl.cli import app as program
from clusterctl.cli.app import VERBS
from clusterctl.errors import CloudError
from tests.unit.ops.clouds import create_in, demo_cloud
from tests.unit.specs import DEMO, demo_spec


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["clusterctl", *arguments])
    with pytest.raises(SystemExit) as ended:
        program.main()
    return int(ended.value.code or 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "demo.yml"
    path.write_text(DEMO)
    return path


def test_validate(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate", str(file), "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == {"valid": True, "cluster": "demo", "nodes": 5, "warnings": []}


def test_validate_warns_with_positions(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{DEMO}jenkins: {{allow_ephemeral_homes: true, registration: always,\n  decline_s: 5}}\n")
    assert run("validate", str(file), monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{file}:23:3: warning: jenkins.decline_s: 100 masters that are always registered decline")
    assert "; cure: decline for 200 s or more" in out


def test_a_mistake_is_exit_code_2_with_its_position(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(DEMO.replace("count: 3", "count: 2"))
    assert run("validate", str(file), monkeypatch=monkeypatch) == 2
    captured = capsys.readouterr()
    assert f"clusterctl: {file}:7:12: groups.control.count: found 2 zookeeper nodes" in captured.err
    assert captured.out == ""


def test_an_unknown_option_is_exit_code_2(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("validate", str(file), "--colour", monkeypatch=monkeypatch) == 2


def test_an_unknown_cloud_is_exit_code_2_and_no_traceback(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text("clouds: {other: {auth: {auth_url: 'http://192.0.2.1:5000/v3'}}}\n")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    assert run("plan", str(file), monkeypatch=monkeypatch) == 2
    assert "cloud lab" in capsys.readouterr().err


def test_a_failed_call_is_exit_code_1_with_its_hint(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_name: str) -> None:
        raise CloudError("the cloud is closed", hint="Come back tomorrow.")

    monkeypatch.setattr("clusterctl.cloud.open_cloud", refuse)
    assert run("plan", str(file), monkeypatch=monkeypatch) == 1
    assert capsys.readouterr().err == "clusterctl: the cloud is closed\n  -> Come back tomorrow.\n"


def test_ctrl_c_says_how_to_go_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clusterctl.cloud.open_cloud", interrupted)
    assert run("create", str(file), monkeypatch=monkeypatch) == 1
    assert f"`clusterctl create {file}` goes on from here" in capsys.readouterr().err


def test_the_schema_is_json_and_names_every_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("schema", monkeypatch=monkeypatch) == 0
    schema = json.loads(capsys.readouterr().out)
    assert {"cluster", "groups", "marathon", "allow_non_ha"} <= set(schema["properties"])


def test_settings_lists_every_variable_of_a_role(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("settings", "mesos_agent", "--json", monkeypatch=monkeypatch) == 0
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)["variables"]}
    assert found["mesos_agent_launcher"] == {
        "role": "mesos_agent",
        "name": "mesos_agent_launcher",
        "type": "str",
        "elements": None,
        "choices": ["posix", "linux"],
        "default": "posix",
        "meaning": "Launcher",
        "settable": True,
        "place": "settings",
        "where": "settings (the cluster's, or a group with mesos_agent)",
    }
    assert found["mesos_agent_attributes"]["where"] == "key groups.NAME.attributes"
    assert run("settings", monkeypatch=monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if "marathon_jvm_options" in line).split()[:4] == [
        "marathon",
        "marathon_jvm_options",
        "str",
        '""',
    ]
    assert run("settings", "mesos_agnet", monkeypatch=monkeypatch) == 2
    assert "no role 'mesos_agnet'; allowed: builder, common, jenkins" in capsys.readouterr().err


def test_help_imports_no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("openstack", "novaclient")]:
        monkeypatch.delitem(sys.modules, name)
    assert run("--help", monkeypatch=monkeypatch) == 0
    assert not {"openstack", "novaclient"} & {name.split(".")[0] for name in sys.modules}


def verbs(*words: str) -> list[str]:
    group = typer.main.get_command(program.program(words))
    assert isinstance(group, typer.core.TyperGroup)
    return list(group.commands)


def test_a_verb_that_is_named_loads_its_family_alone() -> None:
    assert sorted(verbs()) == sorted(verb for family in VERBS.values() for verb in family)
    for family in VERBS.values():
        for verb in family:
            assert sorted(verbs(verb, "demo.yml")) == sorted(family)


def test_words_that_name_no_verb_load_all() -> None:
    assert verbs("--help") == verbs("none-such") == verbs()


def test_validate_loads_neither_other_verbs_nor_what_asks_clouds() -> None:
    code = (
        "import sys; sys.argv = ['clusterctl', 'validate', 'examples/demo.yml']\n"
        "from clusterctl.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: print({'clusterctl.cli.jenkins', 'keystoneauth1', 'requests'} & sys.modules.keys())"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert ended.stdout.splitlines()[-1:] == ["set()"], ended.stderr


def test_list_of_clusters(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = demo_cloud()
    monkeypatch.setattr("clusterctl.cloud.open_cloud", lambda _name: cloud)
    assert run("list", "--cloud", "lab", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == "no cluster in cloud lab; `clusterctl create FILE` makes one\n"
    create_in(cloud, demo_spec())
    assert run("list", "--cloud", "lab", monkeypatch=monkeypatch) == 0
    header, line = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["cluster", "nodes", "states"]
    assert line.split()[:4] == ["demo", "5", "5", "ACTIVE"]
    monkeypatch.setenv("OS_CLOUD", "lab")
    assert run("list", "--json", monkeypatch=monkeypatch) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cloud"], found["clusters"][0]["states"]) == ("lab", {"ACTIVE": 5})


def test_an_artifacts_file_is_checked_without_a_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = f"version: '1.11.24', src: a, sha256: '{'0' * 64}'"
    path = tmp_path / "artifacts.yml"
    path.write_text(
        "source_image: debian-12\n"
        "build: {cloud: lab, flavor: f, network: n, keypair: k, access: {ssh_from: network}}\n"
        f"artifacts:\n  mesos: {{{one}}}\n  marathon: {{{one}, java: [17]}}\n"
    )
    assert run("image", "validate", str(path), "--json", monkeypatch=monkeypatch) == 0
    wanted = {"valid": True, "artifacts": {"mesos": "1.11.24", "marathon": "1.11.24"}}
    assert json.loads(capsys.readouterr().out) == wanted
    path.write_text(path.read_text().replace("[17]", "[8]"))
    assert run("image", "validate", str(path), monkeypatch=monkeypatch) == 2
    assert f"clusterctl: {path}:5:23: artifacts.marathon.version: found Java 17" in capsys.readouterr().err
