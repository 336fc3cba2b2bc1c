"""Pure: the order of a roll. Followers first, the leader last; agents in batches that spread over their groups."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence

from clusterctl.errors import InputError
from clusterctl.health.expect import Expected, Node
from clusterctl.services import Service


def next_member(remaining: Sequence[str], leader: str | None, out: Collection[str] = ()) -> str:
    """Who is next: the first that doesn't lead now; the leader only if nobody else is left.

    Args:
        out: members that take no part: they go before all others, since they lose nothing by it.
    """
    idle = (name for name in remaining if name in out)
    return next(idle, None) or next((name for name in remaining if name != leader), remaining[0])


def batch_size(text: str, agents: int) -> int:
    """Number of agents at once, at least 1.

    Args:
        text: ``20%`` (of ``agents``, rounded down) or a number.

    Raises:
        InputError: it is neither, or 0, or more than 100 %.
    """
    if match := re.fullmatch(r"([0-9]{1,3})%", text):
        percent = int(match[1])
        if 1 <= percent <= 100:
            return max(1, agents * percent // 100)
    elif re.fullmatch(r"[0-9]{1,5}", text) and int(text) > 0:
        return int(text)
    raise InputError(f"--batch: found {text!r}; allowed: a share such as 20% (1% to 100%), or a number from 1 on")


def spread(agents: Iterable[Node]) -> list[str]:
    """Names, each group's agents spread evenly over the others': no stretch of them takes all of a small group."""
    groups: dict[str, list[str]] = {}
    for node in agents:
        groups.setdefault(node.group, []).append(node.name)
    # the i-th of n stands at (i + 1/2)/n of the way
    places = [
        ((index + 0.5) / len(names), group, name)
        for group, names in groups.items()
        for index, name in enumerate(sorted(names))
    ]
    return [name for _, _, name in sorted(places)]


def batches(agents: Iterable[Node], size: int) -> list[list[str]]:
    """Names in batches of ``size``, spread over their groups."""
    ordered = spread(agents)
    count = math.ceil(len(ordered) / size)
    return [ordered[number * size : (number + 1) * size] for number in range(count)]


def members(expect: Expected, service: Service) -> tuple[Node, ...]:
    """The nodes that run ``service``."""
    return expect.agents if service is Service.MESOS_AGENT else expect.running(service)


def chosen(expect: Expected, services: Iterable[Service], only: Collection[str]) -> dict[Service, list[str]]:
    """Names of the nodes of a roll by service, ``only`` those if given; services without any are left out.

    Raises:
        InputError: a name of ``only`` runs none of the services.
    """
    running = {service: [node.name for node in members(expect, service)] for service in services}
    known = {name for names in running.values() for name in names}
    if unknown := sorted(set(only) - known):
        raise InputError(
            f"--only: found {', '.join(unknown)}; allowed: {', '.join(sorted(known)) or 'nothing, no such node exists'}"
        )
    wanted = {service: [name for name in names if not only or name in only] for service, names in running.items()}
    return {service: names for service, names in wanted.items() if names}
