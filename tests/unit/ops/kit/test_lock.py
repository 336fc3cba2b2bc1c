"""The lock: one holder at a time, told to others, taken over from the dead."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from clusterctl.errors import CloudError
from clusterctl.ops.kit.lock import Guard, Holder, LockedError, age, is_dead, start_time, this_process
from clusterctl.resources import Lock
from tests.memory.cloud import MemoryCloud
from tests.memory.faults import Fault
from tests.unit.ops.clouds import Clock, create_in, demo_cloud, guard
from tests.unit.specs import demo_spec

ALIVE = 99


def test_held_around_the_body_by_two_writes() -> None:
    cloud = MemoryCloud()
    with guard().hold("demo", cloud):
        [lock] = cloud.locks("demo")
        assert Holder.of(lock) == Holder("ann@ops1", 1, "1", "m", "test")
        assert cloud.locks("other") == []
    assert (cloud.locks("demo"), cloud.calls.write) == ([], 2)


def test_released_when_the_body_fails() -> None:
    cloud = MemoryCloud()
    with pytest.raises(ZeroDivisionError), guard().hold("demo", cloud):
        raise ZeroDivisionError
    assert not cloud.lock_records


def test_a_failed_release_does_not_hide_the_bodys_error() -> None:
    cloud = MemoryCloud()
    cloud.faults.append(Fault(CloudError("no answer"), kind="DELETE *"))
    with pytest.raises(ZeroDivisionError) as caught, guard().hold("demo", cloud):
        raise ZeroDivisionError
    assert caught.value.__notes__ == ["the lock was not released: no answer"]


def test_the_second_operator_is_told_whose_it_is() -> None:
    cloud = MemoryCloud()
    with guard(ALIVE).hold("demo", cloud):
        with pytest.raises(LockedError) as caught, guard(1).hold("demo", cloud):
            pytest.fail("two holders")
        assert caught.value.exit_code == 1
        assert caught.value.message == (
            "another command is at work on cluster demo: ann@ops1 (pid 99, `clusterctl test`), for 59 min"
        )
        assert "`clusterctl unlock FILE`" in (caught.value.hint or "")
        assert len(cloud.locks("demo")) == 1


def test_clusters_do_not_hinder_each_other() -> None:
    cloud = MemoryCloud()
    with guard(ALIVE).hold("demo", cloud), guard(1).hold("other", cloud):
        assert len(cloud.lock_records) == 2


class TwoAtOnce(MemoryCloud):
    """Another command makes its lock right after ours; it gives way after some looks, or never."""

    gives_way_after: int | None = None
    older = False
    looks = 0

    def create_lock(self, cluster: str, text: str) -> Lock:
        mine = super().create_lock(cluster, text)
        created = "2020-01-01T00:00:00Z" if self.older else "2030-01-01T00:00:00Z"
        self.lock_records["theirs"] = (cluster, Lock("theirs", f"owner=bob@ops2 pid={ALIVE} command=scale", created))
        return mine

    def locks(self, cluster: str) -> list[Lock]:
        self.looks += 1
        if self.looks == self.gives_way_after:
            del self.lock_records["theirs"]
        return super().locks(cluster)


def test_of_two_at_once_the_older_waits_for_the_younger_to_give_way() -> None:
    cloud = TwoAtOnce()
    cloud.gives_way_after = 3
    with guard().hold("demo", cloud):
        assert len(cloud.lock_records) == 1


def test_of_two_at_once_the_younger_gives_way_at_once() -> None:
    cloud = TwoAtOnce()
    cloud.older = True
    with pytest.raises(LockedError, match="bob@ops2"), guard().hold("demo", cloud):
        pytest.fail("two holders")
    assert (cloud.looks, list(cloud.lock_records)) == (1, ["theirs"])


def test_a_holder_that_seems_younger_is_still_the_holder() -> None:
    """Create times are to the second: only a list without others gives the lock."""
    cloud = TwoAtOnce()
    clock = Clock()
    with pytest.raises(LockedError), replace(guard(), waiter=clock.waiter()).hold("demo", cloud):
        pytest.fail("two holders")
    assert (list(cloud.lock_records), clock.now) == (["theirs"], 6.0)


def test_a_dead_process_leaves_it_to_the_next() -> None:
    cloud = MemoryCloud()
    cloud.create_lock("demo", Holder("ann@ops1", 7).text("demo"))
    notes: list[str] = []
    with replace(guard(), note=notes.append).hold("demo", cloud):
        assert len(cloud.locks("demo")) == 1
    assert notes == ["took over the lock of ann@ops1 (pid 7, `clusterctl ?`), for 59 min: its process is dead"]


def test_a_living_one_is_taken_by_word_only() -> None:
    cloud = MemoryCloud()
    cloud.create_lock("demo", Holder("ann@ops1", ALIVE).text("demo"))
    with pytest.raises(LockedError), guard().hold("demo", cloud):
        pytest.fail("two holders")
    with guard(steal=True).hold("demo", cloud):
        assert len(cloud.locks("demo")) == 1


def test_create_is_told_of_another_command_and_writes_nothing_else() -> None:
    cloud = demo_cloud()
    with guard(ALIVE).hold("demo", cloud):
        with pytest.raises(LockedError):
            create_in(cloud, demo_spec())
        assert not cloud.port_records


def test_create_plans_again_when_it_has_the_lock() -> None:
    """What another command made between the first look and the lock is not made twice."""

    class Slow(MemoryCloud):
        def create_lock(self, cluster: str, text: str) -> Lock:
            if not self.server_records and cluster == "demo" and "pid=1 " in text and not self.lock_records:
                self.lock_records["x"] = ("", Lock("x", "", ""))
                create_in(self, demo_spec())
            return super().create_lock(cluster, text)

    base = demo_cloud()
    cloud = Slow(image_list=base.image_list, flavor_list=base.flavor_list, network_name="lab")
    report = create_in(cloud, demo_spec())
    assert report.created == 0
    assert len(cloud.server_records) == 5


def test_this_process_is_alive_and_its_text_fits() -> None:
    me = this_process("scale")
    assert not is_dead(me)
    text = replace(me, owner="u" * 50).text("c" * 50)
    assert len(text) <= 255
    assert Holder.of(Lock("1", me.text("demo"), "")) == me


def test_a_process_that_ended_is_dead() -> None:
    me = this_process("scale")
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    started = start_time(child.pid)
    assert started
    theirs = replace(me, pid=child.pid, started=started)
    assert not is_dead(theirs)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(theirs), "a zombie: its parent hasn't asked for its end yet"
    child.communicate()
    assert is_dead(theirs)
    assert not is_dead(replace(theirs, owner="bob@ops2"))
    assert not is_dead(replace(theirs, machine="another boot"))
    assert is_dead(replace(me, started="1")), "a later process with the same pid"


def test_an_unreadable_lock_counts_as_alive() -> None:
    assert not is_dead(Holder.of(Lock("1", "made by hand", "")))
    assert Holder.of(Lock("1", "made by hand", "")).owner == "unknown"


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-01-01T00:59:30Z", "30 s"),
        ("2026-01-01T00:55:00Z", "5 min"),
        ("2025-12-31T00:00:00+00:00", "25 h"),
        ("2025-12-01T00:00:00", "31 days"),
        ("2026-01-01T01:00:30Z", "0 s"),
        ("", "an unknown time"),
    ],
)
def test_age(created: str, expected: str) -> None:
    assert age(created, guard().now()) == expected


def test_pid_of_the_guard_is_ours() -> None:
    assert Guard("scale").process("scale").pid == os.getpid()
