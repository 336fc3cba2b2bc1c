"""A full disk is told as one, whatever the program says that met it: Ansible can't even write its modules there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from clusterctl import paths
from clusterctl.ansible.playbook import PlaybookError
from clusterctl.errors import ClusterctlError
from clusterctl.health.disks import ROOM_HERE, disk_trouble, no_space, says_no_space
from clusterctl.health.expect import expected
from clusterctl.health.facts import DiskFacts
from clusterctl.ops.kit.run import Run
from clusterctl.remote.probenode import disks

_HERE = "this machine"
_OURS = f"no space on {_HERE}"
_HINT = "Make room there: `clusterctl ssh FILE NODE sudo du -xh --max-depth 3 PATH` shows what fills a disk."
# Names of nodes -> the file systems of those that answer
AskDisks = Callable[[Collection[str]], Mapping[str, Sequence[DiskFacts]]]


def disks_of(run: Run) -> AskDisks:
    """Asks the nodes of a command's cluster; connects to nothing yet."""

    def ask(names: Collection[str]) -> Mapping[str, Sequence[DiskFacts]]:
        try:
            expect = expected(run.spec, run.cloud.servers(run.spec.cluster), ())
            nodes = [node for node in (*expect.control, *expect.agents) if node.name in names]
            return {name: seen.disks for name, seen in run.access.prober.probe(nodes).items()}
        except ClusterctlError:  # the failure that is to be explained is told in any case
            return {}

    return ask


@contextmanager
def naming_full_disks(ask: AskDisks) -> Iterator[None]:
    """A playbook that fails in the body says so where a full disk is why. Raises PlaybookError instead of its own."""
    try:
        yield
    except PlaybookError as error:
        raise explained(error, ask) from error


def disks_here() -> Sequence[DiskFacts]:
    """The file systems of this machine to which Ansible and we write."""
    places = [Path.home(), paths.state_root(), paths.cache_root(), Path(tempfile.gettempdir())]
    there = [next(each for each in (place, *place.parents) if each.exists()) for place in places]
    return [DiskFacts.model_validate(each) for each in disks([str(place) for place in there])]


def explained(
    error: PlaybookError, ask: AskDisks, here: Callable[[], Sequence[DiskFacts]] = disks_here
) -> PlaybookError:
    """The same failure, with ``no space on NODE:PATH`` as the reason of hosts where that is it.

    Args:
        here: the file systems of this machine, which may be the full one: Ansible needs some of it, and so does what is
            fetched.
    """
    if not error.result.failures:
        return _before_any_host(error, here)
    failed = {host for host, _, _ in error.result.failures}
    unreachable = {host for host, counts in error.result.hosts.items() if counts["unreachable"]}
    asked = ask(failed - unreachable) if failed - unreachable else {}
    failures, full = [], {}
    for host, task, message in error.result.failures:
        text = None if host in unreachable else _reason(host, asked.get(host, ()), message, here)
        failures.append((host, task, text or message))
        if text:
            full[host] = text
    if not full:
        return error
    first, _, tail = error.message.partition("\n")
    told = list(dict.fromkeys(full.values()))
    # Ansible's own words only where they tell something else, of other hosts
    lines = [f"{first.rstrip(':')}:", *(f"  {text}" for text in told), *([tail] if failed - full.keys() else ())]
    ours = [text for text in told if text.startswith(_OURS)]
    hints = [_HINT] * (len(ours) < len(told)) + [ROOM_HERE] * bool(ours) + [error.hint] * bool(error.hint)
    result = replace(error.result, failures=tuple(failures))
    return PlaybookError("\n".join(lines), result, hint=" ".join(filter(None, hints)))


def _before_any_host(error: PlaybookError, here: Callable[[], Sequence[DiskFacts]]) -> PlaybookError:
    """Ansible itself ended."""
    said = [line for line in error.message.splitlines() if says_no_space(line)]
    if not said or not any(map(disk_trouble, mine := here())):
        return error
    first = error.message.partition("\n")[0].rstrip(":")
    hint = " ".join(filter(None, (ROOM_HERE, error.hint)))
    return PlaybookError(f"{first}:\n  {no_space(_HERE, mine, said[-1])}", error.result, hint=hint)


def _reason(host: str, seen: Sequence[DiskFacts], said: str, here: Callable[[], Sequence[DiskFacts]]) -> str | None:
    text = no_space(host, seen, said)
    if text and not any(map(disk_trouble, seen)) and any(map(disk_trouble, mine := here())):
        return no_space(_HERE, mine, said)
    return text
