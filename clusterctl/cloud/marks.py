"""Reading clusterctl's marks back from what the cloud returns; shared by the real cloud and the one in memory."""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.resources import KEY_SERVICES, ApiCalls


def services_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The services in a server's metadata (comma-separated there), in their order."""
    return tuple(name for name in metadata.get(KEY_SERVICES, "").split(",") if name)


def count_call(calls: ApiCalls, method: str, path: str, *, reads: bool = False) -> int:
    """Counts one request of a normalised path; returns its number, 1-based.

    ``reads``: a read although it is no GET (the console log, which Nova serves by POST).
    """
    if reads or method in ("GET", "HEAD"):
        calls.read += 1
    else:
        calls.write += 1
    kind = f"{method} {path}"
    calls.by_kind[kind] = calls.by_kind.get(kind, 0) + 1
    return calls.read + calls.write
