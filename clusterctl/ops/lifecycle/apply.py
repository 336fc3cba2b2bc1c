"""Carries out a plan: the only module that makes a cluster's resources.

Every create call carries the cluster's marks (D1), so a command that is killed between any two calls leaves only things
that the next run recognises.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from clusterctl import releases
from clusterctl import resources as r
from clusterctl.cloud.base import Cloud
from clusterctl.errors import CloudError
from clusterctl.ops.kit.parallel import for_each
from clusterctl.ops.kit.run import Run
from clusterctl.ops.lifecycle.networks import add_rules, bring_in, ids_for, make_groups
from clusterctl.ops.lifecycle.preflight import Lookup, image_for
from clusterctl.ops.lifecycle.removal import delete_servers
from clusterctl.plan import Plan, ServerGroupAction, volume_trouble
from clusterctl.render.userdata import user_data
from clusterctl.resources import Observed, PortRequest, ServerRequest
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec, VolumeSettings
from clusterctl.ssh.console import new_nonce, proof_of
from clusterctl.tiers import libprocess_rules
from clusterctl.topology import Addresses, AgentPool, NamedNode, topology
from clusterctl.variables import Variables, control_addresses, pool_variables, variables_of

_Made = r.Port | r.Volume | r.ServerGroup


def apply_plan(
    run: Run,
    plan: Plan,
    lookup: Lookup | None,
    observed: Observed,
    *,
    new_batch: Callable[[], str] = lambda: secrets.token_hex(3),
) -> frozenset[str]:
    """Makes what ``plan`` names: groups, ports and volumes first, then all servers at once (D3).

    Args:
        run: of the cluster that was planned.
        lookup: None only for a plan that makes no nodes.
        new_batch: gives the suffix that keeps the names of a batch of agents apart from others.

    Returns:
        The batches of agents that were made (``resources.KEY_BATCH``).

    Raises:
        CloudError: a call failed for good; what was made so far stays and is found by the next run.
    """
    if plan.empty:
        return frozenset()
    spec, cloud = run.spec, run.cloud
    with run.progress.phase("prepare"):
        delete_servers(spec.cluster, [server.id for server in plan.discard], cloud, run.waiter)
        ids = make_groups(spec, plan.network, observed, cloud)
        jobs: list[Callable[[], list[_Made]]] = [
            partial(_create_rules, spec, plan, ids, cloud),
            *(partial(_create_group, group, cloud) for group in plan.server_groups),
        ]
        if lookup is not None:
            jobs += [
                partial(_create_ports, spec, plan.ports, lookup, ids, cloud),
                *(partial(_create_volume, spec, node, lookup, cloud) for node in plan.volumes),
            ]
        made = [each for some in for_each(lambda job: job(), jobs) for each in some]
        bring_in(spec, plan.network, ids, cloud)
        if lookup is None:
            return frozenset()
        # Rules that name addresses: those of ports that are made just now are in no plan
        if late := libprocess_rules(spec, (each for each in made if isinstance(each, r.Port))):
            base = ids[r.security_group_name(spec.cluster)]
            cloud.create_rules(base, sorted(late, key=lambda rule: rule.order), r.owner_mark(spec.cluster))
    if not (plan.boot or plan.pools):
        return frozenset()
    world = Observed(
        servers=observed.servers,
        ports=(*observed.ports, *(each for each in made if isinstance(each, r.Port))),
        volumes=(*observed.volumes, *(each for each in made if isinstance(each, r.Volume))),
        server_groups=(*observed.server_groups, *(each for each in made if isinstance(each, r.ServerGroup))),
    )
    with run.progress.phase("boot"):
        requests = _Requests(spec, lookup, world, ids).of(plan, new_batch)
        _volumes_ready(run, plan.boot, world)
        run.progress.note(f"{plan.new_servers} servers in {len(requests)} calls")
        for_each(cloud.create_servers, requests)
    return frozenset(batch for request in requests if (batch := request.metadata.get(r.KEY_BATCH)))


@dataclass(frozen=True)
class _Requests:
    """The create calls of new servers.

    Attributes:
        world: has the ports, volumes and server groups that they need.
        security_groups: ids by name.
    """

    spec: ClusterSpec
    lookup: Lookup
    world: Observed
    security_groups: Mapping[str, str]

    def of(self, plan: Plan, new_batch: Callable[[], str]) -> list[ServerRequest]:
        """One a named node, one a pool of agents, each with complete user-data."""
        at = control_addresses(topology(self.spec), self.world.ports)
        named = [self._named(node, at) for node in plan.boot]
        return [*named, *(self._agents(pool, at, new_batch()) for pool in plan.pools)]

    def _named(self, node: NamedNode, at: Addresses) -> ServerRequest:
        volume = {volume.name: volume for volume in self.world.volumes}.get(node.name)
        port = {port.name: port for port in self.world.ports}[node.name]
        variables = variables_of(self.spec, node, self.lookup.flavors, at, port.address, volume)
        metadata = _named_metadata(node, self.spec.groups[node.group].volume)
        request = self._request(node.name, node.group, node.zone, variables, metadata)
        return replace(request, port_id=port.id, volume_id=volume.id if volume else None)

    def _agents(self, pool: AgentPool, at: Addresses, batch: str) -> ServerRequest:
        name = f"{self.spec.cluster}-{pool.group}-{batch}"
        request = self._request(
            # Nova numbers the servers of a multi-create, but not a single one
            name if pool.count > 1 else f"{name}-1",
            pool.group,
            pool.zone,
            pool_variables(self.spec, pool, self.lookup.flavors, at),
            {r.KEY_BATCH: batch},
        )
        return replace(
            request,
            network_id=self.lookup.network.id,
            security_groups=ids_for(self.spec, pool.group, self.security_groups),
            count=pool.count,
        )

    def _request(
        self, name: str, group: str, zone: str | None, variables: Variables, metadata: dict[str, str]
    ) -> ServerRequest:
        """What the requests of named nodes and of agents have in common."""
        spec = self.spec
        of = spec.groups[group]
        server_groups = {each.name: each.id for each in self.world.server_groups}
        image = image_for(spec, self.lookup, group, self.world.servers)
        # one for all servers of a request: each has a console of its own, which only root there can write its lines to
        nonce = new_nonce()
        return ServerRequest(
            name=name,
            image_id=image.id,
            flavor_id=self.lookup.flavors[of.flavor].id,
            user_data=user_data(of.services, variables, spec.user_data, nonce),
            metadata={
                r.KEY_CLUSTER: spec.cluster,
                r.KEY_GROUP: group,
                r.KEY_SERVICES: ",".join(of.services),
                r.KEY_IMAGE: image.name,
                **({r.KEY_FAMILY: family} if (family := image.properties.get("clusterctl_family")) else {}),
                r.KEY_CONSOLE: proof_of(nonce),
                **releases.marks(releases.of_image(image)),
                **metadata,
            },
            tags=(r.owner_mark(spec.cluster),),
            keypair=spec.keypair,
            zone=zone,
            server_group_id=(
                server_groups.get(r.server_group_name(spec.cluster, group)) if of.anti_affinity != "off" else None
            ),
        )


def _named_metadata(node: NamedNode, volume: VolumeSettings | None) -> dict[str, str]:
    found = {r.KEY_NODE: node.name, **({r.KEY_MOUNT: volume.mount} if volume else {})}
    if Service.ZOOKEEPER in node.services:
        found[r.KEY_MYID] = str(node.myid)
    return found


def _create_rules(spec: ClusterSpec, plan: Plan, ids: Mapping[str, str], cloud: Cloud) -> list[_Made]:
    add_rules(spec, plan.network, ids, cloud)
    return []


def _create_ports(
    spec: ClusterSpec, nodes: Sequence[NamedNode], lookup: Lookup, ids: Mapping[str, str], cloud: Cloud
) -> list[_Made]:
    if not nodes:
        return []
    mark = r.owner_mark(spec.cluster)
    requests = [PortRequest(node.name, lookup.network.id, ids_for(spec, node.group, ids), mark) for node in nodes]
    return [*cloud.create_ports(requests)]


def _create_group(wanted: ServerGroupAction, cloud: Cloud) -> list[_Made]:
    return [cloud.create_server_group(wanted.name, wanted.policy)]


def _create_volume(spec: ClusterSpec, node: NamedNode, lookup: Lookup, cloud: Cloud) -> list[_Made]:
    wanted = spec.groups[node.group].volume
    assert wanted is not None  # noqa: S101  (the plan names only nodes of groups with a volume)
    # 'zone:host' of an administrator names a compute host, too
    zone = (node.zone or "").partition(":")[0]
    volume = cloud.create_volume(
        name=node.name,
        size_gib=wanted.size,
        metadata={r.KEY_CLUSTER: spec.cluster, r.KEY_GROUP: node.group, r.KEY_NODE: node.name},
        # Nova refuses a volume of another zone where [cinder] cross_az_attach is off; zones of compute only have none
        zone=wanted.availability_zone or (zone if zone in lookup.volume_zones else None),
    )
    return [volume]


def _volumes_ready(run: Run, nodes: Sequence[NamedNode], world: Observed) -> None:
    """Waits until the volumes of ``nodes`` can be attached; Nova refuses one that is still being created."""
    wanted = {node.name for node in nodes if run.spec.groups[node.group].volume}

    mine: list[r.Volume] = []

    def ready(volumes: Iterable[r.Volume]) -> bool:
        mine[:] = [volume for volume in volumes if volume.name in wanted]
        for volume in mine:
            if trouble := volume_trouble(volume, world.servers):
                found, _, cure = trouble.partition("; ")
                raise CloudError(
                    f"volume {volume.name} ({volume.id}) {found}", hint=f"{cure}. Then run the same command again."
                )
        return all(volume.status == "available" for volume in mine)

    if ready(world.volumes):
        return
    run.waiter.until(
        lambda: ready(run.cloud.volumes(run.spec.cluster)),
        what="volumes to become available",
        timeout_s=300,
        told=lambda: ", ".join(
            f"{each.name} ({each.id}) is {each.status}" for each in mine if each.status != "available"
        ),
    )
