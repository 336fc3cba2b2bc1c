"""Everything that can be known to fail is found before the first write, and all of it is said in one message."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from clusterctl import releases
from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.kit.parallel import AT_ONCE
from clusterctl.ops.lifecycle.tier import tier_fit
from clusterctl.plan import Plan, failed_build
from clusterctl.resources import Flavor, Image, Limits, Network, Observed, Server, server_group_name
from clusterctl.services import Service
from clusterctl.spec.java import CLOSED_ZOOKEEPER_JAVA
from clusterctl.spec.model import AccessSettings, ClusterSpec
from clusterctl.spec.security import Part
from clusterctl.spec.types import OWN_NETWORK
from clusterctl.variables import agent_resources


@dataclass(frozen=True)
class Lookup:
    """The names of the cluster file, looked up in the cloud.

    Attributes:
        images: of the family, newest first; or the one of that exact name or id.
        any_release: takes the first of them whatever is in it: the operator said so.
        limits: what was left of the project's quotas.
        volume_zones: of block storage; empty if no group has a volume.
    """

    images: tuple[Image, ...]
    network: Network
    flavors: dict[str, Flavor]  # by the name or id that the file uses
    limits: Limits
    any_release: bool = False
    volume_zones: frozenset[str] = frozenset()


def look_up(spec: ClusterSpec, cloud: Cloud, image: str | None = None, network: Network | None = None) -> Lookup:
    """Resolves image, network, flavors, keypair and zones, all calls at once.

    Args:
        image: to be used instead of the file's, whatever is in it.
        network: the file's, if it was looked up before.

    Raises:
        InputError: a name of the file is unknown to the cloud; every unknown name is in the message.
    """
    wanted = {name: group.volume for name, group in spec.groups.items() if group.volume}
    zones_named = list(_zones_named(spec))
    with ThreadPoolExecutor(AT_ONCE) as threads:
        images_told = threads.submit(named_images, cloud, image or spec.image, spec.image_owner)
        network_told = threads.submit(lambda: network or cloud.network(spec.network, with_free_addresses=True))
        flavors_told, limits_told = threads.submit(cloud.flavors), threads.submit(cloud.limits)
        keypair_told = threads.submit(cloud.has_keypair, spec.keypair)
        zones_told = threads.submit(lambda: cloud.availability_zones() if zones_named else set())
        volume_zones_told = threads.submit(lambda: cloud.volume_zones() if wanted else set())
    problems: list[str] = []
    images = images_told.result()
    if not images:
        key, name = ("--image", image) if image else ("image", spec.image)
        whose = f"project {spec.image_owner} (image_owner)" if spec.image_owner else "your project"
        problems.append(f"{key}: found {name!r}, and {whose} has no image of that family, name or id")
    network = network_told.result()
    problems += network_problems("network", spec.network, network)
    problems += source_problems("access", spec.access, network)
    known = {key: flavor for flavor in flavors_told.result() for key in (flavor.id, flavor.name)}
    for name, group in spec.groups.items():
        if group.flavor not in known:
            names = sorted({flavor.name for flavor in known.values()})
            problems.append(f"groups.{name}.flavor: found {group.flavor!r}; allowed: {', '.join(names)}")
    if not keypair_told.result():
        problems.append(f"keypair: found {spec.keypair!r}, and your user has no keypair of that name")
    zones = zones_told.result()
    problems += [
        f"{key}: found {zone!r}; allowed: {', '.join(sorted(zones))}" for key, zone in zones_named if zone not in zones
    ]
    volume_zones = frozenset(volume_zones_told.result())
    problems += [
        f"groups.{name}.volume.availability_zone: found {volume.availability_zone!r}; allowed: "
        f"{', '.join(sorted(volume_zones)) or 'none, the cloud has no block storage'}"
        for name, volume in wanted.items()
        if volume.availability_zone and volume.availability_zone not in volume_zones
    ]
    if problems or network is None:
        raise InputError(
            "\n".join(problems),
            hint="Correct the cluster file, or make what is missing. `clusterctl image build` makes the base image.",
        )
    used = {group.flavor for group in spec.groups.values()}
    flavors = {name: known[name] for name in used}
    return Lookup(
        tuple(images),
        network,
        flavors,
        limits_told.result(),
        any_release=image is not None,
        volume_zones=volume_zones,
    )


def network_problems(key: str, name: str, network: Network | None) -> Iterator[str]:
    """Why nodes can't be on the network that ``key`` of a file names."""
    if network is None:
        yield f"{key}: found {name!r}, and the cloud has no network of that name or id"
        return
    if not network.ipv4:
        yield (
            f"{key}: found {name!r}, which has no IPv4 subnet; allowed: a network that gives its ports IPv4 addresses, "
            "by which the services know each other"
        )
    if not network.port_security:
        yield (
            f"{key}: found {name!r}, whose port security is switched off; allowed: a network on which security groups "
            "hold, since the services speak without authentication (`openstack network set --enable-port-security`)"
        )


