"""What a playbook's failure says of a full disk."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pytest

from clusterctl.ansible.playbook import PlaybookError, PlaybookResult
from clusterctl.health.facts import DiskFacts
from clusterctl.ops.day2.hosts import why
from clusterctl.ops.day2.nospace import disks_here, explained

ASTRAY = "Module result deserialization failed: No start of json char found"
DISKS = {
    "full": (DiskFacts(path="/", free_mib=0, size_mib=2000),),
    "well": (DiskFacts(path="/", free_mib=1500, size_mib=2000),),
}


def failure(*failures: tuple[str, str, str], unreachable: Collection[str] = ()) -> PlaybookError:
    hosts = {
        host: {"ok": 1, "changed": 0, "failed": host not in unreachable, "unreachable": host in unreachable}
        for host, _, _ in failures
    }
    text = "restart.yml failed (ansible-playbook ended with 2):\n" + "\n".join(said for _, _, said in failures)
    return PlaybookError(text, PlaybookResult(hosts, (), failures, (), ""), hint="Again.")


def ask(names: Collection[str]) -> Mapping[str, Sequence[DiskFacts]]:
    return {name: DISKS[name] for name in names}


def test_the_node_and_its_file_system_are_named_and_not_ansibles_words() -> None:
    told = explained(failure(("full", "Set it", ASTRAY)), ask)
    assert told.message == (
        "restart.yml failed (ansible-playbook ended with 2):\n  no space on full:/ (0 of 2000 MiB free)"
    )
    assert told.hint is not None
    assert told.hint.startswith("Make room there: `clusterctl ssh FILE NODE")
    assert told.hint.endswith(" Again.")
    assert why(told, "full") == "no space on full:/ (0 of 2000 MiB free)"


def test_what_failed_for_another_reason_keeps_it() -> None:
    error = failure(("well", "Set it", "no such unit"), ("full", "Set it", ASTRAY))
    told = explained(error, ask)
    assert why(told, "well") == "Set it: no such unit"
    assert "no space on full:/" in told.message
    assert "no such unit" in told.message


@pytest.mark.parametrize("unreachable", [(), ("well",)])
def test_a_failure_of_another_kind_is_left_alone(unreachable: Collection[str]) -> None:
    error = failure(("well", "Set it", ASTRAY), unreachable=unreachable)
    assert explained(error, ask) is error


def test_nobody_is_asked_who_can_not_be_reached() -> None:
    error = failure(("gone", "Gathering Facts", "timed out"), unreachable=["gone"])
    assert explained(error, ask) is error


def test_a_full_disk_of_this_machine_is_not_the_nodes() -> None:
    """What is fetched is written here, and Ansible says so in the node's name."""
    error = failure(("well", "Fetch", "Failed to fetch the file: [Errno 28] No space left on device"))
    told = explained(error, ask, lambda: DISKS["full"])
    assert why(told, "well").startswith("no space on this machine:/ (0 of 2000 MiB free): Failed to fetch")
    assert "no space on well" not in told.message
    assert told.hint is not None
    assert told.hint.startswith("Make room (`df -h; df -i`)")
    # what the node said, if the words are its own
    assert why(explained(error, ask, lambda: DISKS["well"]), "well").startswith("no space on well: Failed to fetch")


def test_ansible_itself_may_have_no_room() -> None:
    said = "ERROR! Unable to create local directories(/root/.ansible/tmp): [Errno 28] No space left on device"
    error = PlaybookError(f"site.yml failed (it ended with 1):\n{said}", PlaybookResult({}, (), (), (), said))
    told = explained(error, ask, lambda: DISKS["full"])
    assert (
        told.message == f"site.yml failed (it ended with 1):\n  no space on this machine:/ (0 of 2000 MiB free): {said}"
    )
    assert explained(error, ask, lambda: DISKS["well"]) is error


def test_this_machines_file_systems_are_seen() -> None:
    assert all(disk.size_mib > 0 for disk in disks_here())
    assert disks_here()
