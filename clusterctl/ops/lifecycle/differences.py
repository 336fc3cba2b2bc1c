"""What differs between file and cloud and can't be changed in place, with the names of the file looked up."""

from __future__ import annotations

from clusterctl.cloud.base import Cloud
from clusterctl.drift import Difference, drift
from clusterctl.resources import Observed
from clusterctl.spec.model import ClusterSpec


def differences(spec: ClusterSpec, observed: Observed, cloud: Cloud) -> list[Difference]:
    """Two calls; none for a cluster without servers. A name that the cloud doesn't know is a difference, no error."""
    if not observed.servers:
        return []
    flavors = {key: flavor.name for flavor in cloud.flavors() for key in (flavor.id, flavor.name)}
    network = cloud.network(spec.network)
    return drift(spec, observed, flavors, network.name if network else None)
