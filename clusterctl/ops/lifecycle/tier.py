"""Whether new nodes can be what the section ``jenkins`` of the file needs them for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from clusterctl import releases
from clusterctl.amounts import amount
from clusterctl.jenkins.capacity import builds_too_large, room
from clusterctl.jenkins.combinations import tier_problems
from clusterctl.resources import Flavor, Image
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.variables import agent_resources


def tier_fit(
    spec: ClusterSpec, flavors: Mapping[str, Flavor], images: Mapping[str, Image], *, any_image: bool
) -> Iterator[str]:
    """What keeps the tier from working on the nodes that are to be made; nothing without a tier.

    Args:
        flavors: by the names of the file.
        images: of the groups that get new servers.
        any_image: consent to an image whatever is in it.
    """
    jenkins, group = spec.jenkins, spec.masters_group
    if jenkins is None or group is None:
        return
    # of an image that `clusterctl image build` has not made nothing is known
    if group in images and releases.of_image(images[group]) and not any_image:
        plugin = images[group].properties.get(releases.IMAGE_JENKINS_PLUGIN)
        if plugin is None:
            yield (
                f"group {group}: image {images[group].name} holds no Jenkins; add jenkins and jenkins_plugins to its "
                "artifacts file and build it again"
            )
        else:
            yield from (f"group {group}: image {images[group].name}: {each}" for each in tier_problems(jenkins, plugin))
    flavor = flavors[spec.groups[group].flavor]
    offered = agent_resources(spec, group, flavor)
    fits = room(jenkins, offered)
    if not fits.masters:
        yield (
            f"groups.{group}.flavor: {flavor.name} offers {amount(offered.cpus)} cpus and {offered.mem_mib} MiB, and a "
            f"Jenkins master takes {amount(jenkins.master.cpus)} and {jenkins.master.mem_mib} (jenkins.master)"
        )
    free = [
        (dict(each.attributes), agent_resources(spec, name, flavors[each.flavor]))
        for name, each in spec.groups.items()
        if Service.MESOS_AGENT in each.services and each.reserve_for is None
    ]
    yield from builds_too_large(jenkins, free)
