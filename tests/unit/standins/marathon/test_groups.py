"""Groups: the tree, its versions, and who may use which role."""

from typing import Any

import pytest

from lab.standins.marathon.marathon_standin.groups import Group, ancestors, children, parent_of, roles_for, within
from tests.unit.standins.marathon.make import Leader, launched, offer
from tests.unit.standins.marathon.test_api import send, subscribed


def app(app_id: str, **more: Any) -> dict[str, Any]:
    return {"id": app_id, "cmd": "x", "cpus": 0.1, **more}


def shop() -> Leader:
    """A leader with the group /shop: an app, and a group in it with another."""
    leader = subscribed("--max_running_deployments", "1000")
    tree = {"id": "/shop", "apps": [app("web")], "groups": [{"id": "db", "apps": [app("main", instances=2)]}]}
    status, answer = send(leader, "POST", "/v2/groups", tree)
    assert (status, set(answer)) == (201, {"version", "deploymentId"})
    leader.run_everything(offer())
    return leader


def test_paths() -> None:
    assert ancestors("/a/b/c") == ["/a", "/a/b"]
    assert (parent_of("/a/b"), parent_of("/a"), ancestors("/a")) == ("/a", "/", [])
    assert children("/a", ["/a/b", "/a/b/c", "/ab", "/a/a"]) == ["/a/a", "/a/b"]
    assert [within(path, "/a") for path in ("/a/b", "/ab", "/a")] == [True, False, False]


def test_a_tree_is_one_deployment_and_is_shown_whole() -> None:
    leader = shop()
    status, group = send(leader, "GET", "/v2/groups/shop")
    assert status == 200
    assert [each["id"] for each in group["apps"]] == ["/shop/web"]
    assert (group["enforceRole"], group["pods"], group["dependencies"]) == (False, [], [])
    (db,) = group["groups"]
    assert (db["id"], [each["id"] for each in db["apps"]], "enforceRole" in db) == (
        "/shop/db",
        ["/shop/db/main"],
        False,
    )
    root = send(leader, "GET", "/v2/groups")[1]
    assert (root["id"], [each["id"] for each in root["groups"]]) == ("/", ["/shop"])
    assert "enforceRole" not in root
    bare = send(leader, "GET", "/v2/groups/shop?embed=group.groups")[1]
    assert ("apps" in bare, "groups" in bare) == (False, True)
    (with_tasks,) = send(leader, "GET", "/v2/groups/shop?embed=group.apps&embed=group.apps.tasks")[1]["apps"]
    assert len(with_tasks["tasks"]) == 1
    assert [each["id"] for each in send(leader, "GET", "/v2/groups/shop/apps")[1]] == ["/shop/db/main", "/shop/web"]
    assert len(send(leader, "GET", "/v2/apps/shop/*")[1]["*"]) == 2
    assert len(send(leader, "GET", "/v2/apps/shop/*/tasks")[1]["tasks"]) == 3


def test_a_group_is_created_once() -> None:
    leader = shop()
    status, answer = send(leader, "POST", "/v2/groups", {"id": "/shop"})
    assert (status, answer["message"]) == (409, "Group /shop is already created. Use PUT to change this group.")
    assert send(leader, "POST", "/v2/groups", {"id": "/shop/web"})[0] == 409
    assert send(leader, "POST", "/v2/apps", app("/shop"))[0] == 422  # a group has that name
    assert send(leader, "POST", "/v2/groups/shop", {"id": "new"})[0] == 201
    assert "/shop/new" in leader.state.groups


def test_an_app_makes_its_groups_and_they_stay() -> None:
    leader = subscribed()
    send(leader, "POST", "/v2/apps", app("/jenkins/team/a"))
    send(leader, "DELETE", "/v2/apps/jenkins/team/a")
    assert sorted(leader.state.groups) == ["/jenkins", "/jenkins/team"]
    assert send(leader, "GET", "/v2/groups/jenkins/team")[1]["apps"] == []


def test_an_update_replaces_the_lists_that_it_gives() -> None:
    leader = shop()
    send(leader, "PUT", "/v2/groups/shop", {"apps": [app("other")]})
    assert sorted(leader.state.apps) == ["/shop/db/main", "/shop/other"]  # groups were not given
    send(leader, "PUT", "/v2/groups/shop?force=true", {"groups": []})
    assert sorted(leader.state.apps) == ["/shop/other"]
    assert sorted(leader.state.groups) == ["/shop"]


def test_scaling_a_group() -> None:
    leader = shop()
    assert send(leader, "PUT", "/v2/groups/shop", {"scaleBy": 1.5})[0] == 200
    assert {each.id: each.instances for each in leader.state.apps.values()} == {"/shop/web": 2, "/shop/db/main": 3}


