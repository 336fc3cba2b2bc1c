"""``jenkins delete``: masters go; their homes stay unless they are to go, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.health.mesos import leading_master
from clusterctl.jenkins.app import app_id, framework_name
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.stop import Manner, stop
from clusterctl.ops.jenkins.survey import Master
from clusterctl.remote.marathons import Call


def delete(
    tier: Tier, names: Sequence[str], manner: Manner, *, purge: bool, confirm: Callable[[Sequence[str]], None]
) -> Outcome:
    """Deletes the apps of masters; with ``purge`` the homes, too, which can't be had back.

    A framework of plugin 2.x would stay in Mesos for its failover timeout, a week: it is torn down.

    Args:
        confirm: shown what goes; returns only with consent.

    Raises:
        ClusterctlError: there is none of a name.
        PartlyFailed: some are not deleted.
    """
    out = Outcome(tier.spec.cluster, "delete")
    with tier.locked():
        masters = tier.survey().named(names)
        confirm([_line(each, purge) for each in masters])
        with_app = [each for each in masters if each.app]
        # An app that is deleted is gone from Marathon's list before its task is: that must have ended first
        stop(tier, with_app, manner, out)
        with tier.run.progress.phase("delete"):
            going = out.going(each.name for each in with_app)
            calls = {name: Call("DELETE", f"/v2/apps{app_id(name)}?force=true") for name in going}
            out.fail(tier.deploy(calls, absent=True))
            _tear_down(tier, out, out.going(going))
            if purge:
                _purge(tier, out, [each for each in masters if each.name not in out.failed])
        for master in masters:
            if master.name not in out.failed:
                kept = f"; its home stays on {master.node.name}" if master.home and master.node and not purge else ""
                out.done[master.name] = f"deleted{kept}"
    return out.end(tier, "not deleted")


def _line(master: Master, purge: bool) -> str:
    home = f"{'deleting' if purge else 'keeping'} its home on {master.node.name}" if master.home and master.node else ""
    return f"- {master.name} ({master.state}){f', {home}' if home else ''}"


def _tear_down(tier: Tier, out: Outcome, names: Sequence[str]) -> None:
    assert tier.spec.jenkins is not None  # noqa: S101  (open_tier raised otherwise)
    if tier.spec.jenkins.plugin != "2.x" or not names:
        return  # failover timeout 0: Mesos has removed it with the connection
    leader = leading_master(tier.expect, tier.run.access.prober.probe(tier.expect.control))
    frameworks = {each.name: each.id for each in (leader[1].frameworks if leader else ())}
    for name in names:
        if framework := frameworks.get(framework_name(tier.spec, name)):
            call = {"type": "TEARDOWN", "teardown": {"framework_id": {"value": framework}}}
            try:
                tier.mesos.call([call])
            except ClusterctlError as error:
                out.fail({name: f"its framework {framework} was not torn down: {error.message}"})


def _purge(tier: Tier, out: Outcome, masters: Sequence[Master]) -> None:
    names: dict[str, list[str]] = {}
    for master in masters:
        if master.home and master.node:
            names.setdefault(master.node.name, []).append(master.name)
    requests = {node: tier.request(action="purge", names=each) for node, each in names.items()}
    for node, answer in tier.jenkins.homes(requests, tier.nodes).items():
        if isinstance(answer, NodeError):
            out.fail(dict.fromkeys(names[node], answer.message))
