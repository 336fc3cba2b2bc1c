"""The Mesos package, unpacked, and a network namespace of our own."""

from tests.contract.mesos.conftest import network, package, root

__all__ = ["network", "package", "root"]
