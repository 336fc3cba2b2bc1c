"""What ``clusterctl.secrets.mesos`` makes of a cluster file, on real Mesos: what must be denied is, for that reason,
and what must work does. The attacks are first made on a master and agents without it, where they succeed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from clusterctl.secrets import mesos as files
from clusterctl.secrets.names import AGENT_HTTP
from tests.contract.mesos.cluster import MASTER_PORT, Daemon, wait_for
from tests.contract.mesos.framework import Framework
from tests.contract.mesos.netns import private_network
from tests.contract.mesos.secured import HOST, PORTS, Answer, SecuredMesos, message, run_task

pytestmark = pytest.mark.mesos

JENKINS, BUILDERS = PORTS["jenkins"], PORTS["builders"]


def made(root: Path, *, secured: bool) -> Iterator[SecuredMesos]:
    # not pytest's own directory, which no task could enter
    with private_network(), TemporaryDirectory(prefix="mesos-acls-") as work:
        Path(work).chmod(0o711)
        mesos = SecuredMesos(root, Path(work), secured=secured)
        try:
            mesos.start()
            yield mesos
        finally:
            mesos.stop()


@pytest.fixture(scope="module")
def secured(root: Path) -> Iterator[SecuredMesos]:
    yield from made(root, secured=True)


class Attacks:
    """Each gives what was answered; and whether a forged task ran is told by its file."""

    def __init__(self, mesos: SecuredMesos) -> None:
        self.mesos = mesos

    def container_outside_of_tasks(self, principal: str | None, target: Path) -> Answer:
        resources = [
            {"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in (("cpus", 0.1), ("mem", 32))
        ]
        launch = {
            "container_id": {"value": "evil"},
            "command": {"value": f"id > {target}", "shell": True},
            "resources": resources,
        }
        body = {"type": "LAUNCH_CONTAINER", "launch_container": launch}
        return self.mesos.ask(principal, "/api/v1", body, BUILDERS)

    def forged_task(self, target: Path) -> Answer:
        agent_id = self.mesos.registered()["builders"]
        task = run_task(agent_id, f"id > {target}", f"t-{target.name}")
        path = "/slave(1)/mesos.internal.RunTaskMessage"
        return self.mesos.forge(BUILDERS, path, task, f"master@{HOST}:{MASTER_PORT}")

    def forged_farewell(self, group: str) -> Answer:
        agent_id = self.mesos.registered()[group]
        path = "/master/mesos.internal.UnregisterSlaveMessage"
        return self.mesos.forge(
            MASTER_PORT, path, message((1, message((1, agent_id)))), f"slave(1)@{HOST}:{PORTS[group]}"
        )


def test_the_attacks_succeed_on_an_open_cluster(root: Path, tmp_path: Path) -> None:
    with contextmanager(made)(root, secured=False) as mesos:
        attacks = Attacks(mesos)
        assert mesos.subscribe(None, "marathon", user="root")[0] == 200
        assert mesos.operator(None, "GET_FLAGS")[0] == 200
        assert attacks.container_outside_of_tasks(None, tmp_path / "container")[0] == 200
        assert attacks.forged_task(tmp_path / "task")[0] == 202
        for name in ("container", "task"):
            wait_for(f"the {name} to run as root", lambda name=name: "uid=0" in read(tmp_path / name))
        assert attacks.forged_farewell("jenkins")[0] == 202
        wait_for("the agent to be thrown out", lambda: "jenkins" not in mesos.registered())


def read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def test_who_is_nobody_gets_nothing(secured: SecuredMesos, tmp_path: Path) -> None:
    attacks = Attacks(secured)
    assert secured.subscribe(None, "marathon", user="root")[0] == 401
    assert attacks.container_outside_of_tasks(None, tmp_path / "container")[0] == 401
    for kind in ("GET_STATE", "GET_FLAGS", "GET_METRICS"):
        assert secured.operator(None, kind)[0] == 401
    for port in (MASTER_PORT, BUILDERS):
        for path in ("/flags", "/state", "/files/debug", "/metrics/snapshot"):
            assert secured.ask(None, path, port=port)[0] == 401, (port, path)
        # what Mesos leaves open, whatever one does
        assert secured.ask(None, "/health", port=port)[0] == 200
        assert secured.ask(None, "/version", port=port)[0] == 200


def test_forged_messages_of_other_addresses_are_refused(secured: SecuredMesos, tmp_path: Path) -> None:
    attacks = Attacks(secured)
    before = secured.registered()
    status, text = attacks.forged_task(tmp_path / "task")
    assert (status, "IP" in text or "address" in text) == (400, True), text
    assert attacks.forged_farewell("jenkins")[0] == 400
    # a task through the front door ends in the meantime: whatever was forged had as long
    with_task(secured, "jenkins-001", "b-001", "builders")
    assert not (tmp_path / "task").exists()
    assert secured.registered() == before


@pytest.mark.parametrize(
    ("principal", "role", "claims", "user", "status", "says"),
    [
        ("marathon", "marathon", None, "jenkins", 200, "SUBSCRIBED"),
        ("jenkins-001", "*", None, "b-001", 200, "SUBSCRIBED"),
        ("jenkins-001", "marathon", None, "b-001", 200, "Not authorized to register framework"),
        ("jenkins-001", "*", "marathon", "b-001", 400, "does not match principal"),
        ("jenkins-001", "*", None, "root", 200, "User 'root' is not allowed to run frameworks without"),
        ("marathon", "*", None, "jenkins", 200, "Not authorized to register framework"),
        ("agent-builders", "*", None, "nobody", 200, "Not authorized to register framework"),
        ("operator", "marathon", None, "nobody", 200, "Not authorized to register framework"),
        ("probe", "*", None, "nobody", 200, "Not authorized to register framework"),
    ],
)
def test_who_may_be_a_framework(
    secured: SecuredMesos, principal: str, role: str, claims: str | None, user: str, status: int, says: str
) -> None:
    found, text = secured.subscribe(principal, role, claims=claims, user=user)
    assert (found, says in text) == (status, True), text


def with_task(mesos: SecuredMesos, principal: str, task_user: str, group: str) -> dict[str, str]:
    """The last status of a task of ``principal`` that is to run as ``task_user`` on an agent of ``group``."""
    role, user = ("marathon", "jenkins") if principal == "marathon" else ("*", f"b-{principal[-3:]}")
    framework = Framework(mesos, (role,), user=user, principal=principal, headers=mesos.basic(principal))
    try:
        task = framework.launch({"value": f'test "$(id -un)" = {task_user}', "user": task_user}, group)

        def over() -> dict[str, str] | None:
            last = framework.updates[task][-1:]
            return last[0] if last and last[0]["state"] in ("TASK_FINISHED", "TASK_ERROR", "TASK_FAILED") else None

        return wait_for("the end of the task", over)
    finally:
        framework.close()


@pytest.mark.parametrize(
    ("principal", "group", "user", "allowed"),
    [
        ("marathon", "jenkins", "jm-001", True),
        ("marathon", "jenkins", "jenkins", True),
        ("marathon", "jenkins", "b-001", False),
        ("marathon", "jenkins", "root", False),
        ("jenkins-001", "builders", "b-001", True),
        ("jenkins-001", "builders", "b-002", False),
        ("jenkins-001", "builders", "jm-001", False),
        ("jenkins-001", "builders", "root", False),
        ("jenkins-002", "builders", "b-002", True),
    ],
)
def test_whom_tasks_run_as(secured: SecuredMesos, principal: str, group: str, user: str, allowed: bool) -> None:
    status = with_task(secured, principal, user, group)
    if allowed:
        assert status["state"] == "TASK_FINISHED", status
    else:
        assert (status["state"], status["reason"]) == ("TASK_ERROR", "REASON_TASK_UNAUTHORIZED"), status


def test_operators_and_the_probe(secured: SecuredMesos) -> None:
    agent = {"agent_id": {"value": secured.registered()["builders"]}}
    for who in ("operator", "probe"):
        assert '"hostname": "builders"' in secured.operator(who, "GET_AGENTS")[1]
        assert secured.ask(who, "/master/state-summary")[0] == 200
        assert secured.ask(who, "/metrics/snapshot")[0] == 200
    assert secured.operator("operator", "GET_FLAGS")[0] == 200
    assert secured.operator("probe", "GET_FLAGS")[0] == 403
    for who in ("probe", "agent-builders", "jenkins-001", "marathon"):
        assert secured.operator(who, "DRAIN_AGENT", drain_agent=agent)[0] == 403, who
        assert secured.operator(who, "DEACTIVATE_AGENT", deactivate_agent=agent)[0] == 403, who
        assert secured.operator(who, "MARK_AGENT_GONE", mark_agent_gone=agent)[0] == 403, who
        assert secured.operator(who, "GET_MAINTENANCE_SCHEDULE")[0] in (200, 403), who
        assert (
            secured.operator(who, "UPDATE_WEIGHTS", update_weights={"weight_infos": [{"weight": 9, "role": "x"}]})[0]
            == 403
        )
    assert secured.operator("operator", "DRAIN_AGENT", drain_agent=agent)[0] == 200
    wait_for("the drain", lambda: "DRAINED" in secured.operator("operator", "GET_AGENTS")[1])
    assert secured.operator("operator", "REACTIVATE_AGENT", reactivate_agent=agent)[0] == 200
    wait_for("both agents", lambda: len(secured.registered()) == 2)


def test_what_a_tenant_sees_of_others(secured: SecuredMesos) -> None:
    framework = Framework(
        secured, ("marathon",), user="jenkins", principal="marathon", headers=secured.basic("marathon")
    )
    try:
        assert framework.id is not None
        shown = framework.id["value"]
        assert shown in secured.operator("operator", "GET_FRAMEWORKS")[1]
        assert shown in secured.operator("probe", "GET_FRAMEWORKS")[1]
        assert shown not in secured.operator("jenkins-001", "GET_FRAMEWORKS")[1]
        teardown = {"framework_id": framework.id}
        assert secured.operator("jenkins-001", "TEARDOWN", teardown=teardown)[0] == 403
        assert secured.operator("probe", "TEARDOWN", teardown=teardown)[0] == 403
        assert shown in secured.operator("operator", "GET_FRAMEWORKS")[1]
    finally:
        framework.close()


def test_operators_end_frameworks(secured: SecuredMesos) -> None:
    framework = Framework(secured, ("*",), user="b-001", principal="jenkins-001", headers=secured.basic("jenkins-001"))
    framework._closing = True  # it is ended from outside
    assert framework.id is not None
    assert secured.operator("operator", "TEARDOWN", teardown={"framework_id": framework.id})[0] == 200


def test_a_nodes_credential_starts_nothing(secured: SecuredMesos, tmp_path: Path) -> None:
    assert secured.ask(AGENT_HTTP, "/state", port=BUILDERS)[0] == 200
    assert secured.ask(AGENT_HTTP, "/metrics/snapshot", port=BUILDERS)[0] == 200
    assert Attacks(secured).container_outside_of_tasks(AGENT_HTTP, tmp_path / "container")[0] == 403
    # it is nobody at the masters, and theirs are nobody here
    assert secured.ask(AGENT_HTTP, "/state")[0] == 401
    assert secured.ask("operator", "/state", port=BUILDERS)[0] == 401
    assert not (tmp_path / "container").exists()


def test_an_agent_offers_only_what_its_group_may(secured: SecuredMesos) -> None:
    """With the builders' credential: resources reserved for Marathon, where a Jenkins master would land on them."""
    rogue = secured.agent("builders", 5053, name="rogue", role="marathon")
    told = denied(secured, rogue, "Not authorized to register agent providing resources")
    assert "agent-builders" in told


