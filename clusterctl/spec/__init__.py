"""The cluster file: its model (``model``), its loader (``load``) and its JSON Schema (``schema``)."""

from clusterctl.services import Service
from clusterctl.spec.load import load_spec
from clusterctl.spec.model import ClusterSpec, Group

__all__ = ["ClusterSpec", "Group", "Service", "load_spec"]
