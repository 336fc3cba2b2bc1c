"""The one place where errors of keystoneauth, openstacksdk and novaclient become ``CloudError``."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openstack.exceptions as sdk
import requests
from keystoneauth1 import exceptions as ks

from clusterctl.errors import CloudError

_HINTS = {
    401: "check user, password and project in clouds.yaml",
    413: "raise the project's quota, or make the cluster smaller",
    429: "the cloud limits the rate of requests; try again later",
}
_MESSAGE_LENGTH = 500


class UncertainError(CloudError):
    """No answer, or one that doesn't tell whether the request was done."""


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Translates what the SDKs raise inside the block.

    Args:
        what: what is being done, for the message: ``"create server ci-control-1"``.

    Raises:
        UncertainError: time-out, broken connection, 500 and above.
        CloudError: everything else; with ``status`` and ``request_id`` where there was an answer.
    """
    try:
        yield
    except ks.HttpError as error:
        raise _http(what, error.http_status, _said(error.response) or error.message, _id(error.response)) from error
    except sdk.HttpException as error:
        raise _http(what, error.status_code, _said(error.response) or str(error), error.request_id) from error
    except (ks.ClientException, sdk.SDKException) as error:
        raise _without_answer(what, error) from error
    except Exception as error:
        # where novaclient isn't loaded, nothing can have raised its errors
        nova = sys.modules.get("novaclient.exceptions")
        if nova is None or not isinstance(error, nova.ClientException):
            raise
        raise _http(what, int(error.code), _plain(str(error.message)), error.request_id) from error


def _without_answer(what: str, error: Exception) -> CloudError:
    # a failed version discovery hides the connection error that caused it
    causes = list(_chain(error))
    if any(isinstance(cause, ks.SSLError) for cause in causes):
        return CloudError(f"cannot {what}: {_plain(str(error))}", hint="give the cloud's CA as `cacert` in clouds.yaml")
    if any(isinstance(cause, ks.ConnectionError) for cause in causes):
        return UncertainError(
            f"cannot {what}: {_no_answer(error)}", hint="is the cloud up and reachable from here? run the command again"
        )
    return CloudError(f"cannot {what}: {_plain(str(error))}")


def _http(what: str, status: int | None, message: str, request_id: str | None) -> CloudError:
    kind = UncertainError if status is not None and status >= 500 else CloudError
    hint = _HINTS.get(status or 0)
    if hint is None and re.search(r"(?i)quota|overlimit|exceeded", message):
        hint = _HINTS[413]
    number = f"HTTP {status}" + (f", request {request_id}" if request_id else "")
    return kind(f"cannot {what}: {message} ({number})", hint=hint, status=status, request_id=request_id)


def _no_answer(error: BaseException) -> str:
    """Which address, and the operating system's own reason, out of what urllib3 and requests wrapped around it."""
    address = re.search(r"https?://[^\s:/]+(?::\d+)?", str(error))
    *_, root = _chain(error)
    reason = (root.strerror if isinstance(root, OSError) else None) or str(root) or type(root).__name__
    return f"no answer from {address.group() if address else 'the cloud'}: {_plain(reason)}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, outermost first; each once, since an error raised anew may close a circle."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        yield link
        seen.add(id(link))
        link = link.__cause__ or link.__context__


def _id(response: requests.Response | None) -> str | None:
    if response is None:
        return None
    return response.headers.get("x-openstack-request-id") or response.headers.get("x-compute-request-id")


def _said(response: requests.Response | None) -> str:
    """The service's own message: each has its own wrapping, all have ``message`` somewhere near the top."""
    if response is None:
        return ""
    try:
        found = _message_in(response.json())
    except (json.JSONDecodeError, requests.JSONDecodeError):
        return _plain(response.text) or str(response.reason or "")
    return found or str(response.reason or "")


def _message_in(body: Any) -> str:
    if isinstance(body, dict):
        for value in (body.get("message"), *body.values()):
            found = value if isinstance(value, str) and value is body.get("message") else _message_in(value)
            if found:
                return _plain(found)
    return ""


def _plain(text: str) -> str:
    """One line without HTML (proxies and some services answer with pages), bounded."""
    text = re.sub(r"(?is)<(head|style|script)\b.*?</\1>", " ", text)
    text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    text = " ".join(text.split())
    return text if len(text) <= _MESSAGE_LENGTH else text[:_MESSAGE_LENGTH] + "…"
