"""Makes the health checks that Marathon makes itself: HTTP, HTTPS, TCP (its HealthCheckWorker.scala)."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from .health import Probe, Result


def examine(probe: Probe) -> Result:
    """Make one check; takes up to its time-out."""
    try:
        if probe.protocol == "TCP":
            socket.create_connection((probe.host, probe.port), timeout=probe.timeout_s).close()
            return Result(probe, True)
        status, reason = _get(probe)
    except (OSError, http.client.HTTPException) as exc:
        return Result(probe, False, f"{type(exc).__name__}: {exc}")
    if 200 <= status < 400:
        return Result(probe, True)
    if 100 <= status < 200 and probe.ignore_1xx:
        return Result(probe, None)
    return Result(probe, False, f"{status} {reason}")


def _get(probe: Probe) -> tuple[int, str]:
    connection: http.client.HTTPConnection
    if probe.protocol == "HTTPS":
        # Marathon accepts any certificate here
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(probe.host, probe.port, timeout=probe.timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(probe.host, probe.port, timeout=probe.timeout_s)
    try:
        connection.request("GET", probe.path)
        response = connection.getresponse()
        return response.status, response.reason
    finally:
        connection.close()


class Checker:
    """Makes checks in threads of its own; ``on_result`` is called from them."""

    def __init__(self, at_once: int, on_result: Callable[[Result], None]) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="health")
        self._on_result = on_result

    def make(self, probes: Iterable[Probe]) -> None:
        for probe in probes:
            self._pool.submit(lambda probe=probe: self._on_result(examine(probe)))  # type: ignore[misc]
