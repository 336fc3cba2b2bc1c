"""Finding and removing what load tests left on the masters: their frameworks, and with them their tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp

from clusterctl.errors import ClusterctlError
from clusterctl.ops.loadtest.masters import MasterMap, Registered

_DEADLINE_S = 60.0
_PAUSE_S = 1.0
_AT_ONCE = 8
_SHOWN = 5


class LeftError(ClusterctlError):
    """Something of a load test may be left on the masters."""


async def left(masters: MasterMap, run: str | None = None) -> list[Registered]:
    """Frameworks of load tests, or of that one."""
    return [each for each in await masters.frameworks() if each.ours and run in (None, each.run)]


async def clean(masters: MasterMap, run: str | None = None) -> list[Registered]:
    """Removes them all; looks again until none is left, since one may be registering just now. What was removed.

    Args:
        masters: entered.

    Raises:
        LeftError: some are left, or the masters can't be asked.
    """
    removed: dict[str, Registered] = {}
    said = f"the masters did not answer within {_DEADLINE_S:g} s"
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(framework: Registered) -> None:
        async with limit:
            await masters.teardown(framework.id)

    try:
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                try:
                    found = await left(masters, run)
                    if not found:
                        return list(removed.values())
                    removed |= {each.id: each for each in found}
                    await asyncio.gather(*(one(each) for each in found))
                    said = "they come back"
                except (aiohttp.ClientError, OSError, ClusterctlError) as error:
                    said = str(error) or type(error).__name__
                    await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        pass  # told below
    names = [each.name for each in list(removed.values())[:_SHOWN]]
    raise LeftError(
        f"frameworks of the load test may be left on the masters, among them {', '.join(names) or 'unknown ones'}: "
        f"{said}",
        hint="`clusterctl loadtest clean FILE` removes them.",
    )


def other_work(frameworks: Sequence[Registered]) -> list[str]:
    """Why this is not a cluster for a load test: a line a framework that is not the test's and has tasks or builds.

    Marathon without tasks is none.
    """
    lines = []
    for each in frameworks:
        if each.ours:
            lines.append(f"{each.name}: another load test{', at work' if each.connected else ', left over'}")
        elif each.tasks:
            lines.append(f"{each.name}: {each.tasks} tasks")
        elif each.connected and each.name != "marathon":
            lines.append(f"{each.name}: registered")
    return lines
