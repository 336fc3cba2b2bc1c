"""Authenticated clients of one cloud, a set for each thread.

Neither ``requests`` nor openstacksdk promises that a session may be shared by threads. So each thread has its own
session and clients; what is safe to share is: the authentication plugin (it locks itself), so that there is one token,
the discovered versions, the counters and their lock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, local
from typing import Any

import novaclient.client
import openstack
from keystoneauth1 import exceptions as ks
from keystoneauth1.session import Session
from openstack import exceptions as sdk
from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion

import clusterctl
from clusterctl.cloud.sdk_errors import calling
from clusterctl.cloud.transport import RetryPolicy, Transport
from clusterctl.errors import CloudError, InputError
from clusterctl.resources import ApiCalls

# Nova's API history: 2.52 is the first that takes tags in the create call
MIN_COMPUTE = (2, 52)
# what clusterctl was written for; a newer cloud still serves it
MAX_COMPUTE = (2, 90)


# without a handler of ours, Python prints the SDKs' warnings among our own output; what matters is raised as an error
for _name in ("keystoneauth", "openstack", "novaclient"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class _Session(Session):  # type: ignore[misc]  # keystoneauth1 is not followed by mypy here
    """A keystoneauth session that never repeats by itself, whatever clouds.yaml says: ``Transport`` does."""

    def request(self, url: str, method: str, **kwargs: Any) -> Any:
        return super().request(url, method, **{**kwargs, "connect_retries": 0, "status_code_retries": 0})


@dataclass
class _ThreadClients:
    connection: Any
    nova: Any = None


class Clients:
    """openstacksdk's connection and novaclient's client over one keystoneauth session, for the calling thread."""

    def __init__(self, region: Any, policy: RetryPolicy) -> None:
        self.calls = ApiCalls()
        self._region, self._policy = region, policy
        self._auth = region.get_auth()
        self._discovery: dict[str, Any] = {}
        self._lock, self._local = Lock(), local()

    @property
    def connection(self) -> Any:
        """openstacksdk's connection."""
        return self._mine.connection

    @property
    def nova(self) -> Any:
        """novaclient's client; CloudError if the cloud's Nova is too old."""
        mine = self._mine
        if mine.nova is None:
            mine.nova = self._make_nova(mine.connection)
        return mine.nova

    @property
    def block_storage(self) -> Any | None:
        """openstacksdk's proxy of Cinder; None in a cloud without."""
        try:
            proxy = self.connection.block_storage
            proxy.get_endpoint()
        except (ks.EndpointNotFound, sdk.ServiceDisabledException):
            return None
        return proxy

    @property
    def project_id(self) -> str:
        """Id of the project that the token is for."""
        return str(self.connection.current_project_id)

    def authenticate(self) -> None:
        """Gets a token; raises CloudError if refused, or if nobody answers."""
        with calling(f"log in to cloud {self._region.name}"):
            self.connection.session.get_token()  # the connection's own authorize() hides the kind of error
        if not self.connection.current_project_id:
            raise CloudError(
                f"cloud {self._region.name}: the token is not scoped to a project",
                hint="give `project_name` (and its domain) under `auth` in clouds.yaml",
            )

    @property
    def _mine(self) -> _ThreadClients:
        if not hasattr(self._local, "clients"):
            self._local.clients = _ThreadClients(openstack.connection.Connection(config=self._make_region()))
        clients: _ThreadClients = self._local.clients
        return clients

    def _make_region(self) -> Any:
        region = self._region
        return CloudRegion(
            name=region.name,
            region_name=region.region_name,
            config=dict(region.config),
            force_ipv4=region.force_ipv4,
            auth_plugin=self._auth,
            session_constructor=self._make_session,
            app_name="clusterctl",
            app_version=clusterctl.__version__,
            discovery_cache=self._discovery,
        )

    def _make_session(self, **kwargs: Any) -> _Session:
        return _Session(session=Transport(self.calls, self._lock, self._policy), **kwargs)

    def _make_nova(self, connection: Any) -> Any:
        with calling("find the compute API"):
            data = connection.compute.get_endpoint_data()
        newest = data.max_microversion if data else None
        if data and not newest:
            # keystoneauth passes over a failed discovery in silence; asked plainly, the cloud says what is wrong
            with calling("find the compute API"):
                connection.session.get(data.url)
        if not newest or tuple(newest) < MIN_COMPUTE:
            raise CloudError(
                f"cloud {self._region.name}: its compute API goes up to microversion {_text(newest or (2, 1))}, "
                f"clusterctl needs {_text(MIN_COMPUTE)} (OpenStack Pike, 2017)"
            )
        return novaclient.client.Client(
            _text(min(tuple(newest), MAX_COMPUTE)),
            session=connection.session,
            endpoint_override=data.url,
            region_name=connection.config.get_region_name("compute"),
        )


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def open_clients(cloud: str, policy: RetryPolicy | None = None) -> Clients:
    """Logs in to an entry of clouds.yaml.

    Raises:
        InputError: no such entry, no clouds.yaml, or a value for authentication is missing or wrong.
        CloudError: authentication refused, or the cloud can't be reached.
    """
    try:
        region = OpenStackConfig().get_one(cloud=cloud)
    except Exception as error:  # the loader raises whatever its parsing meets, plain Exception among it
        raise _unusable(cloud, error) from error
    auth = region.config.get("auth", {})
    if region.config.get("auth_type") in (None, "password", "v3password") and not auth.get("password"):
        raise InputError(f"cloud {cloud}: clouds.yaml lacks `password` under `auth`")
    where = auth.get("auth_url")
    if where and not str(where).startswith(("http://", "https://")):
        raise InputError(f"cloud {cloud}: `auth_url` in clouds.yaml is {where!r}, not an http:// or https:// address")
    for path in region.get_requests_verify_args():
        for file in path if isinstance(path, tuple) else (path,):
            if isinstance(file, str) and not Path(file).exists():
                raise InputError(f"cloud {cloud}: {file}, which clouds.yaml names, doesn't exist")
    clients = Clients(region, policy or RetryPolicy())
    clients.authenticate()
    return clients


def _unusable(cloud: str, error: Exception) -> InputError:
    if isinstance(error, ks.MissingRequiredOptions):
        missing = ", ".join(f"`{option.dest}`" for option in error.options)
        return InputError(f"cloud {cloud}: clouds.yaml lacks {missing} under `auth`")
    try:
        config = OpenStackConfig()
        known = sorted(config.get_cloud_names())
    except Exception:  # noqa: BLE001  # the file itself is broken: the first error says how
        return InputError(f"clouds.yaml can't be used: {error}")
    if config.config_filename is None:
        return InputError(
            f"cloud {cloud}: no clouds.yaml was found, or it is empty or not YAML",
            hint="put it into the current directory, ~/.config/openstack or /etc/openstack, or name it in "
            "OS_CLIENT_CONFIG_FILE",
        )
    if cloud in known:
        return InputError(f"cloud {cloud} in {config.config_filename}: {error}")
    return InputError(
        f"cloud {cloud} is not in {config.config_filename}", hint=f"there are: {', '.join(known) or 'none'}"
    )
