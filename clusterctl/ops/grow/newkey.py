"""The cluster's key in a recovery: whether it is still there, and what it costs if it isn't."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clusterctl.errors import ClusterctlError
from clusterctl.ops.kit.delivery import is_control
from clusterctl.ops.kit.run import Run
from clusterctl.resources import Server
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part


def key_told(run: Run, servers: Sequence[Server], *, anew: bool, consent: bool) -> list[str]:
    """What goes on with which key, in lines for a person; nothing is made or written.

    Args:
        servers: all of the cluster.
        anew: all control nodes are made anew, so that the key may be, too.
        consent: to a new one.

    Raises:
        InputError, ClusterctlError: the key can't be had, and a new one can't be made or nobody consents to it.
    """
    spec = run.spec
    if not spec.has_secrets:
        return []
    kept_there = spec.secrets.source == "control"
    try:
        run.delivery.keyring(spec, servers)
    except ClusterctlError as error:
        if not kept_there:
            raise
        if anew and consent:
            return list(lost_key(spec))
        raise _without(error, spec, servers, anew=anew) from error
    where = "its control nodes have it" if kept_there else f"from {spec.secrets.source}"
    return [f"goes on: the cluster's key ({where}): agents and frameworks keep their credentials"]


def lost_key(spec: ClusterSpec) -> Iterator[str]:
    """What a new key means. Agents get its secrets by this command; Jenkins masters read theirs when they start."""
    yield (
        "lost: the cluster's key, which its control nodes had; a new one is made. Agents get new credentials and "
        "register with them; their tasks go on"
    )
    if spec.secured(Part.MESOS):
        if spec.jenkins is not None:
            yield (
                "with a new key, Jenkins masters that run can't register with Mesos before "
                "`clusterctl jenkins restart FILE --all`"
            )
        yield "with a new key, other frameworks that log in to Mesos must be given new secrets by you"


def _without(error: ClusterctlError, spec: ClusterSpec, servers: Sequence[Server], *, anew: bool) -> ClusterctlError:
    """Why it does not go on without the key."""
    control = [server for server in servers if is_control(server)]
    off = sorted(server.name for server in control if server.status != "ACTIVE")
    if not control:
        reason = f"no control node of cluster {spec.cluster} is left, and its key was on them"
    elif off and len(off) == len(control):
        reason = f"{', '.join(off)} may have the key of cluster {spec.cluster}, and can't be asked"
    else:
        reason = error.message
    first = f"Start {', '.join(off)} first (`openstack server start`): the key may be there. " if off else ""
    hint = (
        f"{first}`--new-key` consents to a new one: agents get new credentials by the same command, Jenkins masters "
        "and other frameworks that log in to Mesos must be restarted afterwards"
        if anew
        else f"{first}{error.hint or ''} If it is lost, `--from-backup DIRECTORY --new-key` begins with a new one"
    )
    return ClusterctlError(f"{reason}; nothing was touched", hint=f"{hint.strip()}.")
