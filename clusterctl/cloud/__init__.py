"""The cloud behind clusterctl: ``base`` says what is needed of it, ``open_cloud`` gives the real one.

Importing this package imports no SDK (that costs more than half a second); opening a cloud does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterctl.cloud.sdk import load_in_parts

if TYPE_CHECKING:
    from clusterctl.cloud.base import Cloud

load_in_parts()


def open_cloud(name: str) -> Cloud:
    """Logs in to the entry ``name`` of clouds.yaml.

    Raises:
        InputError: no such entry, no clouds.yaml, or a value for authentication is missing or wrong.
        CloudError: authentication refused, or the cloud can't be reached.
    """
    from clusterctl.cloud import openstack  # noqa: PLC0415  # the SDKs, see above

    return openstack.open_cloud(name)