def test_an_agent_needs_the_credential_of_a_group(secured: SecuredMesos) -> None:
    tenant = secured.agent(
        "builders", 5054, name="tenant", credential=files.Secret('{"principal": "jenkins-001", "secret": "wrong"}\n')
    )
    denied(secured, tenant, "refused authentication")


def test_a_tenants_credential_makes_no_agent(secured: SecuredMesos) -> None:
    text = secured.keys["mesos/jenkins-001"].reveal()
    tenant = secured.agent(
        "builders",
        5055,
        name="borrowed",
        credential=files.Secret(f'{{"principal": "jenkins-001", "secret": "{text}"}}\n'),
    )
    denied(secured, tenant, "Not authorized to register")


def denied(mesos: SecuredMesos, agent: Daemon, says: str) -> str:
    """Starts an agent that must not be let in; the line of the master's log or of its own that says so."""
    agent.start()
    try:

        def told() -> str:
            lines = [line for log in (mesos.master.log, agent.log) for line in read(log).splitlines()]
            return next((line for line in lines if says in line), "")

        line = wait_for(f"'{says}' in the logs", told)
        assert set(mesos.registered()) == set(PORTS)
        return line
    finally:
        agent.kill()


def test_no_secret_is_told_by_flags_or_logs(secured: SecuredMesos) -> None:
    secrets = [
        secured.keys[f"mesos/{name}"].reveal() for name in ("marathon", "jenkins-001", "agent-builders", "operator")
    ]
    texts = [secured.operator("operator", "GET_FLAGS")[1], secured.ask("operator", "/state")[1]]
    logs = [secured.master.log, *(agent.log for agent in secured.agents.values())]
    texts += [read(log) for log in logs]
    assert all(texts)
    assert not [text for text in texts for secret in secrets if secret in text]
