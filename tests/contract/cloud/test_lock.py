"""The lock in a real Neutron: what it keeps, and that of many commands at once never two hold it."""

from __future__ import annotations

import threading
import time
from datetime import datetime

import pytest

from clusterctl.cloud.openstack import OpenStackCloud, open_cloud
from clusterctl.ops.kit.lock import Guard, Holder, LockedError, this_process

pytestmark = pytest.mark.contract

CONTENDERS = 6


def test_a_lock_is_kept_found_and_deleted(cloud: OpenStackCloud, cluster: str) -> None:
    me = this_process("scale")
    lock = cloud.create_lock(cluster, me.text(cluster))
    try:
        assert cloud.locks(cluster) == [lock]
        assert Holder.of(lock) == me
        assert datetime.fromisoformat(lock.created).tzinfo is not None
        assert cloud.observe(cluster).counts["security_groups"] == 0
    finally:
        cloud.delete_lock(lock.id)
    cloud.delete_lock(lock.id)
    assert cloud.locks(cluster) == []


def test_of_many_at_once_one_holds_it_and_the_others_are_told(cluster: str) -> None:
    inside: list[int] = []
    most: list[int] = []
    outcomes: list[str] = []

    def contend(number: int) -> None:
        cloud = open_cloud("lab")
        # of another process than ours each, and none known to be dead
        guard = Guard(
            "scale", process=lambda c: Holder(f"user{number}@host", number, "1", "m", c), dead=lambda _: False
        )
        barrier.wait()
        try:
            with guard.hold(cluster, cloud):
                inside.append(number)
                most.append(len(inside))
                time.sleep(8)  # longer than the others wait for somebody to give way
                inside.remove(number)
            outcomes.append("held")
        except LockedError:
            outcomes.append("told")

    barrier = threading.Barrier(CONTENDERS)
    threads = [threading.Thread(target=contend, args=(number,)) for number in range(CONTENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # a straggler may come when the first one is done
    assert (len(outcomes), "held" in outcomes, max(most)) == (CONTENDERS, True, 1)
    assert open_cloud("lab").locks(cluster) == []
