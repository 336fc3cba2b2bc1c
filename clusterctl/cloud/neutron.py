"""Network: networks, ports, security groups and their rules.

An administrator's lists span all projects, so every list names the project, and the mark is checked here as well:
Neutron ignores a filter that it doesn't know.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from clusterctl.cloud.lock_tags import group_and_token, lock_id, lock_tags, locks_of, of_token
from clusterctl.cloud.neutron_json import free_addresses, lock_of, port_body, port_of, rule_body, security_group_of
from clusterctl.cloud.sdk_errors import calling
from clusterctl.cloud.service import OpenStackService, absence_allowed, pages
from clusterctl.errors import CloudError
from clusterctl.resources import (
    Lock,
    Network,
    Port,
    PortRequest,
    Rule,
    SecurityGroup,
    lock_mark,
    lock_name,
    owner_mark,
    security_group_name,
)

_Body = Mapping[str, Any]

_ADDRESSES = 50  # in one URL: servers take 4 KiB and more of a request's head
_NOT_TOLD = (403, 404)  # an extension that is for administrators, or isn't there
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Networking(OpenStackService):
    """The methods of ``base.Cloud`` that Neutron serves."""

    def _listed(self, what: str, kind: str, **query: Any) -> list[dict[str, Any]]:
        """``kind`` as in the path; a filter that is given more than one value takes any of them."""

        def get(query: Mapping[str, Any]) -> Mapping[str, Any]:
            return dict(self._clients.network.get(f"/{kind}", params=query).json())

        return list(pages(what, get, kind.replace("-", "_"), query))

    def _post(self, kind: str, body: Mapping[str, Any]) -> Any:
        return self._clients.network.post(f"/{kind}", json=body).json()

    def _delete(self, what: str, kind: str, identity: str) -> None:
        with absence_allowed(), calling(what):
            self._clients.network.delete(f"/{kind}/{identity}")

    # --- look-ups -----------------------------------------------------------------------------------------------
    def network(self, name_or_id: str, *, with_free_addresses: bool = False) -> Network | None:
        """See ``base.Cloud``."""
        what = f"look for network {name_or_id}"
        found = self._listed(what, "networks", name=name_or_id)
        if not found and _UUID.fullmatch(name_or_id):
            found = self._listed(what, "networks", id=name_or_id)
        found = [network for network in found if name_or_id in (network["name"], network["id"])]
        if len(found) > 1:
            ids = ", ".join(sorted(network["id"] for network in found))
            raise CloudError(f"{len(found)} networks are called {name_or_id}: {ids}", hint="give the id instead")
        if not found:
            return None
        [network] = found
        subnets, free = self._room(network) if with_free_addresses else ([], None)
        subnet_ids = tuple(network.get("subnets") or ())
        return Network(
            network["id"],
            network["name"],
            subnet_ids,
            free,
            # subnets of another project's network may be hidden: then the ports will tell
            ipv4=not with_free_addresses or (bool(subnets or subnet_ids) and not _only_v6(subnets)),
            # a cloud without the extension secures every port
            port_security=network.get("port_security_enabled") is not False,
            cidrs=tuple(sorted(subnet["cidr"] for subnet in subnets)),
        )

    def _room(self, network: _Body) -> tuple[list[dict[str, Any]], int | None]:
        """Subnets, and the number of free IPv4 addresses; None where the cloud doesn't tell.

        ``network-ip-availability`` is for administrators by default; the owner of a network can count its ports.
        """
        what = f"read the free addresses of network {network['name']}"
        with ThreadPoolExecutor(1) as threads:
            told = threads.submit(self._told_free, what, network["id"])
            subnets = self._listed(
                f"list the subnets of network {network['name']}", "subnets", network_id=network["id"]
            )
        known = told.result()
        if known is not None or network.get("project_id") != self._clients.project_id:
            return subnets, known
        pools = [pool for subnet in subnets if subnet.get("ip_version") != 6 for pool in subnet["allocation_pools"]]
        ports = self._listed(what, "ports", network_id=network["id"], fields="fixed_ips")
        taken = {ip["ip_address"] for port in ports for ip in port.get("fixed_ips") or ()}
        return subnets, free_addresses(pools, taken)

    def _told_free(self, what: str, network_id: str) -> int | None:
        try:
            with calling(what):
                path = f"/network-ip-availabilities/{network_id}"
                known = self._clients.network.get(path).json()["network_ip_availability"]
        except CloudError as error:
            if error.status in _NOT_TOLD:
                return None
            raise
        of_v4 = [subnet for subnet in known["subnet_ip_availability"] if subnet["ip_version"] == 4]
        return sum(int(subnet["total_ips"]) - int(subnet["used_ips"]) for subnet in of_v4)

    def network_quota(self) -> Mapping[str, Mapping[str, int]]:
        """``{"ports": {"limit", "used", "reserved"}, ...}``; empty where the cloud doesn't tell what is used."""
        try:
            with calling("read the network quota"):
                details = self._clients.network.get(f"/quotas/{self._clients.project_id}/details").json()["quota"]
        except CloudError as error:
            if error.status in _NOT_TOLD:
                return {}
            raise
        return {
            "ports": details.get("port") or {},
            "security_groups": details.get("security_group") or {},
            "security_group_rules": details.get("security_group_rule") or {},
        }

    # --- observation --------------------------------------------------------------------------------------------
    def ports(self, cluster: str) -> list[Port]:
        """Ports of the cluster: one filtered list call."""
        return [port_of(port) for port in self._marked("ports", owner_mark(cluster))]

    def security_groups(self, cluster: str) -> list[SecurityGroup]:
        """Security groups of the cluster: one filtered list call."""
        return self._security_groups(owner_mark(cluster))

    def _security_groups(self, mark: str) -> list[SecurityGroup]:
        found = self._marked("security-groups", mark)
        names = {group["id"]: group["name"] for group in found}
        return [security_group_of(group, names) for group in found]

    def _marked(self, kind: str, mark: str) -> list[dict[str, Any]]:
        project = self._clients.project_id
        found = self._listed(f"list {kind.replace('-', ' ')}", kind, description=mark, project_id=project)
        return [item for item in found if item.get("description") == mark and item["project_id"] == project]

    def locks(self, cluster: str) -> list[Lock]:
        """See ``base.Cloud``. A security group of that name is a lock only with the mark."""
        name, mark = lock_name(cluster), lock_mark(cluster)
        found = self._named(cluster)
        locks = [lock_of(e) for e in found if e["name"] == name and (e.get("description") or "").startswith(mark)]
        of_cluster = [group for group in found if self._is_cluster(group, cluster)]
        tagged = [lock for group in of_cluster for lock in locks_of(group["id"], group.get("tags") or ())]
        return [*locks, *(lock for lock in tagged if lock.text.startswith(mark))]

    def _named(self, cluster: str) -> list[dict[str, Any]]:
        """Security groups that have the names of the cluster's, or of its locks."""
        names, project = [lock_name(cluster), security_group_name(cluster)], self._clients.project_id
        found = self._listed("list locks", "security-groups", name=names, project_id=project)
        return [group for group in found if group["name"] in names and group["project_id"] == project]

    @staticmethod
    def _is_cluster(group: _Body, cluster: str) -> bool:
        return (group["name"], group.get("description")) == (security_group_name(cluster), owner_mark(cluster))

    def users_of_group(self, group_id: str) -> list[Port]:
        """See ``base.Cloud``. A Neutron that doesn't know the filter lists all ports, so it is checked here as well."""
        what, project = f"list the ports of security group {group_id}", self._clients.project_id
        found = self._listed(what, "ports", security_groups=group_id, project_id=project)
        return [port_of(port) for port in found if group_id in (port.get("security_groups") or ())]

    def used_addresses(self, addresses: Collection[str]) -> set[str]:
        """See ``base.Cloud``."""
        wanted = [f"ip_address={address}" for address in sorted(addresses)]
        found: set[str] = set()
        for start in range(0, len(wanted), _ADDRESSES):
            some = wanted[start : start + _ADDRESSES]
            for port in self._listed("list the ports of addresses", "ports", fixed_ips=some):
                found |= {ip["ip_address"] for ip in port.get("fixed_ips") or ()}
        return found & set(addresses)

    # --- writes -------------------------------------------------------------------------------------------------
    def create_ports(self, requests: Sequence[PortRequest]) -> list[Port]:
        """See ``base.Cloud``."""
        by_name = {request.name: request for request in requests}
        if not by_name:
            return []
        [mark] = {request.description for request in requests}

        def create(missing: Sequence[str]) -> dict[str, Port]:
            bodies = [port_body(by_name[name]) for name in missing]
            with calling(f"create {len(bodies)} ports {missing[0]} to {missing[-1]}"):
                made = self._post("ports", {"ports": bodies})["ports"]
            return {port["name"]: port_of(port) for port in made}

        def find() -> dict[str, Port]:
            return {port["name"]: port_of(port) for port in self._marked("ports", mark)}

        made = self._recovery.create(list(by_name), create, find)
        return [made[request.name] for request in requests]

    def create_security_group(self, name: str, description: str) -> SecurityGroup:
        """See ``base.Cloud``."""

        def create(_missing: Sequence[str]) -> dict[str, SecurityGroup]:
            with calling(f"create security group {name}"):
                made = self._post("security-groups", {"security_group": {"name": name, "description": description}})
            return {name: security_group_of(made["security_group"])}

        def find() -> dict[str, SecurityGroup]:
            return {group.name: group for group in self._security_groups(description)}

        return self._recovery.create([name], create, find)[name]

    def create_lock(self, cluster: str, text: str) -> Lock:
        """See ``base.Cloud``."""

        def create(_missing: Sequence[str]) -> dict[str, Lock]:
            with calling(f"lock cluster {cluster}"):
                wanted = {"name": lock_name(cluster), "description": text}
                made = self._post("security-groups", {"security_group": wanted})
            return {text: lock_of(made["security_group"])}

        def find() -> dict[str, Lock]:
            return {lock.text: lock for lock in self.locks(cluster)}

        try:
            return self._recovery.create([text], create, find)[text]
        except CloudError as error:
            groups = sorted(group["id"] for group in self._named(cluster) if self._is_cluster(group, cluster))
            if error.status != 409 or not groups:
                raise
            return self._tag(groups[0], text)

    def _tag(self, group_id: str, text: str) -> Lock:
        """A lock without quota, see ``lock_tags``."""
        token, created = secrets.token_hex(4), datetime.now(UTC).isoformat(timespec="seconds")
        for tag in lock_tags(token, text, created):
            self._recovery.repeat(partial(self._set_tag, "PUT", group_id, tag))
        return Lock(lock_id(group_id, token), text, created)

    def _set_tag(self, method: str, group_id: str, tag: str) -> None:
        path = f"/security-groups/{group_id}/tags/{tag}"
        if method == "PUT":
            with calling(f"lock by a tag of security group {group_id}"):
                self._clients.network.put(path)
        else:
            with absence_allowed(), calling(f"unlock by a tag of security group {group_id}"):
                self._clients.network.delete(path)

    def create_rules(
        self,
        security_group_id: str,
        rules: Iterable[Rule],
        description: str = "",
        ids: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """See ``base.Cloud``. Where one of the rules exists, Neutron makes none: then they are made one by one."""
        bodies = [rule_body(security_group_id, rule, description, ids) for rule in rules]
        if bodies and not self._made_rules(bodies):
            for body in bodies:
                self._made_rules([body])

    def _made_rules(self, bodies: Sequence[Mapping[str, Any]]) -> bool:
        """False where one of them exists already."""

        def post() -> None:
            with calling(f"create {len(bodies)} rules of security group {bodies[0]['security_group_id']}"):
                self._post("security-group-rules", {"security_group_rules": bodies})

        try:
            self._recovery.repeat(post)
        except CloudError as error:
            if error.status == 409 and "already exists" in error.message:
                return False
            raise
        return True

    def set_security_groups(self, port_id: str, group_ids: Sequence[str]) -> None:
        """See ``base.Cloud``."""

        def put() -> None:
            with calling(f"change the security groups of port {port_id}"):
                self._clients.network.put(f"/ports/{port_id}", json={"port": {"security_groups": list(group_ids)}})

        self._recovery.repeat(put)

    def delete_port(self, port_id: str) -> None:
        """See ``base.Cloud``."""
        self._delete(f"delete port {port_id}", "ports", port_id)

    def delete_security_group(self, group_id: str) -> None:
        """See ``base.Cloud``. CloudError 409 while a port uses it."""
        try:
            self._delete(f"delete security group {group_id}", "security-groups", group_id)
        except CloudError as error:
            if error.status == 409:
                error.hint = "something still uses it: delete the servers and ports first, then try again"
            raise

    def delete_rule(self, rule_id: str) -> None:
        """See ``base.Cloud``."""
        self._delete(f"delete security group rule {rule_id}", "security-group-rules", rule_id)

    def delete_lock(self, identity: str) -> None:
        """See ``base.Cloud``."""
        if tagged := group_and_token(identity):
            self._untag(*tagged)
            return
        self._delete(f"delete lock {identity}", "security-groups", identity)

    def _untag(self, group_id: str, token: str) -> None:
        tags: Sequence[str] = ()
        with absence_allowed(), calling(f"look at security group {group_id}"):
            tags = self._clients.network.get(f"/security-groups/{group_id}").json()["security_group"].get("tags") or ()
        for tag in of_token(token, tags):
            self._recovery.repeat(partial(self._set_tag, "DELETE", group_id, tag))


def _only_v6(subnets: Sequence[_Body]) -> bool:
    return bool(subnets) and all(subnet.get("ip_version") == 6 for subnet in subnets)
