"""The real cloud: OpenStack, through python-novaclient and openstacksdk on one keystoneauth session (D5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from clusterctl.cloud.barbican import KeyManager
from clusterctl.cloud.cinder import BlockStorage
from clusterctl.cloud.clients import open_clients
from clusterctl.cloud.glance import Images
from clusterctl.cloud.neutron import Networking
from clusterctl.cloud.nova import Compute
from clusterctl.resources import Limits, Observed


class OpenStackCloud(Compute, Networking, BlockStorage, Images, KeyManager):
    """Implements ``base.Cloud``; may be used by several threads at once (see ``clients``)."""

    def limits(self) -> Limits:
        """See ``base.Cloud``; None as well where the cloud doesn't tell."""
        with ThreadPoolExecutor(2) as threads:
            of_network, of_volumes = threads.submit(self.network_quota), threads.submit(self.volume_limits)
            nova = self.compute_limits()
        neutron, cinder = of_network.result(), of_volumes.result()

        def of_neutron(kind: str) -> int | None:
            quota = neutron.get(kind) or {}
            return _left(quota.get("limit"), quota.get("used", 0) + quota.get("reserved", 0))

        return Limits(
            instances=_left(nova.get("maxTotalInstances"), nova.get("totalInstancesUsed", 0)),
            cores=_left(nova.get("maxTotalCores"), nova.get("totalCoresUsed", 0)),
            ram_mib=_left(nova.get("maxTotalRAMSize"), nova.get("totalRAMUsed", 0)),
            server_group_members=_left(nova.get("maxServerGroupMembers"), 0),
            server_groups=_left(nova.get("maxServerGroups"), nova.get("totalServerGroupsUsed", 0)),
            ports=of_neutron("ports"),
            security_groups=of_neutron("security_groups"),
            security_group_rules=of_neutron("security_group_rules"),
            volumes=_left(cinder.get("maxTotalVolumes"), cinder.get("totalVolumesUsed", 0)),
            gigabytes=_left(cinder.get("maxTotalVolumeGigabytes"), cinder.get("totalGigabytesUsed", 0)),
        )

    def observe(self, cluster: str) -> Observed:
        """See ``base.Cloud``."""
        with ThreadPoolExecutor(4) as threads:
            ports, volumes = threads.submit(self.ports, cluster), threads.submit(self.volumes, cluster)
            server_groups = threads.submit(self.server_groups, cluster)
            security_groups = threads.submit(self.security_groups, cluster)
            servers = self.servers(cluster)
        return Observed(
            servers=tuple(servers),
            ports=tuple(ports.result()),
            volumes=tuple(volumes.result()),
            server_groups=tuple(server_groups.result()),
            security_groups=tuple(security_groups.result()),
        )


def _left(limit: int | None, used: int) -> int | None:
    """What is left of a limit; None for an unknown one or -1, which is OpenStack's word for unlimited."""
    return None if limit is None or limit < 0 else max(0, limit - used)


def open_cloud(name: str) -> OpenStackCloud:
    """Logs in; raises InputError and CloudError as ``clients.open_clients``."""
    return OpenStackCloud(open_clients(name))
