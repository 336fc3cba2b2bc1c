"""Where the data that the program needs lies: in a source tree beside the package, in a wheel inside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from clusterctl.errors import ClusterctlError

_PACKAGE = Path(__file__).resolve().parent


def data_root() -> Path:
    """The directory that holds ``roles/``, ``playbooks/``, ``cloud-init/``, ``inventory/`` and ``ansible.cfg``.

    Raises:
        ClusterctlError: it is in neither place; the installation is incomplete.
    """
    # A wheel first: site-packages could by accident hold a directory 'roles' of somebody else.
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        if (root / "roles" / "common" / "vars" / "main.yml").is_file():
            return root
    raise ClusterctlError(
        f"the roles of clusterctl are not installed beside {_PACKAGE}",
        hint="reinstall clusterctl, or run it from a complete source tree",
    )


def roles_dir() -> Path:
    """The Ansible roles, whose templates are also rendered into user-data."""
    return data_root() / "roles"


def cloud_init_dir() -> Path:
    """The scripts that run on a node at its first boot."""
    return data_root() / "cloud-init"


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Directory for what can be had again: ``$XDG_CACHE_HOME/clusterctl``, by default below ``~/.cache``."""
    base = environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "clusterctl"


def state_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Directory for what must not be lost: ``$XDG_STATE_HOME/clusterctl``, by default below ``~/.local/state``."""
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "clusterctl"
