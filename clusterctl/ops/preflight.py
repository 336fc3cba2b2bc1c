"""Everything that can be known to fail is found before the first write, and all of it is said in one message."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from clusterctl.cloud.base import Cloud
from clusterctl.errors import ClusterctlError, InputError
from clusterctl.plan import Plan
from clusterctl.resources import Flavor, Image, Limits, Network, Observed, server_group_name
from clusterctl.spec.model import ClusterSpec


@dataclass(frozen=True)
class Ground:
    """The names of the cluster file, looked up in the cloud."""

    image: Image
    network: Network
    flavors: dict[str, Flavor]  # by the name or id that the file uses


def look_up(spec: ClusterSpec, cloud: Cloud) -> Ground:
    """Resolves image, network, flavors, keypair and zones.

    Raises:
        InputError: a name of the file is unknown to the cloud; every unknown name is in the message.
    """
    problems: list[str] = []
    image = newest_image(cloud, spec.image)
    if image is None:
        problems.append(f"image: found {spec.image!r}, and the cloud has no image of that family, name or id")
    network = cloud.network(spec.network, with_free_addresses=True)
    if network is None:
        problems.append(f"network: found {spec.network!r}, and the cloud has no network of that name or id")
    known = {key: flavor for flavor in cloud.flavors() for key in (flavor.id, flavor.name)}
    for name, group in spec.groups.items():
        if group.flavor not in known:
            names = sorted({flavor.name for flavor in known.values()})
            problems.append(f"groups.{name}.flavor: found {group.flavor!r}; allowed: {', '.join(names)}")
    if not cloud.has_keypair(spec.keypair):
        problems.append(f"keypair: found {spec.keypair!r}, and your user has no keypair of that name")
    problems += _unknown_zones(spec, cloud)
    if problems or image is None or network is None:
        raise InputError(
            "\n".join(problems),
            hint="Correct the cluster file, or make what is missing. `clusterctl image build` makes the base image.",
        )
    used = {group.flavor for group in spec.groups.values()}
    return Ground(image=image, network=network, flavors={name: known[name] for name in used})


def newest_image(cloud: Cloud, wanted: str) -> Image | None:
    """The newest image of the family ``wanted``, else the one of that exact name or id."""
    found = cloud.images(family=wanted) or cloud.images(name_or_id=wanted)
    return found[0] if found else None


def _unknown_zones(spec: ClusterSpec, cloud: Cloud) -> Iterator[str]:
    named = [("availability_zone", spec.availability_zone)] if spec.availability_zone else []
    named += [
        (f"groups.{name}.availability_zones", zone)
        for name, group in spec.groups.items()
        for zone in group.availability_zones
    ]
    if not named:
        return
    zones = cloud.availability_zones()
    for key, zone in named:
        if zone not in zones:
            yield f"{key}: found {zone!r}; allowed: {', '.join(sorted(zones))}"


def preflight(spec: ClusterSpec, plan: Plan, ground: Ground, observed: Observed, cloud: Cloud) -> None:
    """Checks that ``plan`` fits quotas, addresses and flavors; no call for an empty plan.

    Raises:
        ClusterctlError: it doesn't fit; every shortfall is in the message.
    """
    if plan.empty:
        return
    shortfalls = [*_flavor_fit(spec, ground), *_quota(spec, plan, ground, observed, cloud.limits())]
    addresses = len(plan.ports) + sum(pool.count for pool in plan.pools)
    free = ground.network.free_addresses
    if free is not None and addresses > free:
        shortfalls.append(f"network {ground.network.name}: {addresses} addresses needed, {free} free")
    if shortfalls:
        raise ClusterctlError(
            f"cluster {spec.cluster} does not fit into the project; nothing was created:\n" + "\n".join(shortfalls),
            hint="Ask for more quota, delete what is not needed, or make the cluster smaller.",
        )


def _flavor_fit(spec: ClusterSpec, ground: Ground) -> Iterator[str]:
    image = ground.image
    for name in {group.flavor: name for name, group in spec.groups.items()}.values():
        flavor = ground.flavors[spec.groups[name].flavor]
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


def _quota(spec: ClusterSpec, plan: Plan, ground: Ground, observed: Observed, free: Limits) -> Iterator[str]:
    demand = [(node.group, 1) for node in plan.boot] + [(pool.group, pool.count) for pool in plan.pools]
    flavors = [(ground.flavors[spec.groups[group].flavor], count) for group, count in demand]
    volume_gib = [v.size for node in plan.volumes if (v := spec.groups[node.group].volume) is not None]
    groups = int(plan.create_security_group is not None) + 1
    needs: list[tuple[str, float, int | None, str]] = [
        ("instances", sum(count for _, count in demand), free.instances, ""),
        ("cores", sum(flavor.vcpus * count for flavor, count in flavors), free.cores, ""),
        ("memory", sum(flavor.ram_mib * count for flavor, count in flavors), free.ram_mib, " MiB"),
        ("server groups", len(plan.server_groups), free.server_groups, ""),
        ("ports", len(plan.ports) + sum(pool.count for pool in plan.pools), free.ports, ""),
        ("security groups (one is the command's lock)", groups, free.security_groups, ""),
        # Neutron puts two egress rules into each new group
        ("security group rules", len(plan.add_rules) + 2 * groups, free.security_group_rules, ""),
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
                "'anti_affinity: off' does without"
            )
