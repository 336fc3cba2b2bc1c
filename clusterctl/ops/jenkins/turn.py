"""What ``secrets rotate`` does with Jenkins masters: those that run are restarted, and say their next secrets then.

A master reads its secret when it starts. It is a new framework at each start, so its next secret may have another
principal: Mesos knows both meanwhile, and nobody has to be quick.
"""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.errors import ClusterctlError
from clusterctl.ops.jenkins.ground import Tier
from clusterctl.ops.jenkins.outcome import Outcome
from clusterctl.ops.jenkins.quiet import quiet_down
from clusterctl.ops.jenkins.stop import Manner, bring_up
from clusterctl.ops.jenkins.survey import Master


def restart_turned(tier: Tier, principals: Mapping[int, str], manner: Manner) -> list[str]:
    """Restarts masters that run as somebody else than they should be to Mesos, in batches, once no build runs on them.

    The caller holds the cluster's lock.

    Args:
        principals: by slot, who its master should be; of no other slot a master is touched.

    Returns:
        Names of those that were restarted, and serve.

    Raises:
        MarathonError: no Marathon answers.
        ClusterctlError: some were not restarted, or nothing is known of the homes of a node.
    """
    survey = tier.survey()
    if survey.silent:
        dark = "; ".join(f"{host.node}: {host.error}" for host in survey.silent)
        raise ClusterctlError(f"it is unknown with which secrets Jenkins masters run: {dark}")
    late = [each for each in survey.masters.values() if _runs(each) and _is_late(each, principals)]
    out = Outcome(tier.spec.cluster, "secrets rotate")
    out.fail({each.name: "; ".join(each.problems) for each in late if each.problems})
    todo = [each for each in late if each.name not in out.failed]
    for start in range(0, len(todo), manner.batch):
        part = todo[start : start + manner.batch]
        tier.run.progress.note(f"Jenkins masters that get their next secrets: {', '.join(each.name for each in part)}")
        if not manner.force:
            out.fail(quiet_down(tier, part, timeout_s=manner.quiet_timeout_s))
        quiet = [each for each in part if each.name not in out.failed]
        bring_up(tier, survey, quiet, manner, out, word="has its next secret")
    if out.failed:
        raise ClusterctlError(
            f"{len(out.failed)} of {len(late)} Jenkins masters were not restarted with their next secrets; their last "
            "ones are good still:\n" + "\n".join(f"  {name}: {why}" for name, why in out.failed.items()),
            hint="`clusterctl jenkins restart FILE NAME --force` restarts one whose builds don't end; they are lost.",
        )
    return list(out.done)


def _runs(master: Master) -> bool:
    return bool(master.app and master.app.hosts)


def _is_late(master: Master, principals: Mapping[int, str]) -> bool:
    """Its user may write there what he likes: whoever says that he has turned and hasn't, is refused by Mesos later."""
    wanted = principals.get(master.slot)
    return wanted is not None and (master.home is None or master.home.principal != wanted)
