"""A full disk is told as one, whatever the program says that met it: Ansible can't even write its modules there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from clusterctl.ansible.playbook import PlaybookError
from clusterctl.errors import ClusterctlError
from clusterctl.health.disks import no_space
from clusterctl.health.expect import expected
from clusterctl.health.facts import DiskFacts
from clusterctl.ops.kit.run import Run

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


def explained(error: PlaybookError, ask: AskDisks) -> PlaybookError:
    """The same failure, with ``no space on NODE:PATH`` as the reason of hosts where that is it."""
    failed = {host for host, _, _ in error.result.failures}
    unreachable = {host for host, counts in error.result.hosts.items() if counts["unreachable"]}
    asked = ask(failed - unreachable) if failed - unreachable else {}
    failures, full = [], {}
    for host, task, message in error.result.failures:
        text = None if host in unreachable else no_space(host, asked.get(host, ()), message)
        failures.append((host, task, text or message))
        if text:
            full[host] = text
    if not full:
        return error
    first, _, tail = error.message.partition("\n")
    # Ansible's own words only where they tell something else, of other hosts
    lines = [f"{first.rstrip(':')}:", *(f"  {text}" for text in full.values())]
    told = "\n".join([*lines, tail] if failed - full.keys() else lines)
    hint = "Make room there: `clusterctl ssh FILE NODE sudo du -xh --max-depth 3 /` shows what fills a disk."
    result = replace(error.result, failures=tuple(failures))
    return PlaybookError(told, result, hint=f"{hint} {error.hint}" if error.hint else hint)
