"""What the parts of the OpenStack adapter have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from clusterctl.cloud.clients import Clients
from clusterctl.cloud.recovery import Recovery
from clusterctl.cloud.sdk_errors import calling
from clusterctl.errors import CloudError


class OpenStackService:
    """A part of ``openstack.OpenStackCloud``: methods of ``base.Cloud`` that one OpenStack service serves."""

    def __init__(self, clients: Clients, recovery: Recovery | None = None) -> None:
        self._clients = clients
        self._recovery = recovery or Recovery()
        self.calls = clients.calls


def pages(
    what: str, get: Callable[[Mapping[str, Any]], Mapping[str, Any]], key: str, query: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """All items of a list that the API gives in pages, each page one request.

    Nova, Cinder (``<key>_links``) and Glance (``next``) say whether there is more; the cloud may give smaller pages
    than asked for, so their length tells nothing.

    Args:
        what: for the message of an error: ``"list servers"``.
        get: query -> body of the answer.
        key: of the list in the body.
    """
    query = dict(query)
    while True:
        with calling(what):
            page = get(query)
        yield from page[key]
        if not page[key] or not ("next" in page or any(x["rel"] == "next" for x in page.get(f"{key}_links", ()))):
            return
        query["marker"] = page[key][-1]["id"]


@contextmanager
def absence_allowed() -> Iterator[None]:
    """Passes over a 404 of ``calling`` in its body: what was to be deleted or read is not there (any more)."""
    try:
        yield
    except CloudError as error:
        if error.status != 404:
            raise
