"""Jenkins masters: Marathon apps with the label ``clusterctl.jenkins``, whose place is the agents reserved for them."""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.health.check import Check, check
from clusterctl.health.expect import Expected
from clusterctl.health.facts import NodeFacts, Unknown
from clusterctl.health.marathon import leading_marathon

NAME = "jenkins.placement"


def jenkins_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """The check ``jenkins.placement``; none if there is no such app."""
    leader = leading_marathon(expect, facts)
    apps = leader[1].jenkins if leader else ()
    if isinstance(apps, Unknown):
        return [check(NAME, [f"the leading Marathon does not list its apps: {apps.error}"], "")]
    if not apps:
        return []
    reserved = {node.address for node in expect.agents if expect.offers[node.group].reserved == expect.marathon_role}
    astray = [
        f"{app.id} runs on {host}, expected only agents reserved for {expect.marathon_role}"
        for app in apps
        for host in app.hosts
        if host not in reserved
    ]
    tasks = sum(len(app.hosts) for app in apps)
    return [check(NAME, astray, f"{tasks} tasks of {len(apps)} apps, all on reserved agents")]
