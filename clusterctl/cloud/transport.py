"""The one place through which every HTTP request to the cloud goes: counted, bounded in time, repeated where safe.

What is repeated here (and nowhere else; keystoneauth's own retries are off):

- requests that change nothing when sent twice (GET, HEAD, DELETE, and asking Keystone for a token), after 429, 500,
  502, 503, 504, a connection that broke, or a time-out;
- any request after 429 or a connection that was never made: the cloud has not begun to work on it.

A creating POST of which nobody knows whether it was done is not repeated here: see ``recovery``.
"""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import requests
from keystoneauth1.session import TCPKeepAliveAdapter
from urllib3.exceptions import NewConnectionError

from clusterctl.cloud.marks import count_call
from clusterctl.resources import ApiCalls

IDEMPOTENT = frozenset({"GET", "HEAD", "DELETE"})
TRANSIENT = frozenset({429, 500, 502, 503, 504})
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
CONNECT_TIMEOUT_S = 10.0
# Nova answers a multi-create after it has written all its records: tens of seconds for hundreds of servers
READ_TIMEOUT_S = {"GET": 60.0, "POST": 300.0}


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long to try again; clock, sleep and jitter are injected so that tests take no time.

    Args:
        attempts: requests at most, the first one included.
        base_s: pause before the second attempt, doubled each time, up to ``cap_s``; half of it is random.
        retry_after_cap_s: a ``Retry-After`` beyond this is not waited for in full.
        give_up_after_s: no further attempt is begun later than this after the first.
    """

    attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 10.0
    retry_after_cap_s: float = 60.0
    give_up_after_s: float = 180.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jitter: Callable[[], float] = random.random

    def pause_s(self, attempt: int, retry_after: str | None) -> float:
        """Seconds to wait after the ``attempt``-th request (1-based); ``retry_after`` is the header's value."""
        backoff = min(self.cap_s, self.base_s * 2 ** (attempt - 1)) * (0.5 + 0.5 * self.jitter())
        asked = self._asked_s(retry_after) if retry_after else None
        return backoff if asked is None else min(max(asked, 0.0), self.retry_after_cap_s)

    def _asked_s(self, retry_after: str) -> float | None:
        """RFC 9110 §10.2.3: seconds or an HTTP date; None for anything else."""
        if retry_after.strip().isdigit():
            return float(retry_after)
        try:
            return (parsedate_to_datetime(retry_after) - self.now()).total_seconds()
        except (TypeError, ValueError):
            return None


class Transport(requests.Session):
    """Counts into ``calls`` (shared by the transports of all threads), sets time-outs, repeats what is safe."""

    def __init__(self, calls: ApiCalls, lock: Lock, policy: RetryPolicy) -> None:
        super().__init__()
        self._calls, self._lock, self._policy = calls, lock, policy
        for scheme in ("http://", "https://"):
            self.mount(scheme, TCPKeepAliveAdapter())

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As ``requests.Session.send``; ``timeout`` is used as given if it is given."""
        is_auth = _is_authentication(request)
        repeatable = is_auth or request.method in IDEMPOTENT or _is_console(request)
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S.get(str(request.method), READ_TIMEOUT_S["GET"]))
        started = self._policy.clock()
        for attempt in itertools.count(1):
            if not is_auth:
                self._count(request)
            outcome: requests.Response | requests.RequestException
            try:
                outcome = super().send(request, **kwargs)
            except BROKEN as error:
                outcome = error
            retry_after = outcome.headers.get("Retry-After") if isinstance(outcome, requests.Response) else None
            pause = self._policy.pause_s(attempt, retry_after)
            too_late = self._policy.clock() + pause - started > self._policy.give_up_after_s
            if attempt >= self._policy.attempts or too_late or not _again(outcome, repeatable=repeatable):
                if isinstance(outcome, requests.Response):
                    return outcome
                raise outcome
            self._policy.sleep(pause)
        raise AssertionError("unreachable")

    def _count(self, request: requests.PreparedRequest) -> None:
        is_console = _is_console(request)
        with self._lock:
            count_call(self._calls, str(request.method), call_path(str(request.url)), reads=is_console)


def _again(outcome: requests.Response | requests.RequestException, *, repeatable: bool) -> bool:
    if isinstance(outcome, requests.Response):
        return outcome.status_code == 429 or (repeatable and outcome.status_code in TRANSIENT)
    if isinstance(outcome, requests.exceptions.SSLError):
        return False
    return repeatable or _never_sent(outcome)


def _never_sent(error: requests.RequestException) -> bool:
    """Whether no connection was made, so that the cloud can't have seen the request."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _is_authentication(request: requests.PreparedRequest) -> bool:
    return str(request.url).split("?")[0].endswith("/auth/tokens")


def _is_console(request: requests.PreparedRequest) -> bool:
    """Nova serves the console log, a read, by POST."""
    return str(request.url).endswith("/action") and b"os-getConsoleOutput" in _body(request)


def _body(request: requests.PreparedRequest) -> bytes:
    body = request.body or b""
    return body.encode() if isinstance(body, str) else bytes(body)


_VERSION = re.compile(r"/v\d+(?:\.\d+)?(?=/|$)")
_ID = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_NOT_IDS = frozenset({"detail", "details", "defaults"})


def call_path(url: str) -> str:
    """``https://host/compute/v2.1/servers/<uuid>/action?x=y`` -> ``/servers/{id}/action``.

    The API's paths alternate between collections and ids (which may be names: keypairs, flavors), after the version
    and, in Cinder, the project. Version discovery is ``/``.
    """
    path = urlsplit(url).path
    version = _VERSION.search(path)
    parts = [part for part in path[version.end() :].split("/") if part] if version else []
    if len(parts) > 1 and _ID.fullmatch(parts[0]):
        parts = parts[1:]
    return "/" + "/".join(
        "{id}" if number % 2 and part not in _NOT_IDS else part.removesuffix(".json")
        for number, part in enumerate(parts)
    )
