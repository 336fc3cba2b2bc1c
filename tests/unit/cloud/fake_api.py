"""A small OpenStack at HTTP level (mounted by requests-mock): just enough state to tell what was created how often.

Faults are put in front of it or behind it: ``api.faults.append(Fault(...))``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

HOST = "http://cloud.test"
PROJECT = "0123456789abcdef0123456789abcdef"
Body = dict[str, Any]


@dataclass
class Fault:
    """One failing request, or ``times`` of them, of those whose ``METHOD /path`` matches ``pattern``."""

    pattern: str
    status: int | None = None
    error: requests.RequestException | None = None
    after: bool = False
    times: int = 1
    skip: int = 0  # so many matching requests pass first
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Reply:
    """An answer."""

    status: int
    body: Body | None = None
    text: str | None = None  # instead of JSON


@dataclass
class FakeApi:
    """Keystone, Nova 2.1, Neutron, Cinder v3, Glance v2 and Barbican v1 below ``http://cloud.test``."""

    microversion: str = "2.93"
    with_cinder: bool = True
    with_barbican: bool = True
    volumes_linger: bool = False  # True: a deleted volume is 'deleting' for ever, as in Cinder for some seconds
    scoped: bool = True  # False: tokens are for no project
    max_limit: int = 1000
    filters_ignored: bool = False  # Barbican's
    ram_used_mib: int = 51200  # all there is
    faults: list[Fault] = field(default_factory=list)
    log: list[tuple[str, str, Body | None]] = field(default_factory=list)  # method, path?query, body; no auth
    headers: list[dict[str, str]] = field(default_factory=list)  # of the same requests
    tokens: int = 0
    servers: list[Body] = field(default_factory=list)
    server_groups: list[Body] = field(default_factory=list)
    ports: list[Body] = field(default_factory=list)
    security_groups: list[Body] = field(default_factory=list)
    volumes: list[Body] = field(default_factory=list)
    snapshots: list[Body] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)  # ids of volumes, to whatever server
    images: list[Body] = field(default_factory=list)
    secrets: list[Body] = field(default_factory=list)  # with their payload
    networks: list[Body] = field(default_factory=list)
    subnets: list[Body] = field(default_factory=list)
    availability: Body | None = None
    quotas: Body | None = None
    actions: list[Body] = field(default_factory=list)  # of server built-anew
    expired: set[str] = field(default_factory=set)
    timeouts: list[Any] = field(default_factory=list)

    def __call__(self, request: Any, context: Any) -> str:
        """The callback of requests-mock."""
        url = urlsplit(request.url)
        path = url.path
        body = json.loads(request.body) if request.body else None
        self.timeouts.append(request.timeout)
        if "/identity" not in path:
            self.log.append((request.method, path + (f"?{url.query}" if url.query else ""), body))
            self.headers.append(dict(request.headers))
        fault = self._fault(f"{request.method} {path}")
        reply = None
        if fault is None or fault.after:
            # a filter given more than once means any of its values
            reply = self._answer(request, path, {k: "\0".join(v) for k, v in parse_qs(url.query).items()}, body)
        if fault is not None:
            if fault.error is not None:
                raise fault.error
            context.headers = fault.headers
            reply = Reply(fault.status or 500, {"error": {"message": "injected", "code": fault.status}})
        assert reply is not None
        context.status_code = reply.status
        context.headers = {**context.headers, "x-openstack-request-id": "req-1", "Content-Type": "application/json"}
        if path.endswith("/auth/tokens"):
            self.tokens += 1
            context.headers = {**context.headers, "X-Subject-Token": f"token-{self.tokens}"}
        if reply.text is not None:
            context.headers = {**context.headers, "Content-Type": "text/plain"}
            return reply.text
        return json.dumps(reply.body) if reply.body is not None else ""

    def _fault(self, call: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.pattern, call):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def sent(self, method: str, path_end: str) -> list[Body | None]:
        """Bodies of the requests to a path, without their query."""
        return [body for verb, path, body in self.log if verb == method and path.split("?")[0].endswith(path_end)]

    # --- dispatch -----------------------------------------------------------------------------------------------
    def _answer(self, request: Any, path: str, query: dict[str, str], body: Body | None) -> Reply:
        if path.startswith("/identity"):
            return self._keystone(path)
        if request.headers.get("X-Auth-Token") in self.expired:
            return Reply(401, {"error": {"message": "The request you have made requires authentication."}})
        service, _, rest = path.lstrip("/").partition("/")
        if rest.strip("/") in ("", "v1", "v2.1", "v2.0", "v2", "v3", f"v3/{PROJECT}"):
            return self._versions(service)
        rest = "/" + rest.split("/", 1)[1].removeprefix(f"{PROJECT}/")
        serve: Callable[[str, str, dict[str, str], Any], Reply] = getattr(self, f"_{service}")
        return serve(request.method, rest, query, body)

    def _keystone(self, path: str) -> Reply:
        if not path.endswith("/auth/tokens"):
            links = [{"rel": "self", "href": f"{HOST}/identity/v3/"}]
            return Reply(200, {"version": {"id": "v3.14", "status": "stable", "links": links}})
        kinds = {"compute": "/compute/v2.1", "network": "/network", "image": "/image"}
        if self.with_cinder:
            kinds["block-storage"] = f"/volume/v3/{PROJECT}"
        if self.with_barbican:
            kinds["key-manager"] = "/keymanager"
        catalog = [
            {
                "type": kind,
                "name": kind,
                "endpoints": [{"interface": "public", "region": "R", "region_id": "R", "url": HOST + url, "id": kind}],
            }
            for kind, url in kinds.items()
        ]
        token = {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "project": {"id": PROJECT, "name": "demo", "domain": {"id": "default", "name": "Default"}},
            "user": {"id": "u", "name": "demo", "domain": {"id": "default", "name": "Default"}},
            "roles": [],
            "catalog": catalog,
        }
        if not self.scoped:
            del token["project"]
        return Reply(201, {"token": token})

    def _versions(self, service: str) -> Reply:
        of = {"compute": "v2.1", "network": "v2.0", "image": "v2.16", "volume": "v3.0", "keymanager": "v1"}[service]
        root = {"compute": "v2.1", "network": "v2.0", "image": "v2", "volume": "v3", "keymanager": "v1"}[service]
        version = {
            "id": of,
            "status": "CURRENT",
            "version": self.microversion if service == "compute" else "",
            "min_version": "2.1" if service == "compute" else "",
            "links": [{"rel": "self", "href": f"{HOST}/{service}/{root}/"}],
        }
        return Reply(200, {"version": version} if service == "compute" else {"versions": [version]})

    # --- services -----------------------------------------------------------------------------------------------
    def _compute(  # noqa: PLR0911  # a dispatcher
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> Reply:
        if (method, path) == ("GET", "/servers/detail"):
            return self._page("servers", self.servers, query)
        if (method, path) == ("POST", "/servers"):
            return self._boot(body["server"])
        if path == "/os-server-groups":
            if method == "POST":
                group = {"id": f"g{len(self.server_groups)}", "members": [], **body["server_group"]}
                self.server_groups.append(group)
                return Reply(200, {"server_group": group})
            return Reply(200, {"server_groups": self.server_groups})
        if method == "GET" and (found := [each for each in self.servers if path == f"/servers/{each['id']}"]):
            return Reply(200, {"server": found[0]})
        if "/os-volume_attachments" in path:
            return self._attachment(method, path, body)
        if method == "DELETE":
            kept = self.server_groups if path.startswith("/os-server-groups") else self.servers
            return self._delete(kept, path)
        if path.endswith("/action"):
            return self._action(path, body)
        if path.endswith("/metadata") and (found := [s for s in self.servers if s["id"] == path.split("/")[2]]):
            found[0]["metadata"] = {**found[0]["metadata"], **body["metadata"]}
            return Reply(200, {"metadata": found[0]["metadata"]})
        fixed: dict[str, Body] = {
            "/flavors/detail": {
                "flavors": [{"id": "f1", "name": "m1.small", "vcpus": 1, "ram": 2048, "disk": 10, "links": []}]
            },
            "/os-keypairs/ops": {"keypair": {"name": "ops"}},
            "/os-availability-zone": {
                "availabilityZoneInfo": [
                    {"zoneName": "nova", "zoneState": {"available": True}},
                    {"zoneName": "down", "zoneState": {"available": False}},
                ]
            },
            "/servers/built-anew/os-instance-actions": {"instanceActions": self.actions},
            "/limits": {
                "limits": {
                    "rate": [],
                    "absolute": {
                        "maxTotalInstances": 10,
                        "totalInstancesUsed": 4,
                        "maxTotalCores": -1,
                        "totalCoresUsed": 8,
                        "maxTotalRAMSize": 51200,
                        "totalRAMUsed": self.ram_used_mib,
                        "maxServerGroups": 10,
                        "totalServerGroupsUsed": 1,
                        "maxServerGroupMembers": 10,
                    },
                }
            },
        }
        return Reply(200, fixed[path]) if path in fixed else Reply(404, {"itemNotFound": {"message": "not found"}})

    def _attachment(self, method: str, path: str, body: Any) -> Reply:
        if method == "GET":
            return Reply(200, {"volumeAttachments": [{"id": v, "volumeId": v} for v in self.attached]})
        if method == "DELETE":
            if path.rsplit("/", 1)[1] not in self.attached:
                return Reply(404, {"itemNotFound": {"message": "not found"}})
            self.attached.remove(path.rsplit("/", 1)[1])
            return Reply(202)
        volume_id = body["volumeAttachment"]["volumeId"]
        if volume_id in self.attached:
            return Reply(400, {"badRequest": {"message": "Invalid volume: Volume status must be available"}})
        self.attached.append(volume_id)
        return Reply(200, {"volumeAttachment": {"id": volume_id, "volumeId": volume_id}})

    def _boot(self, wanted: Body) -> Reply:
        count = wanted["max_count"]
        for number in range(1, count + 1):
            name = wanted["name"] if count == 1 else f"{wanted['name']}-{number}"
            self.servers.append(server(name, metadata=wanted["metadata"], tags=wanted["tags"]))
        return Reply(202, {"server": {"id": self.servers[-count]["id"], "links": []}})

    def _action(self, path: str, body: Body) -> Reply:
        [action] = body
        found = next((s for s in self.servers if s["id"] == path.split("/")[2]), None)
        if found is None:
            return Reply(404, {"itemNotFound": {"message": "Instance could not be found."}})
        if action == "os-getConsoleOutput":
            return Reply(200, {"output": "login:"})
        if action == "createImage":
            new = image(body[action]["name"], status="queued", **body[action]["metadata"])
            self.images.append(new)
            return Reply(202, {"image_id": new["id"]})
        action = "stop" if "os-stop" in body else "start"
        state, after = {"stop": ("stopped", "SHUTOFF"), "start": ("active", "ACTIVE")}[action]
        if found["status"] == after:
            message = f"Cannot '{action}' instance {found['id']} while it is in vm_state {state}"
            return Reply(409, {"conflictingRequest": {"message": message}})
        found["status"] = after
        return Reply(202)

    def _network(  # noqa: PLR0911  # a dispatcher
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> Reply:
        if path.startswith("/network-ip-availabilities"):
            known = self.availability
            return Reply(200, {"network_ip_availability": known}) if known else _neutron_error(403, "not allowed")
        if path.startswith("/quotas"):
            return Reply(200, {"quota": self.quotas}) if self.quotas else _neutron_error(404, "no such thing")
        if "/tags/" in path:
            return self._tag(method, path)
        if path.startswith("/security-group-rules"):
            if method == "DELETE":
                return self._delete_rule(path.rsplit("/", 1)[1])
            return self._rules(body["security_group_rules"])
        kind = path.split("/")[1].replace("-", "_")
        kept: list[Body] = getattr(self, kind)
        if method == "DELETE":
            return self._delete(kept, path)
        if method == "POST":
            many = body.get("ports") or [body.get("security_group")]
            made = [
                {
                    "id": f"{kind}-{len(kept) + number}",
                    "project_id": PROJECT,
                    "fixed_ips": [{"ip_address": f"10.0.0.{len(kept) + number}"}],
                    "security_group_rules": [],
                    "created_at": "2026-01-01T00:00:00Z",
                    **item,
                }
                for number, item in enumerate(many)
            ]
            kept += made
            return Reply(201, {kind: made} if "ports" in body else {"security_group": made[0]})
        if method in ("GET", "PUT") and (one := [each for each in kept if path.split("/")[2:] == [each["id"]]]):
            if method == "PUT":
                one[0].update(body[kind.removesuffix("s")])
            return Reply(200, {kind.removesuffix("s"): one[0]})
        # as Neutron: filters by what it knows, here everything but the project
        wanted = {key: value for key, value in query.items() if key in ("name", "id", "network_id")}
        found = [item for item in kept if all(item.get(key) in any_of.split("\0") for key, any_of in wanted.items())]
        return Reply(200, {kind: found})

    def _tag(self, method: str, path: str) -> Reply:
        _, _, group_id, _, tag = path.split("/")
        [group] = [group for group in self.security_groups if group["id"] == group_id]
        tags: list[str] = group.setdefault("tags", [])
        if len(tag) > 60 or (method == "DELETE" and tag not in tags):
            return _neutron_error(400 if method == "PUT" else 404, "no such tag")
        group["tags"] = sorted({*tags, tag} if method == "PUT" else {*tags} - {tag})
        return Reply(201 if method == "PUT" else 204)

    def _rules(self, rules: list[Body]) -> Reply:
        [group] = [g for g in self.security_groups if g["id"] == rules[0]["security_group_id"]]
        kept: list[Body] = group["security_group_rules"]
        if any(rule.items() <= other.items() for rule in rules for other in kept):
            return _neutron_error(409, "Security group rule already exists. Rule id is 1.")
        made = [{"id": f"rule-{len(kept) + number}", **rule} for number, rule in enumerate(rules)]
        kept += made
        return Reply(201, {"security_group_rules": made})

    def _delete_rule(self, rule_id: str) -> Reply:
        for group in self.security_groups:
            for rule in group["security_group_rules"]:
                if rule["id"] == rule_id:
                    group["security_group_rules"].remove(rule)
                    return Reply(204)
        return _neutron_error(404, "Security group rule could not be found.")

    def _volume(  # noqa: PLR0911  # a dispatcher
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> Reply:
        if path == "/limits":
            absolute = {
                "maxTotalVolumes": 10,
                "totalVolumesUsed": 1,
                "maxTotalVolumeGigabytes": -1,
                "totalGigabytesUsed": 5,
            }
            return Reply(200, {"limits": {"rate": [], "absolute": absolute}})
        if path.startswith("/snapshots"):
            if method == "DELETE":
                return self._delete(self.snapshots, path)
            if method == "POST":
                made = {"id": new_id(), "size": 50, "status": "creating", **body["snapshot"]}
                self.snapshots.append(made)
                return Reply(202, {"snapshot": made})
            return self._page("snapshots", self.snapshots, query)
        one = next((item for item in self.volumes if path == f"/volumes/{item['id']}"), None)
        if method == "DELETE" and one and self.volumes_linger:
            if one["status"] in ("in-use", "deleting"):
                return Reply(400, {"badRequest": {"message": "Invalid volume: Volume status must be available"}})
            one["status"] = "deleting"
            return Reply(202)
        if method == "DELETE":
            return self._delete(self.volumes, path)
        if method == "GET" and path not in ("/volumes/detail", "/volumes"):
            return Reply(200, {"volume": one}) if one else Reply(404, {"itemNotFound": {"message": "not found"}})
        if method == "POST":
            self.volumes.append(volume(**body["volume"]))
            return Reply(202, {"volume": self.volumes[-1]})
        return self._page("volumes", self.volumes, query)

    def _image(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:
        if method == "DELETE":
            return self._delete(self.images, path)
        if path == "/images":
            return self._page("images", self.images, query)
        found = next((item for item in self.images if item["id"] == path.rsplit("/", 1)[1]), None)
        return Reply(200, found) if found else Reply(404, {"message": "No image found"})

    def _keymanager(  # a dispatcher
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> Reply:
        """Barbican's pages are by offset; what it lists has no payload."""
        if method == "POST":
            made = {"id": new_id(), **body}
            self.secrets.append(made)
            return Reply(201, {"secret_ref": f"{HOST}/keymanager/v1/secrets/{made['id']}"})
        if method == "DELETE":
            return self._delete(self.secrets, path)
        if path.endswith("/payload"):
            found = next((each for each in self.secrets if path == f"/secrets/{each['id']}/payload"), None)
            if found is None or found.get("payload") is None:
                return Reply(404, {"code": 404, "title": "Not Found", "description": "Secret has no payload."})
            return Reply(200, text=str(found["payload"]))
        known = [each for each in self.secrets if query.get("name") in (None, each["name"]) or self.filters_ignored]
        start, size = int(query.get("offset", 0)), min(int(query.get("limit", 10)), self.max_limit)
        page = [
            {"name": each["name"], "status": "ACTIVE", "secret_ref": f"{HOST}/keymanager/v1/secrets/{each['id']}"}
            for each in known[start : start + size]
        ]
        more = {"next": f"{HOST}/keymanager/v1/secrets?offset={start + size}"} if start + size < len(known) else {}
        return Reply(200, {"secrets": page, "total": len(known), **more})

    def _page(self, key: str, items: list[Body], query: dict[str, str]) -> Reply:
        size = min(int(query.get("limit", self.max_limit)), self.max_limit)
        start = next((n + 1 for n, item in enumerate(items) if item["id"] == query.get("marker")), 0)
        page = items[start : start + size]
        body: Body = {key: page}
        if len(page) == size:
            body |= {"next": "/v2/images"} if key == "images" else {f"{key}_links": [{"rel": "next", "href": "x"}]}
        return Reply(200, body)

    def _delete(self, kept: list[Body], path: str) -> Reply:
        found = [item for item in kept if item["id"] == path.rsplit("/", 1)[1]]
        if not found:
            return Reply(404, {"itemNotFound": {"message": "not found"}})
        kept.remove(found[0])
        return Reply(204)


def _neutron_error(status: int, message: str) -> Reply:
    return Reply(status, {"NeutronError": {"type": "Some", "message": message, "detail": ""}})


_numbers = iter(range(10**9))


def new_id() -> str:
    """A UUID, different each time."""
    return f"00000000-0000-0000-0000-{next(_numbers):012d}"


def server(name: str, **more: Any) -> Body:
    """A server as Nova's detailed list shows it."""
    return {
        "id": new_id(),
        "name": name,
        "status": "ACTIVE",
        "tenant_id": PROJECT,
        "flavor": {"original_name": "m1.small", "vcpus": 1},
        "image": {"id": "i1"},
        "addresses": {"lab": [{"addr": "10.0.0.9", "version": 4, "OS-EXT-IPS:type": "fixed"}]},
        "created": "2026-01-01T00:00:00Z",
        "OS-EXT-STS:task_state": None,
        "OS-SRV-USG:launched_at": "2026-01-01T00:00:01.0",
        "hostId": "h1",
        "metadata": {},
        "tags": [],
        **more,
    }


def volume(name: str, size: int = 1, **more: Any) -> Body:
    """A volume as Cinder's detailed list shows it."""
    return {"id": new_id(), "name": name, "size": size, "status": "creating", "attachments": [], "metadata": {}, **more}


def image(name: str, **more: Any) -> Body:
    """An image of Glance's API v2."""
    return {
        "id": new_id(),
        "name": name,
        "status": "active",
        "created_at": "2026-01-01T00:00:00Z",
        "min_disk": 0,
        "min_ram": 0,
        "size": 7,
        "owner": PROJECT,
        "visibility": "private",
        **more,
    }
