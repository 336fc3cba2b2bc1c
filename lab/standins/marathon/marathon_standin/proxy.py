"""A standby's answer: what the leader says (Marathon's LeaderProxyFilter: headers, status codes, loop check)."""

from __future__ import annotations

import http.client

from .config import Config
from .messages import Request, Response, as_json

LEADER_HEADER = "X-Marathon-Leader"
VIA_HEADER = "X-Marathon-Via"
_HOP_BY_HOP = frozenset(["connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"])


def forward(request: Request, leader: str, config: Config) -> Response:
    """Return the answer of ``leader`` (host:port). 502: refused or a loop, 504: too slow."""
    via = f"1.1 {config.host_port}"
    if via in request.headers.get(VIA_HEADER.lower(), ""):
        return as_json(502, {"message": "Detected proxying loop."})
    host, _, port = leader.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=config.leader_proxy_connection_timeout / 1000)
    headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
    headers[VIA_HEADER] = ", ".join(filter(None, [headers.pop(VIA_HEADER.lower(), ""), via]))
    headers["X-Forwarded-For"] = ",".join(filter(None, [headers.pop("x-forwarded-for", ""), request.client]))
    try:
        connection.connect()
        connection.sock.settimeout(config.leader_proxy_read_timeout / 1000)
        connection.request(request.method, request.target, request.body or None, headers)
        response = connection.getresponse()
        body = response.read()
    except TimeoutError:
        return as_json(504, {"message": "Connection to leader timed out."})
    except ConnectionRefusedError:
        return as_json(502, {"message": "Connection to leader refused."})
    except (OSError, http.client.HTTPException) as exc:
        message = f"Failed to successfully establish a connection to the leader: {exc}"
        return as_json(502, {"message": message})
    finally:
        connection.close()
    passed = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
    content_type = passed.pop("Content-Type", "application/json")
    return Response(response.status, body, content_type, passed | {VIA_HEADER: via})
