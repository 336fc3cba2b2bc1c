"""The files with secrets of a node: those of its services, the key where it belongs, and the list of all at the end."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
import yaml

from clusterctl.paths import roles_dir
from clusterctl.secrets import mesos_files, nodes
from clusterctl.secrets.derive import Keyring, parse_key
from clusterctl.secrets.epochs import FIRST
from clusterctl.secrets.files import SecretFile
from clusterctl.secrets.nodes import COMPLETE_FILE, KEY_FILE, credentials_for
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stages import ON_THE_WAY
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part
from clusterctl.topology import Addresses
from tests.unit.specs import demo_spec as open_spec
from tests.unit.specs import only_closed

KEY = "0f" * 32
KEYS = Keyring("demo", parse_key(KEY, "test"))
AT = Addresses(((1, "10.0.0.1"),), ("10.0.0.1",), ("10.0.0.1",))
DIRECTORY = "/etc/clusterctl/secrets"


def demo_spec(**changes: Any) -> ClusterSpec:
    """With nothing but Mesos closed."""
    return open_spec(**{"security": only_closed("mesos"), **changes})


def files_of(group: str, spec: ClusterSpec | None = None) -> dict[str, SecretFile]:
    return {file.path: file for file in credentials_for(spec or demo_spec(), group, KEYS, AT)}


def names(group: str, **changes: Any) -> list[str]:
    return [path.removeprefix(f"{DIRECTORY}/") for path in files_of(group, demo_spec(**changes))]


def test_a_node_has_what_its_services_need_and_no_more() -> None:
    assert names("control") == [
        "key",
        "mesos-master-credentials.json",
        "mesos-master-acls.json",
        "mesos-master-rate-limits.json",
        "mesos-operator.json",
        "mesos-operator.curl",
        "mesos-probe.json",
        "mesos-agent-probe.json",
        "marathon-mesos-secret",
        "complete",
    ]
    assert names("builders") == [
        "mesos-agent-probe.json",
        "mesos-agent-credential.json",
        "mesos-agent-http-credentials.json",
        "mesos-agent-acls.json",
        "complete",
    ]


def closed(*parts: Part) -> dict[str, SecretFile]:
    """By name, the files of a control node beside the key and the list of all."""
    spec = open_spec(security=only_closed(*parts))
    files = {path.rpartition("/")[2]: file for path, file in files_of("control", spec).items()}
    return {name: file for name, file in files.items() if name not in ("key", "complete")}


def test_zookeeper_and_marathon_have_files_of_their_own() -> None:
    members = ["zookeeper.jaas", "zookeeper.options", "zookeeper-tree.json", "zookeeper-super"]
    of_zookeeper = [*members, "mesos-master-zookeeper", "marathon-zookeeper"]
    of_marathon = ["marathon.env", "marathon-http.json", "marathon.curl"]
    files = closed(Part.ZOOKEEPER)
    assert list(files) == of_zookeeper
    assert {name: (file.group, file.mode) for name, file in files.items() if file.group != "root"} == {
        "zookeeper.jaas": ("zookeeper", 0o640),
        "zookeeper.options": ("zookeeper", 0o640),
        "mesos-master-zookeeper": ("mesos", 0o640),
        "marathon-zookeeper": ("marathon", 0o640),
    }
    files = closed(Part.MARATHON)
    assert list(files) == of_marathon
    login = json.loads(files["marathon-http.json"].content.reveal())
    pair = f"{login['principal']}:{login['secret']}"
    assert files["marathon.env"].content.reveal() == f"MESOSPHERE_HTTP_CREDENTIALS={pair}\n"
    assert files["marathon.curl"].content.reveal() == f'user = "{pair}"\n'
    assert {file.mode for file in files.values()} == {0o600}
    assert list(closed(Part.ZOOKEEPER, Part.MARATHON)) == [*of_zookeeper, *of_marathon]
    assert names("builders", security=only_closed(Part.ZOOKEEPER, Part.MARATHON)) == ["complete"]


def test_a_cluster_without_secrets_gets_no_file() -> None:
    assert names("control", security={"insecure": "all"}) == []


def test_a_key_from_elsewhere_is_on_no_node() -> None:
    for group in ("control", "builders"):
        for file in files_of(group, demo_spec(secrets={"from": "env", "variable": "KEY"})).values():
            assert KEY not in file.content.reveal(), file.path
    for file in files_of("builders").values():
        assert KEY not in file.content.reveal(), file.path


def test_the_last_file_lists_all_others() -> None:
    files = files_of("control")
    last = list(files.values())[-1]
    assert last.path == COMPLETE_FILE
    listed = [line.split("  ") for line in last.content.reveal().splitlines()]
    expected = [[sha256(f.content.reveal().encode()).hexdigest(), f.path] for f in files.values() if f is not last]
    assert listed == expected
    assert files[KEY_FILE].content.reveal() == f"{KEY}\n"


def test_only_who_needs_a_secret_can_read_it() -> None:
    modes = {path: (file.owner, file.group, file.mode) for path, file in files_of("control").items()}
    assert {path for path, mode in modes.items() if mode == ("root", "root", 0o600)} == {
        f"{DIRECTORY}/{name}"
        for name in (
            "key",
            "mesos-operator.json",
            "mesos-operator.curl",
            "mesos-probe.json",
            "mesos-agent-probe.json",
            "complete",
        )
    }
    assert {mode for path, mode in modes.items() if "mesos-master" in path} == {("root", "mesos", 0o640)}
    assert modes[f"{DIRECTORY}/marathon-mesos-secret"] == ("root", "marathon", 0o640)
    assert {(f.owner, f.group, f.mode) for f in files_of("builders").values()} == {("root", "root", 0o600)}


def test_each_side_of_a_login_has_the_same_secret() -> None:
    control, builders = files_of("control"), files_of("builders")
    listed = json.loads(control[f"{DIRECTORY}/mesos-master-credentials.json"].content.reveal())["credentials"]
    known = {each["principal"]: each["secret"] for each in listed}
    agent = json.loads(builders[f"{DIRECTORY}/mesos-agent-credential.json"].content.reveal())
    assert (agent["principal"], known["agent-builders"]) == ("agent-builders", agent["secret"])
    for name in ("operator", "probe"):
        own = json.loads(control[f"{DIRECTORY}/mesos-{name}.json"].content.reveal())
        assert (own["principal"], known[name]) == (name, own["secret"])
    assert control[f"{DIRECTORY}/marathon-mesos-secret"].content.reveal() == known["marathon"]
    node = json.loads(builders[f"{DIRECTORY}/mesos-agent-probe.json"].content.reveal())
    assert [node] == json.loads(builders[f"{DIRECTORY}/mesos-agent-http-credentials.json"].content.reveal())[
        "credentials"
    ]


def test_two_contributors_of_one_file_are_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = (lambda _: [SecretFile("/a", Secret("x"))],) * 2
    monkeypatch.setattr(nodes, "CONTRIBUTORS", twice)
    with pytest.raises(ValueError, match="twice"):
        credentials_for(demo_spec(), "control", KEYS, AT)


def test_marathon_may_start_apps_as_the_user_that_its_role_says() -> None:
    defaults = yaml.safe_load((roles_dir() / "marathon/defaults/main.yml").read_text())
    assert mesos_files.app_users(demo_spec()) == (defaults["marathon_mesos_user"],)
    assert mesos_files.app_users(demo_spec(settings={"marathon_mesos_user": "web"})) == ("web",)


def test_a_node_for_jenkins_masters_has_a_secret_for_each_slot() -> None:
    spec = demo_spec(jenkins={"allow_ephemeral_homes": True, "max_masters": 2})
    files = files_of("jenkins", spec)
    found = {path: (file.owner, file.mode) for path, file in files.items() if "/jenkins/" in path}
    assert found == {f"{DIRECTORY}/jenkins/jm-00{slot}": (f"jm-00{slot}", 0o400) for slot in (1, 2)}
    listed = json.loads(files_of("control", spec)[f"{DIRECTORY}/mesos-master-credentials.json"].content.reveal())
    known = {each["principal"]: each["secret"] for each in listed["credentials"]}
    assert files[f"{DIRECTORY}/jenkins/jm-002"].content.reveal() == f"jenkins-002:{known['jenkins-002']}"
    assert not [path for path in files_of("builders", spec) if "/jenkins/" in path]


def test_while_its_password_turns_callers_of_marathon_know_both() -> None:
    spec = open_spec(security=only_closed(Part.MARATHON))
    texts = {}
    for stage in ON_THE_WAY:
        keys = replace(KEYS, epochs=FIRST.at(stage, "marathon/http"))
        files = {file.path.rpartition("/")[2]: file for file in credentials_for(spec, "control", keys, AT)}
        texts[stage] = {name: file.content.reveal() for name, file in files.items()}
        assert list(texts[stage])[:2] == ["key", "epochs"]
        assert (files["epochs"].owner, files["epochs"].mode) == ("root", 0o600)
        assert f"{files['epochs'].digest}  {DIRECTORY}/epochs\n" in texts[stage]["complete"]
    old, new = (KEYS.of("marathon/http", epoch).reveal() for epoch in (1, 2))
    assert [each["marathon.env"].strip().rpartition(":")[2] for each in texts.values()] == [old, new, new]
    logins = [json.loads(each["marathon-http.json"]) for each in texts.values()]
    assert [(each["secret"], each.get("others")) for each in logins] == [(old, None), (new, [old]), (new, None)]
