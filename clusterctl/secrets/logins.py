"""Pure: where nodes keep, for root alone, what clusterctl's own calls on them say who they are.

Each file is ``{"principal", "secret"}``, for HTTP's Basic authentication. Scripts of ours that run on nodes read them
there: no secret has to travel for a question.
"""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.secrets.marathon_files import HTTP_FILE
from clusterctl.secrets.mesos_files import AGENT_PROBE_FILE, OPERATOR_FILE, PROBE_FILE
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part


def probe_logins(spec: ClusterSpec) -> Mapping[Service, str]:
    """Paths by the service that asks; services that ask nobody are not in it."""
    mesos = {Service.MESOS_MASTER: PROBE_FILE, Service.MESOS_AGENT: AGENT_PROBE_FILE}
    return (mesos if spec.secured(Part.MESOS) else {}) | _marathon(spec)


def operator_logins(spec: ClusterSpec) -> Mapping[Service, str]:
    """Paths on nodes of masters and Marathons, for calls that change something; as ``probe_logins``."""
    mesos = {Service.MESOS_MASTER: OPERATOR_FILE, Service.MESOS_AGENT: AGENT_PROBE_FILE}
    return (mesos if spec.secured(Part.MESOS) else {}) | _marathon(spec)


def _marathon(spec: ClusterSpec) -> dict[Service, str]:
    return {Service.MARATHON: HTTP_FILE} if spec.secured(Part.MARATHON) else {}
