"""Pure: what Mesos is given about who may do what: credentials, ACLs and rate limits generated from the cluster file.

Forms: ``mesos.proto`` (Credentials), ``authorizer/acls.proto`` and the documentation "Authorization". ACLs whose field
Mesos doesn't know are ignored in silence: ``tests/contract/mesos/test_acls.py`` shows each to have its effect.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from clusterctl.jenkins.slots import build_user, master_user
from clusterctl.secrets.derive import Keyring
from clusterctl.secrets.epochs import FIRST, Epochs
from clusterctl.secrets.names import (
    AGENT_HTTP,
    MARATHON,
    OPERATOR,
    PROBE,
    agent_principal,
    jenkins_principal,
    login_secret,
    mesos_principals,
    principal_of,
)
from clusterctl.secrets.secret import Secret
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec

ANY = {"type": "ANY"}
# What operators may do, by the name of the objects: all that `clusterctl` and a person at an incident need. Not
# containers outside of tasks, which run as whom their caller wishes, nor quotas, weights, reservations and volumes.
_OPERATOR = {
    "users": ("view_frameworks", "view_tasks", "view_executors", "access_sandboxes", "view_containers"),
    "roles": ("view_roles", "get_quotas"),
    "paths": ("get_endpoints",),
    "flags": ("view_flags",),
    "logs": ("access_mesos_logs",),
    "level": ("set_log_level",),
    "framework_principals": ("teardown_frameworks",),
    "agents": ("drain_agents", "deactivate_agents", "reactivate_agents", "mark_agents_gone"),
    "machines": (
        "get_maintenance_schedules",
        "get_maintenance_statuses",
        "update_maintenance_schedules",
        "start_maintenances",
        "stop_maintenances",
    ),
}
# What is needed to tell whether the cluster is healthy
_PROBE = {
    "users": ("view_frameworks", "view_tasks", "view_executors"),
    "roles": ("view_roles",),
    "paths": ("get_endpoints",),
}

# Messages that may wait of one Jenkins master. Each waiting answer to an offer holds that offer, so ordinary use has no
# more than agents and a few for each build: 1,000 agents and 500 builds are 3,000. Of 1 KiB each, 50 that all flood
# take 0.5 GiB of a master.
RATE_CAPACITY = 10_000

Acls = dict[str, Any]


def master_credentials(spec: ClusterSpec, keys: Keyring) -> Secret:
    """The masters' ``--credentials``: everybody's secret, JSON."""
    return _credentials(mesos_principals(spec), keys)


def agent_credential(group: str, keys: Keyring) -> Secret:
    """An agent's ``--credential``, by which it registers; the same for all of a group (D4)."""
    return login_file(agent_principal(group), keys)


def login(principal: str, keys: Keyring) -> tuple[str, Secret]:
    """Who somebody says he is now, and his secret."""
    name = login_secret(principal)
    return principal_of(principal, keys.epochs[name]), keys[name]


def login_file(principal: str, keys: Keyring) -> Secret:
    """The same, JSON."""
    return principal_file(*login(principal, keys))


def principal_file(principal: str, secret: Secret, *others: Secret) -> Secret:
    """One principal and its secret, JSON; with ``others``, a list, those that servers may want still."""
    told: dict[str, Any] = {"principal": principal, "secret": secret.reveal()}
    return Secret(json.dumps(told | ({"others": [each.reveal() for each in others]} if others else {})) + "\n")


def agent_http_credentials(keys: Keyring) -> Secret:
    """An agent's ``--http_credentials``: who may ask its API, which has nothing to do with the masters'."""
    return _credentials([AGENT_HTTP], keys)


def master_acls(spec: ClusterSpec, app_users: Sequence[str] = (), epochs: Epochs = FIRST) -> Acls:
    """The masters' ``--acls``; what is not allowed here is denied (``permissive: false``).

    Args:
        app_users: Unix users that Marathon's apps may have, besides those of Jenkins masters.
    """
    agents = spec.groups_of(Service.MESOS_AGENT)
    registering = [who for group in agents for who in _known(agent_principal(group), epochs)]
    operators, probes = _known(OPERATOR, epochs), _known(PROBE, epochs)
    acls: Acls = {
        "permissive": False,
        "register_frameworks": [_rule([MARATHON], "roles", [spec.marathon.role])],
        "run_tasks": _run_tasks(spec, app_users, epochs),
        "register_agents": [_rule(registering, "agents", ANY)],
        "reserve_resources": _reservations(spec, agents, epochs),
    }
    if spec.jenkins:
        tenants = [who for slot in _slots(spec) for who in _known(jenkins_principal(slot), epochs)]
        acls["register_frameworks"].append(_rule(tenants, "roles", [spec.jenkins.role]))
    for objects, actions in _OPERATOR.items():
        for action in actions:
            probed = action in _PROBE.get(objects, ())
            acls[action] = [_rule([*operators, *probes] if probed else operators, objects, ANY)]
    return acls


