"""How an attack ends: it gets through, or something denies it for a reason that is told by what denied it."""

from __future__ import annotations

import errno
import http.client

# ICMP "administratively prohibited", by which nftables rejects: IPv4 and IPv6 tell it by different numbers
_REJECTED = {errno.EHOSTUNREACH, errno.EACCES}


class Denied(Exception):
    """The attack was turned down.

    Args:
        reason: a word or a status, such as ``401``, ``rejected``, ``NoAuth``, ``EPERM``.
        evidence: what was seen.
    """

    def __init__(self, reason: str, evidence: str = "") -> None:
        super().__init__(reason)
        self.reason, self.evidence = reason, evidence


def of_connection(error: Exception) -> Denied:
    """Why no connection came about, or ended: ``rejected`` (by a packet filter that says so), ``timeout`` (by one that
    doesn't), ``refused`` (nobody listens, which denies nothing), ``closed`` (by the other side).
    """
    if isinstance(error, TimeoutError):
        return Denied("timeout", str(error))
    if isinstance(error, ConnectionRefusedError):
        return Denied("refused", str(error))
    if isinstance(error, ConnectionError | EOFError | http.client.HTTPException):
        return Denied("closed", f"{type(error).__name__}: {error}")
    if isinstance(error, OSError) and error.errno in _REJECTED:
        return Denied("rejected", str(error))
    return of_system(error)


def of_system(error: Exception) -> Denied:
    """By the name of the error's number, such as ``EPERM``."""
    number = error.errno if isinstance(error, OSError) else None
    return Denied(errno.errorcode.get(number or 0, type(error).__name__), str(error))
