"""Pure: which masters a command line means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from clusterctl.errors import InputError
from clusterctl.jenkins.home import NAME

# Masters with names that begin like this are a load test's, which removes them
LOADTEST = "loadtest-"
_ALLOWED = "up to 32 lower-case letters, digits and '-', beginning with a letter"


def wanted_names(names: Sequence[str], listed: str | None = None, count: int | None = None) -> list[str]:
    """Names to make masters of.

    Args:
        names: as given; with ``count`` and without a list, one word that names are made from: WORD-001, WORD-002, ...
        listed: text of a list, one name a line; what follows ``#`` is a remark.
        count: how many; of a list, the first of it.

    Raises:
        InputError: a name is none, or there are two of one, or nothing is left.
    """
    found = list(names)
    if listed is not None:
        lines = (line.partition("#")[0].strip() for line in listed.splitlines())
        found += [line for line in lines if line]
        found = found[:count]
    elif count is not None:
        if len(found) != 1:
            raise InputError(
                f"--count: found {len(found)} names; allowed: one, from which NAME-001, NAME-002, ... are made"
            )
        found = [f"{found[0]}-{number:03d}" for number in range(1, count + 1)]
    if not found:
        raise InputError("NAME: found none; allowed: names of masters, or --from LIST with one a line")
    for name in found:
        if not NAME.fullmatch(name):
            raise InputError(f"NAME: found {name!r}; allowed: {_ALLOWED}")
    if reserved := [name for name in found if name.startswith(LOADTEST)]:
        raise InputError(
            f"NAME: found {', '.join(reserved)}; names that begin with {LOADTEST!r} are those of load tests, which "
            "remove such masters; allowed: any other"
        )
    if twice := [name for name, times in Counter(found).items() if times > 1]:
        raise InputError(f"NAME: found {', '.join(twice)} twice")
    return found
