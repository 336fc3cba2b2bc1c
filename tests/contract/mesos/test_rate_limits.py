"""The rate limits that ``clusterctl.secrets.mesos`` makes, on a real master: what one tenant floods waits, others
don't; too much is an error that says so; and what 500 builds send is neither.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from clusterctl.secrets.mesos import RATE_CAPACITY
from clusterctl.secrets.names import mesos_secret
from tests.contract.mesos.cluster import wait_for
from tests.contract.mesos.driver import ACKNOWLEDGE, DECLINE, REVIVE, Driver
from tests.contract.mesos.framework import Framework
from tests.contract.mesos.netns import private_network
from tests.contract.mesos.secured import SecuredMesos, message
from tests.unit.specs import demo_spec

pytestmark = pytest.mark.mesos

FLOOD = 4000  # messages, of about a millisecond of the master's time each
TENANT, OTHER = "jenkins-001", "jenkins-002"


@contextmanager
def running(root: Path, **mesos: object) -> Iterator[SecuredMesos]:
    """A closed master and its agents with ``mesos`` as that section of the cluster file."""
    with private_network(), TemporaryDirectory(prefix="mesos-rates-") as work:
        Path(work).chmod(0o711)
        spec = demo_spec(jenkins={"allow_ephemeral_homes": True, "max_masters": 2}, mesos=mesos)
        made = SecuredMesos(root, Path(work), spec=spec)
        try:
            made.start()
            yield made
        finally:
            made.stop()


@contextmanager
def driver(mesos: SecuredMesos, principal: str, framework_id: bytes = b"") -> Iterator[Driver]:
    made = Driver(principal, mesos.keys[mesos_secret(principal)], framework_id=framework_id)
    try:
        yield made
    finally:
        made.close()


def counted(mesos: SecuredMesos, principal: str, what: str) -> int:
    """``messages_received`` or ``messages_processed`` of a principal's frameworks."""
    _, text = mesos.ask("operator", "/metrics/snapshot")
    return int(json.loads(text)[f"frameworks/{principal}/messages_{what}"])


def flood(tenant: Driver, messages: int = FLOOD) -> None:
    """Refusals of offers that nobody made: the master looks for each and logs it."""
    refusal = b"".join(message((1, message((1, f"no-offer-{number}")))) for number in range(100))
    for _ in range(messages):
        tenant.call(DECLINE, refusal)


def wait_of(other: Driver, name: str) -> float:
    """Seconds from a question to its answer."""
    start = time.monotonic()
    other.ask(name)
    wait_for("an answer", lambda: other.told_of(name), 180)
    return time.monotonic() - start


def waits_beside_a_flood(mesos: SecuredMesos) -> tuple[float, int]:
    """The longest wait of another framework, and what of the flood was left when it was first answered."""
    with driver(mesos, TENANT) as tenant, driver(mesos, OTHER) as other:
        wait_of(other, "before")
        flood(tenant)
        longest = wait_of(other, "t-0")
        left = FLOOD - counted(mesos, TENANT, "processed")
        for number in range(1, 5):
            longest = max(longest, wait_of(other, f"t-{number}"))
        assert (tenant.errors, other.errors) == ([], [])
    return longest, left


def test_a_flood_of_one_framework_does_not_delay_another(root: Path) -> None:
    with running(root, tenant_qps=0) as mesos:
        unlimited, _ = waits_beside_a_flood(mesos)
    with running(root) as mesos:
        limited, left = waits_beside_a_flood(mesos)
    print(
        f"longest wait beside a flood: {unlimited:.2f} s without limit, {limited:.2f} s with it; {left} messages left"
    )
    assert left > FLOOD / 2, "the flood was not over when the other was answered"
    assert limited < unlimited / 3


@pytest.mark.operate
def test_beyond_the_capacity_the_error_says_so_and_all_goes_on(root: Path) -> None:
    with running(root) as mesos, driver(mesos, OTHER) as other, driver(mesos, TENANT) as tenant:
        identity = tenant.framework_id
        for _ in range(RATE_CAPACITY + 2000):
            tenant.call(REVIVE)
        wait_for("the error", lambda: tenant.errors, 60)
        assert set(tenant.errors) == {f"Message mesos.scheduler.Call dropped: capacity({RATE_CAPACITY}) exceeded"}
        dropped = [line for line in mesos.master.log.read_text().splitlines() if "Dropping message" in line]
        assert dropped[0].endswith(f"({TENANT}): capacity({RATE_CAPACITY}) exceeded")
        wait_of(other, "still-served")
        assert other.errors == []
        # Jenkins' plugin makes another driver, for the framework that it was; what waits comes before its messages
        handled = counted(mesos, TENANT, "processed")
        wait_for("the queue to have room", lambda: counted(mesos, TENANT, "processed") > handled + 500, 60)
        with driver(mesos, TENANT, identity) as again:
            assert again.framework_id == identity
            print(f"served again after {wait_of(again, 'served-again'):.1f} s")
            assert again.errors == []


def test_five_hundred_builds_are_ordinary_use(root: Path) -> None:
    """All at once: an answer to each of 1,000 agents' offers, and of each build a launch and three acknowledgements."""
    with running(root) as mesos, driver(mesos, TENANT) as tenant:
        before = counted(mesos, TENANT, "processed")
        for number in range(1000 + 500):
            tenant.call(DECLINE, message((1, message((1, f"offer-{number}")))))
        for number in range(500 * 3):
            agent, task = message((1, "agent")), message((1, f"build-{number}"))
            tenant.call(ACKNOWLEDGE, message((1, agent), (2, task), (3, b"0123456789abcdef")))
        start = time.monotonic()
        wait_for("all to be handled", lambda: counted(mesos, TENANT, "processed") - before >= 3000, 120)
        print(f"3,000 messages: {time.monotonic() - start:.1f} s")
        wait_of(tenant, "done")
        assert tenant.errors == []


def test_the_http_api_is_not_limited_by_mesos(root: Path) -> None:
    """What docs/security.md says stays open: a limit of one message a second is no limit there."""
    with running(root, tenant_qps=1) as mesos:
        framework = Framework(mesos, user="nobody", principal=TENANT, headers=mesos.basic(TENANT))
        start = time.monotonic()
        for number in range(40):
            task = {"task_id": {"value": f"t-{number}"}}
            framework.call("RECONCILE", reconcile={"tasks": [task]})
        wait_for("all answers", lambda: all(framework.updates[f"t-{number}"] for number in range(40)), 30)
        assert time.monotonic() - start < 30
        framework.close()