def source_problems(key: str, access: AccessSettings, network: Network | None) -> Iterator[str]:
    """Why ``ssh_from`` of ``access``, which stands below ``key`` of a file, opens nothing."""
    if OWN_NETWORK in access.ssh_from and network is not None and not network.cidrs:
        yield (
            f"{key}.ssh_from: found {OWN_NETWORK!r}, and the subnets of {network.name} can't be seen by your project; "
            "allowed: CIDRs"
        )


def own_network(spec: ClusterSpec, cloud: Cloud) -> Network | None:
    """The nodes' network, where ``ssh_from`` means it; None, and no call, otherwise."""
    if OWN_NETWORK not in spec.access.ssh_from:
        return None
    return cloud.network(spec.network, with_free_addresses=True)


def own_cidrs(spec: ClusterSpec, cloud: Cloud) -> tuple[str, ...]:
    """Of the nodes' network, where ``ssh_from`` means them; no call otherwise."""
    network = own_network(spec, cloud)
    return network.cidrs if network else ()


def named_images(cloud: Cloud, wanted: str, owner: str | None = None) -> list[Image]:
    """The images of the family ``wanted``, else those of that exact name or id; newest first.

    Args:
        owner: see ``Cloud.images``.
    """
    with ThreadPoolExecutor(1) as threads:
        by_name = threads.submit(cloud.images, name_or_id=wanted, owner=owner)
        of_family = cloud.images(family=wanted, owner=owner)
    return of_family or by_name.result()


def image_for(spec: ClusterSpec, lookup: Lookup, group: str, servers: Sequence[Server]) -> Image:
    """The newest image that gives new nodes of a group the artifacts that the cluster runs.

    Args:
        servers: of the cluster.

    Raises:
        ClusterctlError: there is none: a new node would bring another version into the cluster than its peers run.
    """
    there = [server for server in servers if not failed_build(server) and server.status != "DELETED"]
    wanted = releases.running(there, spec.groups[group].services)
    found = lookup.images[0] if lookup.any_release else releases.newest_fitting(lookup.images, wanted)
    if found is None:
        needed = " and ".join(" or ".join(map(str, sorted(each))) for each in wanted.values())
        has = "; ".join(f"{image.name} has {_contents(image)}" for image in lookup.images)
        raise ClusterctlError(
            f"group {group}: new nodes need an image with {needed}, as the others run it; {has}",
            hint="`clusterctl image build` with the artifacts file of the last upgrade makes one. `--image NAME` takes "
            "an image whatever is in it; `clusterctl upgrade FILE all` then brings its nodes to the others' versions.",
        )
    return found


def _contents(image: Image) -> str:
    return " and ".join(str(each) for each in releases.of_image(image).values()) or "no versions recorded"


def _zones_named(spec: ClusterSpec) -> Iterator[tuple[str, str]]:
    """(key, zone) of the file's zones of compute."""
    if spec.availability_zone:
        yield "availability_zone", spec.availability_zone
    for name, group in spec.groups.items():
        yield from ((f"groups.{name}.availability_zones", zone) for zone in group.availability_zones)


def preflight(spec: ClusterSpec, plan: Plan, lookup: Lookup | None, observed: Observed, cloud: Cloud) -> None:
    """Checks that ``plan`` fits quotas, addresses and flavors; no call for an empty plan.

    Args:
        lookup: needed only by a plan that makes nodes.

    Raises:
        ClusterctlError: it doesn't fit, every shortfall is in the message; or there is no image (``image_for``).
    """
    if plan.empty:
        return
    shortfalls: list[str] = []
    if lookup is not None:
        images = {group: image_for(spec, lookup, group, observed.servers) for group in plan.groups_of_new_servers}
        shortfalls += _flavor_fit(spec, lookup, images)
        shortfalls += tier_fit(spec, lookup.flavors, images, any_image=lookup.any_release)
        shortfalls += [] if lookup.any_release else [*_confinement_fit(spec, images), *_java_fit(spec, images)]
        addresses, free = len(plan.ports) + sum(pool.count for pool in plan.pools), lookup.network.free_addresses
        if free is not None and addresses > free:
            shortfalls.append(f"network {lookup.network.name}: {addresses} addresses needed, {free} free")
    limits = lookup.limits if lookup else cloud.limits()
    shortfalls += _quota(spec, plan, lookup.flavors if lookup else {}, observed, limits)
    if shortfalls:
        raise ClusterctlError(
            f"cluster {spec.cluster} does not fit into the project; nothing was created:\n" + "\n".join(shortfalls),
            hint="Ask for more quota, delete what is not needed, or make the cluster smaller.",
        )


def _confinement_fit(spec: ClusterSpec, images: Mapping[str, Image]) -> Iterator[str]:
    """Launcher linux ends an agent at its start where there is no cgroup v1."""
    for name, image in images.items():
        launcher = (spec.settings.variables() | spec.groups[name].settings.variables()).get("mesos_agent_launcher")
        agents = Service.MESOS_AGENT in spec.groups[name].services
        # of an image that `clusterctl image build` has not made nothing is known
        known = releases.of_image(image) and image.properties.get(releases.IMAGE_CGROUPS) != "v1"
        if agents and launcher == "linux" and known:
            yield (
                f"group {name}: mesos_agent_launcher is linux, which needs cgroup v1, and image {image.name} was built "
                "without 'cgroups: v1' in section build of its artifacts file (consent to it by --image)"
            )


