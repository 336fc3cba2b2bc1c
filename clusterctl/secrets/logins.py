"""Pure: where nodes keep, for root alone, what clusterctl's own calls on them say who they are.

Each file is ``{"principal", "secret"}``, for HTTP's Basic authentication. Scripts of ours that run on nodes read them
there: no secret has to travel for a question.
"""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.secrets.mesos_files import AGENT_PROBE_FILE, OPERATOR_FILE, PROBE_FILE
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part


def probe_logins(spec: ClusterSpec) -> Mapping[Service, str]:
    """Paths by the service that asks; services that ask nobody are not in it."""
    if not spec.secured(Part.MESOS):
        return {}
    return {Service.MESOS_MASTER: PROBE_FILE, Service.MESOS_AGENT: AGENT_PROBE_FILE}


def operator_logins(spec: ClusterSpec) -> Mapping[Service, str]:
    """Paths on nodes of masters, for calls that change something; as ``probe_logins``."""
    if not spec.secured(Part.MESOS):
        return {}
    return {Service.MESOS_MASTER: OPERATOR_FILE, Service.MESOS_AGENT: AGENT_PROBE_FILE}
