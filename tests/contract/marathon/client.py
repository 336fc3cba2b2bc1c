"""The PyPI client ``marathon`` 0.13, made to run: it is older than Python 3.10 and than Marathon 1.11.

Both needs are kept apart from the tests, and what was passed over is recorded, so that a test can say what it is.
"""

import collections
import collections.abc
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import marathon
import marathon.models.deployment
from marathon.models.base import MarathonObject

from tests.contract.loopback import MARATHON_PORT


class Client(marathon.MarathonClient):  # type: ignore[misc]
    """The client; ``called`` are the names of its methods that were called by a test."""

    called: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.startswith("_") and inspect.ismethod(found):
            Client.called.add(name)
        return found


def client_of(hosts: list[str], username: str | None = None, password: str | None = None) -> Client:
    """A client of the Marathons on these addresses."""
    servers = [f"http://{host}:{MARATHON_PORT}" for host in hosts]
    return Client(servers, username=username, password=password, timeout=30)


def methods() -> set[str]:
    """The names of all calls that the client has."""
    return {name for name in vars(marathon.MarathonClient) if not name.startswith("_")}


@contextmanager
def runnable(passed_over: set[tuple[str, str]]) -> Iterator[None]:
    """Has the client run: with the name that Python 3.10 took away, and past fields that it does not know.

    Args:
        passed_over: gets (class, field) of each such field.
    """
    original = MarathonObject.__dict__["from_json"]

    def from_json(cls: type, attributes: dict[str, Any] | None) -> Any:
        if attributes is None:  # the original and the target of a deployment, which Marathon has not told since 1.9
            passed_over.add((cls.__name__, "all"))
            return None
        parameters = inspect.signature(cls.__init__).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        known = {}
        for key, value in attributes.items():
            if open_ended or marathon.util.to_snake_case(key) in parameters:
                known[key] = value
            else:
                passed_over.add((cls.__name__, key))
        made: Callable[..., Any] = original.__func__
        return made(cls, known)

    collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]
    MarathonObject.from_json = classmethod(from_json)
    try:
        yield
    finally:
        MarathonObject.from_json = original
        del collections.Iterable  # type: ignore[attr-defined]
