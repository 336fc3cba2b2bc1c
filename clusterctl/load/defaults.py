"""The load test that fits a cluster file: frameworks as its Jenkins masters will be."""

from __future__ import annotations

from clusterctl.load.plan import Kind
from clusterctl.spec.model import ClusterSpec

DECLINE_S = 600.0


def kind_of(spec: ClusterSpec) -> Kind:
    """How the file's Jenkins masters are frameworks; on demand without the section ``jenkins``.

    Plugins 1.x and 2.x suppress offers when they are idle.
    """
    if spec.jenkins is None or spec.jenkins.registration == "on_demand":
        return "on_demand"
    return "always" if spec.jenkins.plugin == "0.x" else "suppress"


def decline_s_of(spec: ClusterSpec) -> float:
    """For how long they decline."""
    return DECLINE_S if spec.jenkins is None else float(spec.jenkins.decline_s)


def role_of(spec: ClusterSpec) -> str:
    """Their role."""
    return "*" if spec.jenkins is None else spec.jenkins.role
