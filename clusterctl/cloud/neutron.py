"""Network, through openstacksdk's proxy: networks, ports, security groups and their rules.

An administrator's lists span all projects, so every list names the project, and the mark is checked here as well:
Neutron ignores a filter that it doesn't know.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from openstack import exceptions as sdk

from clusterctl.cloud.lock_tags import group_and_token, lock_id, lock_tags, locks_of, of_token
from clusterctl.cloud.neutron_json import free_addresses, lock_of, port_body, port_of, rule_body, security_group_of
from clusterctl.cloud.sdk_errors import calling
from clusterctl.cloud.service import OpenStackService
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

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Networking(OpenStackService):
    """The methods of ``base.Cloud`` that Neutron serves."""

    @property
    def _network(self) -> Any:
        with calling("find the network API"):
            return self._clients.connection.network

    # --- look-ups -----------------------------------------------------------------------------------------------
    def network(self, name_or_id: str, *, with_free_addresses: bool = False) -> Network | None:
        """See ``base.Cloud``."""
        with calling(f"look for network {name_or_id}"):
            found = list(self._network.networks(name=name_or_id))
            if not found and _UUID.fullmatch(name_or_id):
                found = list(self._network.networks(id=name_or_id))
        found = [network for network in found if name_or_id in (network.name, network.id)]
        if len(found) > 1:
            ids = ", ".join(sorted(network.id for network in found))
            raise CloudError(f"{len(found)} networks are called {name_or_id}: {ids}", hint="give the id instead")
        if not found:
            return None
        [network] = found
        subnets = self._subnets(network) if with_free_addresses else []
        return Network(
            network.id,
            network.name,
            tuple(network.subnet_ids or ()),
            self._free_addresses(network, subnets) if with_free_addresses else None,
            # subnets of another project's network may be hidden: then the ports will tell
            ipv4=not with_free_addresses or (bool(subnets or network.subnet_ids) and not _only_v6(subnets)),
            port_security=_secured(network),
            cidrs=tuple(sorted(subnet.cidr for subnet in subnets)),
        )

    def _subnets(self, network: Any) -> list[Any]:
        with calling(f"list the subnets of network {network.name}"):
            return list(self._network.subnets(network_id=network.id))

    def _free_addresses(self, network: Any, subnets: Sequence[Any]) -> int | None:
        """Free IPv4 addresses; None where the cloud doesn't tell.

        ``network-ip-availability`` is for administrators by default; the owner of a network can count its ports.
        """
        with calling(f"read the free addresses of network {network.name}"):
            try:
                known = self._network.get_network_ip_availability(network.id)
                of_v4 = [subnet for subnet in known.subnet_ip_availability if subnet["ip_version"] == 4]
                return sum(int(subnet["total_ips"]) - int(subnet["used_ips"]) for subnet in of_v4)
            except (sdk.ForbiddenException, sdk.NotFoundException):
                if network.project_id != self._clients.project_id:
                    return None
            pools = [pool for subnet in subnets if subnet.ip_version != 6 for pool in subnet.allocation_pools]
            ports = self._network.ports(network_id=network.id, fields="fixed_ips")
            taken = {ip["ip_address"] for port in ports for ip in port.fixed_ips or ()}
        return free_addresses(pools, taken)

    def network_quota(self) -> Mapping[str, Mapping[str, int]]:
        """``{"ports": {"limit", "used", "reserved"}, ...}``; empty where the cloud doesn't tell what is used."""
        with calling("read the network quota"):
            try:
                details = self._network.get_quota(self._clients.project_id, details=True)
            except (sdk.NotFoundException, sdk.ForbiddenException):
                return {}
            return {
                "ports": details.ports or {},
                "security_groups": details.security_groups or {},
                "security_group_rules": details.security_group_rules or {},
            }

    # --- observation --------------------------------------------------------------------------------------------
    def ports(self, cluster: str) -> list[Port]:
        """Ports of the cluster: one filtered list call."""
        return [port_of(port) for port in self._marked("ports", owner_mark(cluster))]

    def security_groups(self, cluster: str) -> list[SecurityGroup]:
        """Security groups of the cluster: one filtered list call."""
        return [security_group_of(group) for group in self._marked("security_groups", owner_mark(cluster))]

    def _marked(self, kind: str, mark: str) -> list[Any]:
        project = self._clients.project_id
        with calling(f"list {kind.replace('_', ' ')}"):
            found = list(getattr(self._network, kind)(description=mark, project_id=project))
        return [item for item in found if item.description == mark and item.project_id == project]

    def locks(self, cluster: str) -> list[Lock]:
        """See ``base.Cloud``. A security group of that name is a lock only with the mark."""
        name, mark = lock_name(cluster), lock_mark(cluster)
        found = self._named(cluster)
        locks = [lock_of(each) for each in found if each.name == name and (each.description or "").startswith(mark)]
        tagged = [lock for each in found if self._is_cluster(each, cluster) for lock in locks_of(each.id, each.tags)]
        return [*locks, *(lock for lock in tagged if lock.text.startswith(mark))]

    def _named(self, cluster: str) -> list[Any]:
        """Security groups that have the names of the cluster's, or of its locks."""
        names, project = [lock_name(cluster), security_group_name(cluster)], self._clients.project_id
        with calling("list locks"):
            found = list(self._network.security_groups(name=names, project_id=project))
        return [group for group in found if group.name in names and group.project_id == project]

    @staticmethod
    def _is_cluster(group: Any, cluster: str) -> bool:
        return bool(group.name == security_group_name(cluster) and group.description == owner_mark(cluster))

    def users_of_group(self, group_id: str) -> list[Port]:
        """See ``base.Cloud``. A Neutron that doesn't know the filter lists all ports, so it is checked here as well."""
        with calling(f"list the ports of security group {group_id}"):
            found = list(self._network.ports(security_groups=group_id, project_id=self._clients.project_id))
        return [port_of(port) for port in found if group_id in (port.security_group_ids or ())]

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
                return {port.name: port_of(port) for port in self._network.create_ports(bodies)}

        def find() -> dict[str, Port]:
            return {port.name: port_of(port) for port in self._marked("ports", mark)}

        made = self._recovery.create(list(by_name), create, find)
        return [made[request.name] for request in requests]

    def create_security_group(self, name: str, description: str) -> SecurityGroup:
        """See ``base.Cloud``."""

        def create(_missing: Sequence[str]) -> dict[str, SecurityGroup]:
            with calling(f"create security group {name}"):
                made = self._network.create_security_group(name=name, description=description)
            return {name: security_group_of(made)}

        def find() -> dict[str, SecurityGroup]:
            return {group.name: security_group_of(group) for group in self._marked("security_groups", description)}

        return self._recovery.create([name], create, find)[name]

    def create_lock(self, cluster: str, text: str) -> Lock:
        """See ``base.Cloud``."""

        def create(_missing: Sequence[str]) -> dict[str, Lock]:
            with calling(f"lock cluster {cluster}"):
                made = self._network.create_security_group(name=lock_name(cluster), description=text)
            return {text: lock_of(made)}

        def find() -> dict[str, Lock]:
            return {lock.text: lock for lock in self.locks(cluster)}

        try:
            return self._recovery.create([text], create, find)[text]
        except CloudError as error:
            groups = sorted(group.id for group in self._named(cluster) if self._is_cluster(group, cluster))
            if error.status != 409 or not groups:
                raise
            return self._tag(groups[0], text)

    def _tag(self, group_id: str, text: str) -> Lock:
        """A lock without quota, see ``lock_tags``."""
        token, created = secrets.token_hex(4), datetime.now(UTC).isoformat(timespec="seconds")
        for tag in lock_tags(token, text, created):
            self._recovery.repeat(partial(self._set_tag, "put", group_id, tag))
        return Lock(lock_id(group_id, token), text, created)

    def _set_tag(self, method: str, group_id: str, tag: str) -> None:
        with calling(f"{'lock' if method == 'put' else 'unlock'} by a tag of security group {group_id}"):
            response = getattr(self._network, method)(f"/security-groups/{group_id}/tags/{tag}")
            if method == "put" or response.status_code != 404:
                sdk.raise_from_response(response)

    def create_rules(self, security_group_id: str, rules: Iterable[Rule], description: str = "") -> None:
        """See ``base.Cloud``. Where one of the rules exists, Neutron makes none: then they are made one by one."""
        bodies = [rule_body(security_group_id, rule, description) for rule in rules]
        if bodies and not self._made_rules(bodies):
            for body in bodies:
                self._made_rules([body])

    def _made_rules(self, bodies: Sequence[Mapping[str, Any]]) -> bool:
        """False where one of them exists already."""

        def post() -> None:
            with calling(f"create {len(bodies)} rules of security group {bodies[0]['security_group_id']}"):
                list(self._network.create_security_group_rules(bodies))

        try:
            self._recovery.repeat(post)
        except CloudError as error:
            if error.status == 409 and "already exists" in error.message:
                return False
            raise
        return True

    def delete_port(self, port_id: str) -> None:
        """See ``base.Cloud``."""
        with calling(f"delete port {port_id}"):
            self._network.delete_port(port_id, ignore_missing=True)

    def delete_security_group(self, group_id: str) -> None:
        """See ``base.Cloud``. CloudError 409 while a port uses it."""
        try:
            with calling(f"delete security group {group_id}"):
                self._network.delete_security_group(group_id, ignore_missing=True)
        except CloudError as error:
            if error.status == 409:
                error.hint = "something still uses it: delete the servers and ports first, then try again"
            raise

    def delete_rule(self, rule_id: str) -> None:
        """See ``base.Cloud``."""
        with calling(f"delete security group rule {rule_id}"):
            self._network.delete_security_group_rule(rule_id, ignore_missing=True)

    def delete_lock(self, identity: str) -> None:
        """See ``base.Cloud``."""
        if tagged := group_and_token(identity):
            self._untag(*tagged)
            return
        with calling(f"delete lock {identity}"):
            self._network.delete_security_group(identity, ignore_missing=True)

    def _untag(self, group_id: str, token: str) -> None:
        with calling(f"look at security group {group_id}"):
            found = self._network.find_security_group(group_id, ignore_missing=True)
        for tag in of_token(token, found.tags if found else ()):
            self._recovery.repeat(partial(self._set_tag, "delete", group_id, tag))


def _only_v6(subnets: Sequence[Any]) -> bool:
    return bool(subnets) and all(subnet.ip_version == 6 for subnet in subnets)


def _secured(network: Any) -> bool:
    """A cloud without the extension secures every port; openstacksdk would say False of it."""
    return network._body.attributes.get("port_security_enabled") is not False