def _java_fit(spec: ClusterSpec, images: Mapping[str, Image]) -> Iterator[str]:
    """A closed ZooKeeper reads options of its JVM from a file, which Java 8 can't."""
    for name, image in images.items():
        closed = Service.ZOOKEEPER in spec.groups[name].services and spec.secured(Part.ZOOKEEPER)
        if closed and image.properties.get(releases.IMAGE_ZOOKEEPER_OPEN) == "true":
            yield (
                f"group {name}: ZooKeeper is closed (security), which needs Java {CLOSED_ZOOKEEPER_JAVA} or newer, and "
                f"image {image.name} was built with 'zookeeper_open: true' in its artifacts file (consent to it by "
                "--image)"
            )


def _flavor_fit(spec: ClusterSpec, lookup: Lookup, images: Mapping[str, Image]) -> Iterator[str]:
    for name, image in images.items():
        flavor = lookup.flavors[spec.groups[name].flavor]
        # disk 0 means 'as large as the image' (Nova flavors)
        if flavor.disk_gib and flavor.disk_gib < image.min_disk_gib:
            yield (
                f"groups.{name}.flavor: {flavor.name} has {flavor.disk_gib} GiB of disk, image {image.name} needs "
                f"{image.min_disk_gib}"
            )
        if flavor.ram_mib < image.min_ram_mib:
            yield (
                f"groups.{name}.flavor: {flavor.name} has {flavor.ram_mib} MiB of memory, image {image.name} needs "
                f"{image.min_ram_mib}"
            )
        if too_small := _too_small(spec, name, flavor):
            yield f"groups.{name}.flavor: {flavor.name} {too_small}"


def _too_small(spec: ClusterSpec, name: str, flavor: Flavor) -> str | None:
    """Why the services of a group can't do their work in a flavor."""
    services = spec.groups[name].services
    if Service.MESOS_AGENT in services:
        offered = agent_resources(spec, name, flavor)
        nothing = [what for what, left in (("cpus", offered.cpus), ("memory", offered.mem_mib)) if not left]
        return f"is all mesos.agent_reserve: its agents would offer no {' and no '.join(nothing)}" if nothing else None
    heaps = {Service.ZOOKEEPER: spec.zookeeper.heap_mib, Service.MARATHON: spec.marathon.heap_mib}
    heap = sum(mib for service, mib in heaps.items() if service in services)
    if heap > flavor.ram_mib:
        return f"has {flavor.ram_mib} MiB of memory, and the heaps of its services are {heap} (heap_mib)"
    return None


def _quota(
    spec: ClusterSpec, plan: Plan, known: Mapping[str, Flavor], observed: Observed, free: Limits
) -> Iterator[str]:
    demand = [(node.group, 1) for node in plan.boot] + [(pool.group, pool.count) for pool in plan.pools]
    flavors = [(known[spec.groups[group].flavor], count) for group, count in demand]
    volume_gib = [v.size for node in plan.volumes if (v := spec.groups[node.group].volume) is not None]
    # the lock of a command on a cluster that has its group needs no quota (cloud.lock_tags)
    groups = len(plan.network.make) + 1 if plan.network.make else 0
    # one for each Mesos master whose address isn't known yet (tiers.libprocess_rules)
    named = spec.jenkins is not None and not spec.secured(Part.NETWORK)
    later = sum(Service.MESOS_MASTER in node.services for node in plan.ports) if named else 0
    needs: list[tuple[str, float, int | None, str]] = [
        ("instances", sum(count for _, count in demand), free.instances, ""),
        ("cores", sum(flavor.vcpus * count for flavor, count in flavors), free.cores, ""),
        ("memory", sum(flavor.ram_mib * count for flavor, count in flavors), free.ram_mib, " MiB"),
        ("server groups", len(plan.server_groups), free.server_groups, ""),
        ("ports", len(plan.ports) + sum(pool.count for pool in plan.pools), free.ports, ""),
        ("security groups (one is the command's lock)", groups, free.security_groups, ""),
        # Neutron puts two egress rules into each new group
        ("security group rules", len(plan.network.add_rules) + later + 2 * groups, free.security_group_rules, ""),
        ("volumes", len(volume_gib), free.volumes, ""),
        ("volume space", sum(volume_gib), free.gigabytes, " GiB"),
    ]
    for what, needed, left, unit in needs:
        if left is not None and needed > left:
            yield f"{what}: {math.ceil(needed)}{unit} needed, {max(left, 0)}{unit} left"
    members = {group.name: len(group.members) for group in observed.server_groups}
    for name in {group for group, _ in demand}:
        if spec.groups[name].anti_affinity == "off" or spec.groups[name].count < 2:
            continue
        total = members.get(server_group_name(spec.cluster, name), 0) + sum(c for g, c in demand if g == name)
        limit = free.server_group_members
        if limit is not None and total > limit:
            yield (
                f"server group members: group {name} needs {total}, the quota is {limit}; "
                "'anti_affinity: off' needs none"
            )