def test_going_back_to_a_version() -> None:
    leader = shop()
    before = send(leader, "GET", "/v2/groups/shop/versions")[1]
    leader.now += 1
    send(leader, "PUT", "/v2/apps/shop/web", {"cmd": "y"})
    leader.now += 1
    send(leader, "DELETE", "/v2/apps/shop/db/main")
    versions = send(leader, "GET", "/v2/groups/shop/versions")[1]
    assert (versions[:1], len(versions)) == (before, 3)
    then = send(leader, "GET", f"/v2/groups/shop/versions/{before[0]}")[1]
    assert [each["cmd"] for each in then["apps"]] == ["x"]
    assert send(leader, "PUT", f"/v2/groups/shop/versions/{before[0]}")[0] == 422  # as Marathon 1.11
    assert send(leader, "PUT", "/v2/groups/shop?force=true", {"version": before[0]})[0] == 200
    assert leader.state.apps["/shop/web"].spec["cmd"] == "x"
    assert "/shop/db/main" in leader.state.apps
    status, answer = send(leader, "PUT", "/v2/groups/shop", {"version": "2001-01-01T00:00:00.000Z"})
    assert (status, answer["message"]) == (422, "Group /shop not available in version 2001-01-01T00:00:00.000Z")


def test_a_dry_run_changes_nothing() -> None:
    leader = shop()
    apps = dict(leader.state.apps)
    status, answer = send(leader, "PUT", "/v2/groups/shop?dryRun=true", {"scaleBy": 2})
    assert status == 200
    assert [action["action"] for step in answer["steps"] for action in step["actions"]] == ["ScaleApplication"] * 2
    assert leader.state.apps == apps


def test_deleting_a_group_deletes_what_is_in_it() -> None:
    leader = shop()
    send(leader, "POST", "/v2/apps", app("/alone"))
    assert send(leader, "DELETE", "/v2/groups/shop")[0] == 200
    assert (list(leader.state.apps), leader.state.groups) == (["/alone"], {})
    assert send(leader, "DELETE", "/v2/groups/shop")[0] == 404
    assert send(leader, "DELETE", "/v2/groups?force=true")[0] == 200
    assert leader.state.apps == {}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"id": "/UPPER"},
        {"id": "/a", "apps": 7},
        {"id": "/a", "apps": [{"cmd": "x"}]},
        {"id": "/a", "apps": [app("/b/c")]},
        {"id": "/a", "groups": [{}]},
        {"id": "/a", "scaleBy": "two"},
        {"id": "/a", "dependencies": ["/b"]},
        {"id": "/a", "pods": [{}]},
    ],
)
def test_wrong_groups(body: Any) -> None:
    leader = subscribed()
    assert send(leader, "PUT", "/v2/groups", body)[0] == 422
    assert (leader.state.apps, leader.state.groups) == ({}, {})


# --- roles ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app_id", "enforce", "existing", "valid", "default"),
    [
        ("/web", True, None, {"own"}, "own"),
        ("/dev/web", False, None, {"own", "dev"}, "own"),
        ("/dev/a/web", True, None, {"dev"}, "dev"),
        ("/dev/web", True, "own", {"dev", "own"}, "dev"),
    ],
)
def test_roles(app_id: str, enforce: bool, existing: str | None, valid: set[str], default: str) -> None:
    groups = {"/dev": Group("/dev", "v", enforce)}
    found = roles_for(app_id, "own", groups, existing, enforce_new=False)
    assert (set(found.valid), found.default) == (valid, default)


def test_a_groups_role_is_subscribed_offered_for_and_used() -> None:
    leader = subscribed()
    _, calls = leader.ask("POST", "/v2/apps", b'{"id": "/dev/web", "cmd": "x", "role": "dev"}')
    assert [call["type"] for call in calls] == ["UPDATE_FRAMEWORK", "REVIVE"]
    assert calls[0]["update_framework"]["framework_info"]["roles"] == ["dev", "marathon"]
    assert calls[1]["revive"] == {"roles": ["dev"]}
    assert launched(leader.offers(offer())) == []  # allocated to marathon
    to_dev = offer(number=2) | {"allocation_info": {"role": "dev"}}
    assert len(launched(leader.offers(to_dev))) == 1
    assert leader.state.apps["/dev/web"].spec["acceptedResourceRoles"] == ["*", "dev"]


def test_a_top_level_group_may_enforce_its_role() -> None:
    leader = subscribed("--new_group_enforce_role", "top")
    assert send(leader, "POST", "/v2/apps", app("/dev/web"))[0] == 201
    assert leader.state.apps["/dev/web"].spec["role"] == "dev"
    assert send(leader, "PATCH", "/v2/groups/dev", {"enforceRole": False})[0] == 200
    assert send(leader, "POST", "/v2/apps", app("/dev/other", role="marathon"))[0] == 201
    assert send(leader, "PATCH", "/v2/groups/dev/inner", {"enforceRole": True})[0] == 422
