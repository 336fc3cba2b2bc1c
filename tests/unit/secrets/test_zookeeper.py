"""Credentials and ACLs of ZooKeeper's tree; what they do is shown by tests/contract/zookeeper."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from clusterctl.secrets import zookeeper
from clusterctl.secrets.derive import Keyring, parse_key
from clusterctl.secrets.epochs import FIRST
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stages import ON_THE_WAY, Stage

KEYS = Keyring("demo", parse_key("0f" * 32, "test"))


def test_a_digest_is_zookeepers() -> None:
    # the example of ZooKeeper's administrator's guide, superDigest
    assert zookeeper.digest_id("super", Secret("test")) == "super:D/InIHSb7yEEbrWz8b9l71RjZJU="


def test_servers_are_given_the_digest_of_the_super_user_only() -> None:
    options = zookeeper.java_options(KEYS, "/x/zookeeper.jaas").reveal()
    user, _, password = zookeeper.super_credentials(KEYS).reveal().strip().partition(":")
    assert password not in options
    assert f"superDigest={zookeeper.digest_id(user, Secret(password))}\n" in options
    assert "-Djava.security.auth.login.config=/x/zookeeper.jaas\n" in options


def test_a_learner_says_what_servers_expect() -> None:
    text = zookeeper.jaas(KEYS).reveal()
    [expected] = re.findall(r'user_zookeeper="([^"]+)"', text)
    assert re.findall(r'username="([^"]+)"\s+password="([^"]+)"', text) == [("zookeeper", expected)]


def test_in_a_turn_members_take_two_secrets() -> None:
    said = []
    for stage in ON_THE_WAY:
        text = zookeeper.jaas(replace(KEYS, epochs=FIRST.at(stage))).reveal()
        known = re.findall(r'user_(\w+)="([^"]+)"', text)
        said += re.findall(r'username="([^"]+)"\s+password="([^"]+)"', text)
        assert said[-1] in known
        assert len(known) == (1 if stage is Stage.REQUIRED else 2)
    old, new = (KEYS.of("zookeeper/quorum", epoch).reveal() for epoch in (1, 2))
    assert said == [("zookeeper", old), ("zookeeper2", new), ("zookeeper2", new)]


def test_in_a_turn_no_acl_stops_a_marathon_with_the_next_secret() -> None:
    for stage in ON_THE_WAY:
        keys = replace(KEYS, epochs=FIRST.at(stage))
        user, _, password = zookeeper.super_credentials(keys).reveal().strip().partition(":")
        assert (
            f"superDigest={zookeeper.digest_id(user, Secret(password))}\n" in zookeeper.java_options(keys, "x").reveal()
        )
        name = ("super", "zookeeper/super") if stage is Stage.REQUIRED else ("marathon", "zookeeper/marathon")
        assert (user, Secret(password)) == (name[0], KEYS.of(name[1], 2))
    alone = replace(KEYS, epochs=FIRST.at(Stage.CLIENTS, "zookeeper/mesos"))
    assert zookeeper.super_credentials(alone) == zookeeper.super_credentials(KEYS)


def test_each_stage_looks_at_marathons_tree_again() -> None:
    acls = []
    for epochs in (FIRST, *(FIRST.at(stage) for stage in ON_THE_WAY)):
        nodes = json.loads(zookeeper.tree(replace(KEYS, epochs=epochs), 256).reveal())["nodes"]
        acls.append({who: rights for node in nodes if node["path"] == "/marathon" for rights, _, who in node["acl"]})
    first, second = (zookeeper.digest_id("marathon", KEYS.of("zookeeper/marathon", epoch)) for epoch in (1, 2))
    assert acls == [{first: 31}, {first: 31, second: 15}, {second: 31, first: 15}, {second: 31}]


def test_credentials_are_what_the_tree_lets_in() -> None:
    tree = {node["path"]: node for node in json.loads(zookeeper.tree(KEYS, 256).reveal())["nodes"]}
    for said, path in (
        (zookeeper.masters_credentials(KEYS), "/mesos"),
        (zookeeper.marathon_credentials(KEYS), "/marathon"),
    ):
        user, _, password = said.reveal().strip().partition(":")
        # Marathon's grammar of a URL (ZookeeperConf): no '/', ':' or '@'
        assert re.fullmatch(r"[\w-]+", password)
        assert [31, "digest", zookeeper.digest_id(user, Secret(password))] in tree[path]["acl"]


def test_only_reading_is_left_to_everybody_and_of_marathon_only_its_leader() -> None:
    wanted = json.loads(zookeeper.tree(KEYS, 256).reveal())
    open_paths = set()
    for node in wanted["nodes"]:
        for path, acl in {node["path"]: node["acl"], **node.get("except", {})}.items():
            of_all = [entry for entry in acl if entry[1] == "world"]
            assert of_all in ([], [[1, "world", "anyone"]]), path
            open_paths |= {path} if of_all else set()
    assert open_paths == {"/", "/mesos", "/zookeeper", "/zookeeper/quota", "/marathon/leader-curator"}
    assert wanted["nodes"][-1]["path"] == "/", "an interrupted run begins anew only while the root is open"
    assert wanted["quotas"]["/marathon"]["bytes"] == 128 * 2**20
