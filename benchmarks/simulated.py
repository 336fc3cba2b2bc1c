"""A simulated OpenStack that answers lists, in Nova's pages.

It is a stand-in: nothing can be created in it, and it takes no time to find its servers, so that what is measured
against it is the client's own work. Services: Keystone, Nova, Neutron.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

Body = dict[str, Any]
MAX_LIMIT = 1000  # Nova's own default of [api]max_limit
PROJECT = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Recorded:
    """Bodies of answers, by key: ``flavors``, ``server_groups``, ``ports``, ``security_groups``."""

    servers: Sequence[Body]
    version: Body  # of Nova
    lists: Mapping[str, Sequence[Body]] = field(default_factory=dict)


class SimulatedCloud:
    """A running simulation on loopback, as a context manager."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.calls: Counter[str] = Counter()  # ``GET /compute/v2.1/servers/detail`` -> how often
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cloud": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def clouds_yaml(self, name: str) -> str:
        """Of one entry (JSON, which YAML contains)."""
        auth = {
            "auth_url": f"{self.url}/v3",
            "username": "simulated",
            "password": "simulated",
            "project_name": "simulated",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        return json.dumps({"clouds": {name: {"auth": auth, "region_name": "RegionOne"}}})

    def answer(self, method: str, target: str) -> tuple[int, Body, dict[str, str]]:
        """Status, body and headers."""
        path, query = urlsplit(target).path.rstrip("/"), parse_qs(urlsplit(target).query)
        self.calls[f"{method} {path}"] += 1
        if path == "/v3/auth/tokens":
            return 201, self._token(), {"X-Subject-Token": "simulated"}
        kind = path.rpartition("/")[2]
        fixed: dict[str, Body] = {
            "/v3": {"version": {"id": "v3.14", "status": "stable", "links": [_self(f"{self.url}/v3/")]}},
            "/compute/v2.1": self._version(),
            "/network": {
                "versions": [{"id": "v2.0", "status": "CURRENT", "links": [_self(f"{self.url}/network/v2.0/")]}]
            },
            "/compute/v2.1/flavors/detail": {"flavors": self._list("flavors")},
            "/compute/v2.1/os-server-groups": {"server_groups": self._list("server_groups")},
            f"/network/v2.0/{kind}": {kind.replace("-", "_"): self._list(kind.replace("-", "_"))},
        }
        if path == "/compute/v2.1/servers/detail":
            return 200, self._servers(query), {}
        return (200, fixed[path], {}) if path in fixed else (404, {"error": {"message": path, "code": 404}}, {})

    def _list(self, key: str) -> list[Body]:
        return list(self.recorded.lists.get(key, ()))

    def _version(self) -> Body:
        return {"version": {**self.recorded.version, "links": [_self(f"{self.url}/compute/v2.1/")]}}

    def _servers(self, query: Mapping[str, Sequence[str]]) -> Body:
        servers = self.recorded.servers
        first = 0
        if marker := query.get("marker"):
            first = next(n for n, server in enumerate(servers, 1) if server["id"] == marker[0])
        limit = min(int(query.get("limit", [MAX_LIMIT])[0]), MAX_LIMIT)
        page = list(servers[first : first + limit])
        body: Body = {"servers": page}
        if len(page) == limit:  # as Nova: a full page has a link, even if it is the last
            href = f"{self.url}/compute/v2.1/servers/detail?limit={limit}&marker={page[-1]['id']}"
            body["servers_links"] = [{"rel": "next", "href": href}]
        return body

    def _token(self) -> Body:
        def service(kind: str, path: str) -> Body:
            endpoint = {"interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": self.url + path}
            return {"type": kind, "name": kind, "id": kind, "endpoints": [{"id": kind, **endpoint}]}

        return {
            "token": {
                "methods": ["password"],
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "project": {"id": PROJECT, "name": "simulated", "domain": {"id": "default", "name": "Default"}},
                "user": {"id": PROJECT, "name": "simulated", "domain": {"id": "default", "name": "Default"}},
                "roles": [{"id": "member", "name": "member"}],
                "catalog": [
                    service("identity", "/v3"),
                    service("compute", "/compute/v2.1"),
                    service("network", "/network"),
                ],
            }
        }


class _Handler(BaseHTTPRequestHandler):
    cloud: ClassVar[SimulatedCloud]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def _serve(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, body, headers = self.cloud.answer(self.command, self.path)
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _serve


def _self(href: str) -> Body:
    return {"rel": "self", "href": href}
