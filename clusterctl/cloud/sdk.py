"""Loads openstacksdk in parts: of the package we use the reader of clouds.yaml and its session clients.

Its own ``__init__`` imports the API of every OpenStack service there is, which takes longer than the rest of a command
that lists servers.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

_NAME = "openstack"


def load_in_parts() -> None:
    """Makes ``import openstack.config`` import that alone; whoever wants an attribute of the package gets it still."""
    spec = None if _NAME in sys.modules else find_spec(_NAME)
    if spec is None or spec.loader is None:
        return
    loader, package = spec.loader, module_from_spec(spec)

    def attribute(name: str) -> Any:
        """PEP 562: a submodule, or else what the package's ``__init__`` defines, which then runs."""
        if name.startswith("__"):
            raise AttributeError(name)
        if find_spec(f"{_NAME}.{name}"):
            return import_module(f"{_NAME}.{name}")
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = attribute
    sys.modules[_NAME] = package