def rate_limits(spec: ClusterSpec, epochs: Epochs = FIRST) -> dict[str, Any]:
    """The masters' ``--rate_limits`` (``mesos.proto``, RateLimits; documentation "Framework Rate Limiting").

    Of libprocess messages a second, as plugins 0.x and 1.x send them, each Jenkins master has its own share. What is
    beyond waits in the master; beyond ``RATE_CAPACITY`` that wait the framework's driver is aborted with an error. A
    principal without ``qps`` is unlimited; nobody else may register (``master_acls``). The scheduler API over HTTP,
    Marathon's too, is not limited by Mesos.
    """
    share = {"qps": spec.mesos.tenant_qps, "capacity": RATE_CAPACITY} if spec.mesos.tenant_qps else {}
    principals = (who for slot in _slots(spec) for who in _known(jenkins_principal(slot), epochs))
    tenants = [{"principal": principal, **share} for principal in principals]
    return {"limits": [{"principal": MARATHON}, *tenants]}


def agent_acls(spec: ClusterSpec, app_users: Sequence[str] = (), epochs: Epochs = FIRST) -> Acls:
    """An agent's ``--acls``: whoever has its node's credential may look, and start nothing.

    Agents authorize the tasks that masters send them once more, by the framework's principal: the same rules as there.
    """
    looks = {
        action: [_rule(_known(AGENT_HTTP, epochs), objects, ANY)]
        for objects, actions in _OPERATOR.items()
        for action in actions
        if action.startswith(("view_", "get_endpoints"))
    }
    return {"permissive": False, "run_tasks": _run_tasks(spec, app_users, epochs), **looks}


def _run_tasks(spec: ClusterSpec, app_users: Sequence[str], epochs: Epochs) -> list[Acls]:
    masters = _rule([MARATHON], "users", [*map(master_user, _slots(spec)), *app_users])
    builds = [_rule(_known(jenkins_principal(slot), epochs), "users", [build_user(slot)]) for slot in _slots(spec)]
    return [masters, *builds]


def _slots(spec: ClusterSpec) -> range:
    return range(1, spec.jenkins.max_masters + 1) if spec.jenkins else range(0)


def _reservations(spec: ClusterSpec, groups: Iterable[str], epochs: Epochs) -> list[Acls]:
    """Static ones are authorised, too, at an agent's registration: for the role that its group reserves for, and for
    ``*`` where it offers anything besides.
    """
    rules = []
    for group in groups:
        reserved = spec.groups[group].reserve_for
        rules.append(_rule(_known(agent_principal(group), epochs), "roles", [reserved, "*"] if reserved else ["*"]))
    return rules


def _rule(principals: Sequence[str], objects: str, of: Sequence[str] | dict[str, str]) -> Acls:
    return {"principals": {"values": list(principals)}, objects: of if isinstance(of, dict) else {"values": list(of)}}


def _known(principal: str, epochs: Epochs) -> list[str]:
    """As whom servers know somebody: in a turn under two names."""
    return [principal_of(principal, epoch) for epoch in _taken(principal, epochs)]


def _taken(principal: str, epochs: Epochs) -> list[int]:
    # The same list while clients change over: it is worth no restart
    return sorted(epochs.taken(login_secret(principal)))


def _credentials(principals: Iterable[str], keys: Keyring) -> Secret:
    found = [
        (principal_of(principal, epoch), keys.of(login_secret(principal), epoch))
        for principal in principals
        for epoch in _taken(principal, keys.epochs)
    ]
    listed = [{"principal": principal, "secret": secret.reveal()} for principal, secret in found]
    return Secret(json.dumps({"credentials": listed}) + "\n")
