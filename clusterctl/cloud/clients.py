"""Authenticated clients of one cloud, a set for each thread.

Neither ``requests`` nor openstacksdk promises that a session may be shared by threads. So each thread has its own
session and clients, and leaves them, with their open connections, to the next one; what is safe to share is: the
authentication plugin (it locks itself), so that there is one token; the discovered versions; the counters and their
lock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, local
from typing import Any
from weakref import finalize

from keystoneauth1 import exceptions as ks
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
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


class _Client(Adapter):  # type: ignore[misc]
    """A service at its endpoint: ``get("/ports")``. An answer of 400 and above is raised, as keystoneauth's errors."""

    def __init__(self, **options: Any) -> None:
        kept = {
            key: value for key, value in options.items() if not key.startswith(("statsd", "prometheus", "influxdb"))
        }
        super().__init__(**kept)


class _Lease:
    """Lives as long as the thread that holds it."""

    def __init__(self, clients: _OfThread) -> None:
        self.clients = clients


@dataclass
class _OfThread:
    region: Any
    clients: dict[str, Any] = field(default_factory=dict)
    compute: Any = None
    nova: Any = None


# The versions of a service's API that are spoken here, where its endpoint doesn't say; Neutron's is always 2.0
_VERSIONS = {
    "compute": {"version": "2"},
    "image": {"min_version": "2", "max_version": "2.latest"},
    "block-storage": {"min_version": "2", "max_version": "3.latest"},
    "key-manager": {"min_version": "1", "max_version": "1.latest"},
}


class Clients:
    """Clients over one keystoneauth session, for the calling thread: of each service a REST client, and novaclient's.

    Attributes:
        region: openstacksdk's ``CloudRegion``: the entry of clouds.yaml.
    """

    def __init__(self, region: Any, policy: RetryPolicy) -> None:
        self.calls = ApiCalls()
        self.region = region
        self._policy = policy
        self._auth = region.get_auth()
        self._discovery: dict[str, Any] = {}
        self._lock, self._local = Lock(), local()
        self._finding = Lock()
        self._idle: list[_OfThread] = []  # of threads that ended
        self._compute: tuple[str, str] | None = None

    @property
    def session(self) -> Any:
        """keystoneauth's session."""
        return self._mine.region.get_session()

    @property
    def nova(self) -> Any:
        """novaclient's client; CloudError if the cloud's Nova is too old."""
        import novaclient.client  # noqa: PLC0415  (commands that only list servers don't need it)

        mine = self._mine
        if mine.nova is None:
            url, microversion = self._compute_api()
            mine.nova = novaclient.client.Client(
                microversion,
                session=self.session,
                endpoint_override=url,
                region_name=mine.region.get_region_name("compute"),
            )
        return mine.nova

    @property
    def compute(self) -> Any:
        """Nova's API, at the microversion that ``nova`` uses; raises as that does."""
        mine = self._mine
        if mine.compute is None:
            url, microversion = self._compute_api()
            mine.compute = Adapter(
                self.session,
                service_type="compute",
                endpoint_override=url,
                default_microversion=microversion,
                region_name=mine.region.get_region_name("compute"),
            )
        return mine.compute

    @property
    def network(self) -> Any:
        """Neutron's API."""
        return self._client("network")

    @property
    def image(self) -> Any:
        """Glance's API."""
        return self._client("image")

    @property
    def block_storage(self) -> Any | None:
        """Cinder's API; None in a cloud without."""
        return self._client_if_there("block-storage")

    @property
    def key_manager(self) -> Any | None:
        """Barbican's API; None in a cloud without."""
        return self._client_if_there("key-manager")

    @property
    def project_id(self) -> str:
        """Id of the project that the token is for."""
        return str(self.session.get_project_id())

    def authenticate(self) -> None:
        """Gets a token; raises CloudError if refused, or if nobody answers."""
        with calling(f"log in to cloud {self.region.name}"):
            self.session.get_token()
        if not self.session.get_project_id():
            raise CloudError(
                f"cloud {self.region.name}: the token is not scoped to a project",
                hint="give `project_name` (and its domain) under `auth` in clouds.yaml",
            )

    @property
    def _mine(self) -> _OfThread:
        if not hasattr(self._local, "lease"):
            try:
                clients = self._idle.pop()
            except IndexError:
                clients = _OfThread(self._make_region())
            self._local.lease = _Lease(clients)
            finalize(self._local.lease, self._idle.append, clients).atexit = False
        lease: _Lease = self._local.lease
        return lease.clients

    def _client(self, kind: str) -> Any:
        mine = self._mine
        if kind not in mine.clients:
            versions = {} if mine.region.get_api_version(kind) else _VERSIONS.get(kind, {})
            mine.clients[kind] = mine.region.get_session_client(
                kind, constructor=_Client, allow_version_hack=True, **versions
            )
        return mine.clients[kind]

    def _client_if_there(self, kind: str) -> Any | None:
        if not self.region.has_service(kind):
            return None
        try:
            client = self._client(kind)
            return client if client.get_endpoint() else None
        except ks.EndpointNotFound:
            return None

    def _make_region(self) -> Any:
        region = self.region
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

    def _compute_api(self) -> tuple[str, str]:
        """URL and microversion, found once for all threads."""
        with self._finding:
            if self._compute is None:
                self._compute = self._find_compute()
            return self._compute

    def _find_compute(self) -> tuple[str, str]:
        with calling("find the compute API"):
            data = self._client("compute").get_endpoint_data()
        newest = data.max_microversion if data else None
        if data and not newest:
            # keystoneauth passes over a failed discovery in silence; asked plainly, the cloud says what is wrong
            with calling("find the compute API"):
                self.session.get(data.url)
        if not newest or tuple(newest) < MIN_COMPUTE:
            raise CloudError(
                f"cloud {self.region.name}: its compute API goes up to microversion {_text(newest or (2, 1))}, "
                f"clusterctl needs {_text(MIN_COMPUTE)} (OpenStack Pike, 2017)"
            )
        return data.url, _text(min(tuple(newest), MAX_COMPUTE))


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
