"""HTTP with an optional name and password, and the encoding of protobuf messages."""

from __future__ import annotations

import base64
import http.client
import json
import struct
from typing import Any

from .outcome import Denied, of_connection

TIMEOUT_S = 4.0


def login_of(source: str) -> str:
    """``NAME:PASSWORD``, as it is given or from a file, which may say ``{"principal": NAME, "secret": PASSWORD}``
    instead. Empty where the file is missing, as on an open cluster.
    """
    if not source.startswith("/"):
        return source
    try:
        with open(source) as file:  # noqa: PTH123
            text = file.read()
    except FileNotFoundError:
        return ""
    if not text.startswith("{"):
        return text.strip()
    found = json.loads(text)
    return f"{found['principal']}:{found['secret']}"


def ask(
    at: tuple[str, int],
    method: str,
    path: str,
    body: Any = None,
    *,
    login: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Status and the beginning of the body. Bytes are sent as they are, everything else as JSON.

    Raises:
        Denied: no answer.
    """
    send = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
    if login:
        send["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    data = body if isinstance(body, bytes) or body is None else json.dumps(body)
    connection = http.client.HTTPConnection(*at, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, data, send)
        answer = connection.getresponse()
        # a stream of events has no end: its first piece is enough
        text = answer.readline() + (answer.read1(4000) if answer.status == http.HTTPStatus.OK else answer.read(4000))
        return answer.status, text.decode(errors="replace")
    except (OSError, EOFError, http.client.HTTPException) as error:
        raise of_connection(error) from error
    finally:
        connection.close()


def accepted(answer: tuple[int, str]) -> str:
    """What an answer of the 200s says.

    Raises:
        Denied: another status, which is the reason.
    """
    status, text = answer
    if not 200 <= status < 300:
        raise Denied(str(status), text[:300])
    return f"{status} {text[:200]}"


def message(*fields: tuple[int, int | float | str | bytes]) -> bytes:
    """A protobuf message of fields ``(number, value)``."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            out += varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


def varint(value: int) -> bytes:
    """Base 128, the low end first."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
