"""The Jenkins tier: Marathon's apps with the label ``clusterctl.jenkins``, and the homes on the agents for them.

A node's homes are known only if it was asked; what they would show is not judged otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from clusterctl.health.check import Check, check
from clusterctl.health.expect import Expected, Node
from clusterctl.health.facts import HomeFacts, JenkinsApp, NodeFacts, Unknown
from clusterctl.health.marathon import leading_marathon
from clusterctl.health.mesos import leading_master

PLACEMENT = "jenkins.placement"
MASTERS = "jenkins.masters"
HOMES = "jenkins.homes"
FRAMEWORKS = "jenkins.frameworks"
VOLUMES = "jenkins.volumes"

# A full volume stops every master on it, and Jenkins writes a log a build
LEAST_FREE = 0.1

_Found = Sequence[tuple[Node, HomeFacts]]


def jenkins_checks(expect: Expected, facts: Mapping[str, NodeFacts]) -> list[Check]:
    """``jenkins.placement`` and ``.masters`` if there are masters, ``.homes`` and ``.volumes`` if nodes were asked for
    their homes, ``.frameworks`` if masters are always registered.
    """
    leader = leading_marathon(expect, facts)
    apps = leader[1].jenkins if leader else ()
    if isinstance(apps, Unknown):
        return [check(PLACEMENT, [f"the leading Marathon does not list its apps: {apps.error}"], "")]
    asked = [node for node in expect.agents if node.homes and node.name in facts]
    homes = [(node, home) for node in asked if (part := facts[node.name].homes) for home in part.homes]
    found = []
    if apps:
        found += [_placement(expect, apps), check(MASTERS, list(_masters(expect, facts, apps, homes)), _counts(apps))]
    if asked:
        known = leader is not None  # without a leader nothing is said of apps
        found += [
            check(HOMES, list(_homes(facts, asked, apps, homes)), _kept(apps, homes, known=known)),
            check(VOLUMES, list(_volumes(facts, asked)), f"{len(asked)} with more than {LEAST_FREE:.0%} free"),
        ]
    if apps and expect.jenkins and expect.jenkins.registration == "always" and expect.jenkins.plugin != "2.x":
        found.append(check(FRAMEWORKS, list(_frameworks(expect, facts, apps)), f"{len(apps)} registered"))
    return found


def awake(apps: Sequence[JenkinsApp]) -> list[JenkinsApp]:
    """Those that don't hibernate."""
    return [app for app in apps if app.instances]


def _placement(expect: Expected, apps: Sequence[JenkinsApp]) -> Check:
    reserved = {node.address for node in expect.agents if expect.offers[node.group].reserved == expect.marathon_role}
    astray = []
    for app in apps:
        for host in app.hosts:
            if host not in reserved:
                astray.append(f"{app.id} runs on {host}, expected only agents reserved for {expect.marathon_role}")
            elif app.bound and host != app.bound:
                astray.append(f"{app.id} runs on {host}, expected {app.bound}, where its home is")
    tasks = sum(len(app.hosts) for app in apps)
    return check(PLACEMENT, astray, f"{tasks} tasks of {len(apps)} apps, all on reserved agents")


def _counts(apps: Sequence[JenkinsApp]) -> str:
    asleep = len(apps) - len(awake(apps))
    return f"{len(apps) - asleep} run" + (f", {asleep} hibernate" if asleep else "")


def _masters(
    expect: Expected, facts: Mapping[str, NodeFacts], apps: Sequence[JenkinsApp], homes: _Found
) -> Iterator[str]:
    asked = {node.address: node for node in expect.agents if node.homes and _told(facts, node)}
    logins = {(node.address, home.name): home.login for node, home in homes}
    for app in awake(apps):
        login = logins.get((app.bound, app.name))
        if not app.running:
            yield f"{app.id} has no running task"
        elif app.bound in asked and login is not None and login != 200:
            yield f"{app.id}: /login on {asked[app.bound]}: {f'HTTP {login}' if login else 'no answer'}, expected 200"


def _homes(
    facts: Mapping[str, NodeFacts], asked: Sequence[Node], apps: Sequence[JenkinsApp], homes: _Found
) -> Iterator[str]:
    for node in asked:
        seen = facts[node.name]
        if seen.error or seen.homes is None or seen.homes.error:
            yield f"{node}: {seen.error or (seen.homes.error if seen.homes else 'not told')}"
    silent = {node.address for node in asked if not _told(facts, node)}
    there = {(node.address, home.name) for node, home in homes}
    places: dict[str, list[str]] = {}
    slots: dict[int, set[str]] = {}
    for node, home in homes:
        places.setdefault(home.name, []).append(node.name)
        if home.slot is None:
            yield f"{home.name} on {node.name} does not belong to a master's user"
        else:
            slots.setdefault(home.slot, set()).add(home.name)
    for app in apps:
        if app.slot is not None:
            slots.setdefault(app.slot, set()).add(app.name)
        if app.bound in {node.address for node in asked} - silent and (app.bound, app.name) not in there:
            yield f"{app.id} has no home on {app.bound}"
    yield from (f"{name} has homes on {' and '.join(at)}" for name, at in places.items() if len(at) > 1)
    yield from (f"slot {slot} is of {' and '.join(sorted(names))}" for slot, names in slots.items() if len(names) > 1)


def _kept(apps: Sequence[JenkinsApp], homes: _Found, *, known: bool) -> str:
    names = {app.name for app in apps}
    kept = sorted({home.name for _, home in homes if home.name not in names}) if known else []
    more = f" and {len(kept) - 8} more" if len(kept) > 8 else ""
    return f"{len(homes)} homes" + (f"; kept without an app: {', '.join(kept[:8])}{more}" if kept else "")


def _volumes(facts: Mapping[str, NodeFacts], asked: Sequence[Node]) -> Iterator[str]:
    for node in asked:
        part = facts[node.name].homes
        if part and not part.error and part.free_mib < LEAST_FREE * part.size_mib:
            yield (
                f"{node}: {part.free_mib} of {part.size_mib} MiB free, expected {LEAST_FREE:.0%} "
                "(`clusterctl jenkins prune FILE --all` deletes homes that were set aside)"
            )


def _frameworks(expect: Expected, facts: Mapping[str, NodeFacts], apps: Sequence[JenkinsApp]) -> Iterator[str]:
    leader = leading_master(expect, facts)
    if leader is None or expect.jenkins is None:
        yield "no leading Mesos master to ask"
        return
    active = {each.name for each in leader[1].frameworks if each.active}
    for app in awake(apps):
        name = expect.jenkins.framework_name.replace("{name}", app.name)
        if app.running and name not in active:
            yield f"{app.id} runs, and its framework {name} is not registered"


def _told(facts: Mapping[str, NodeFacts], node: Node) -> bool:
    seen = facts.get(node.name)
    return seen is not None and not seen.error and seen.homes is not None and not seen.homes.error
