"""The cluster's key: from where the file says, or from its control nodes, which keep it for root alone.

In the key manager it is made by the ``create`` that makes the first server, before that server (``store_key``).

Kept there, it is made once, by a command that holds the cluster's lock and makes or finishes the cluster: when no
control node has one and all of them (or, of some that stay silent for long, a majority) are in their first boot. Agents
get nothing before a majority of control nodes has the key. So where a majority says that it never had one, no node can
have a secret that was derived from it.

How often secrets were turned over is kept by all nodes, wherever the key is, and told by control nodes first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError
from clusterctl.health.facts import BOOT_FILE
from clusterctl.ops.kit.access import Access
from clusterctl.remote.standardinput import sent
from clusterctl.resources import Server
from clusterctl.secrets.derive import new_key, parse_key
from clusterctl.secrets.epochs import FIRST, Epochs, furthest, parse_epochs
from clusterctl.secrets.nodes import EPOCHS_FILE, KEY_FILE
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.sources import from_command, from_environment, from_file
from clusterctl.secrets.stored import key_name, the_key
from clusterctl.spec.model import ClusterSpec
from clusterctl.ssh.client import SshError
from clusterctl.ssh.config import Target
from clusterctl.topology import quorum

_TIMEOUT_S = 30.0


@dataclass
class Found:
    """What control nodes said of the key, by node name.

    Attributes:
        fresh: in their first boot, without a key.
        bare: past their first boot, and without a key.
        epochs: of the secrets, as nodes have them that have any.
        silent: can't be asked, and why.
    """

    keys: dict[str, Secret] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    silent: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, Epochs] = field(default_factory=dict)


def given_key(spec: ClusterSpec, cloud: Cloud, environ: Mapping[str, str] = os.environ) -> Secret | None:
    """The key from where the file says; None if control nodes keep it.

    Raises:
        InputError, ClusterctlError: as the source does (``clusterctl.secrets.sources``, ``stored``).
    """
    settings = spec.secrets
    if settings.source == "barbican":
        return _stored_key(spec.cluster, cloud)
    if settings.path is not None:
        return from_file(Path(settings.path))
    if settings.variable is not None:
        return from_environment(settings.variable, environ)
    if settings.command is not None:
        return from_command(settings.command)
    return None


def store_key(spec: ClusterSpec, cloud: Cloud, servers: Collection[Server]) -> bool:
    """Sees to a new cluster's key in the key manager, before it has servers; whether one was made. Under the lock.

    Args:
        servers: of the cluster.

    Raises:
        ClusterctlError: it has servers and no key; or as ``given_key``.
    """
    if servers:
        _stored_key(spec.cluster, cloud)
        return False
    if the_key(spec.cluster, cloud.cluster_keys(spec.cluster)) is not None:
        return False  # of an earlier run, or of a cluster whose volumes were kept
    cloud.create_cluster_key(spec.cluster, make_key())
    return True


def _stored_key(cluster: str, cloud: Cloud) -> Secret:
    if (key := the_key(cluster, cloud.cluster_keys(cluster))) is None:
        raise ClusterctlError(
            f"the key manager has no secret {key_name(cluster)}, and the cluster has servers: its key is lost or "
            "somewhere else, or the cluster was made without one",
            hint="A key is made only with a new cluster. Put the secret back from another copy, or say where the key "
            "is ('secrets: {from: control}' is the default); a cluster that was made open stays so with 'security: "
            "{insecure: all}', and `clusterctl secure FILE` closes it.",
        )
    return key


def ask_nodes(access: Access, targets: Sequence[Target]) -> Found:
    """Asks nodes whose host keys are pinned.

    Raises:
        InputError: a node's file holds something else than a key.
        ClusterctlError: a node's file of epochs is of a newer release.
    """
    script = sent("keyfile.py", {"key": KEY_FILE, "epochs": EPOCHS_FILE, "boot": BOOT_FILE}, root=True)
    answers = access.ssh.run_many(targets, lambda _: script.command, stdin=script.stdin, timeout_s=_TIMEOUT_S)
    found = Found()
    for target in targets:
        answer = answers[target.name]
        if isinstance(answer, SshError):
            found.silent[target.name] = answer.reason
        elif answer.returncode != 0:
            said = (answer.stderr.strip() or "nothing").splitlines()[-1]
            found.silent[target.name] = f"the script ended with {answer.returncode} and said: {said}"
        else:
            told = json.loads(answer.stdout)
            fresh = told["boot"] in (None, "running", "failed")
            if told["key"] is not None:
                found.keys[target.name] = parse_key(told["key"], f"{target.name}:{KEY_FILE}")
            elif fresh:
                found.fresh.append(target.name)
            else:
                found.bare.append(target.name)
            if told["epochs"] is not None:
                found.epochs[target.name] = parse_epochs(told["epochs"], f"{target.name}:{EPOCHS_FILE}")
            elif told["key"] is not None or not fresh:
                found.epochs[target.name] = FIRST  # its files came without: nothing was turned over then
    return found


def known_epochs(found: Found, members: int, *, patient: bool) -> Epochs | None:
    """The epochs of a cluster whose control nodes said that; None if it can't be told yet.

    Args:
        members: number of control nodes.
        patient: the silent ones may still speak up.
    """
    if found.epochs:
        return furthest(found.epochs.values())
    heard = len(found.fresh)
    return FIRST if (heard == members if patient else heard >= quorum(members)) else None


def agreed(cluster: str, found: Found) -> Secret | None:
    """The one key that nodes have; None if none has one.

    Raises:
        ClusterctlError: they have different ones.
    """
    keys = list(found.keys.values())
    if any(key != keys[0] for key in keys):
        told = "; ".join(f"{name} has {_mark(key)}" for name, key in sorted(found.keys.items()))
        raise ClusterctlError(
            f"the control nodes of cluster {cluster} have different keys: {told} (beginnings of their sha256)",
            hint="Which one the services use tells `clusterctl verify FILE`; `clusterctl replace FILE NODE` makes a "
            "node anew that has another.",
        )
    return keys[0] if keys else None


def may_make(cluster: str, found: Found, members: int, *, patient: bool) -> bool:
    """Whether no node can have had a key yet, so that one may be made.

    Args:
        members: number of control nodes.
        patient: the silent ones may still speak up.

    Raises:
        ClusterctlError: it once had a key, or was made without: nothing of it can be found out now.
    """
    if found.bare:
        raise ClusterctlError(
            f"no control node of cluster {cluster} has its key ({KEY_FILE}), and {', '.join(sorted(found.bare))} "
            "finished its first boot: the key is lost, or the cluster was made without one",
            hint="A key is made only with a new cluster. Put the file back from another copy; a cluster that was made "
            "open stays so with 'security: {insecure: all}', and `clusterctl secure FILE` closes it.",
        )
    heard = len(found.fresh)
    return heard == members if patient else heard >= quorum(members)


def make_key() -> Secret:
    """A new one."""
    return new_key()


def missing(cluster: str, found: Found) -> ClusterctlError:
    """The error where a key is wanted and none can be had now."""
    silent = "; ".join(f"{name}: {reason}" for name, reason in sorted(found.silent.items()))
    fresh = f"{', '.join(sorted(found.fresh))} never got one" if found.fresh else ""
    told = "; ".join(filter(None, (silent, fresh)))
    return ClusterctlError(
        f"the key of cluster {cluster} can't be read from its control nodes: {told}",
        hint="`clusterctl create FILE` finishes a cluster; `clusterctl status FILE` shows its control nodes.",
    )


def _mark(key: Secret) -> str:
    return sha256(key.reveal().encode()).hexdigest()[:8]
