"""The key manager. A cluster's key is found by its name there: a secret takes its metadata only in a second call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from clusterctl.cloud.sdk_errors import calling
from clusterctl.cloud.service import OpenStackService, absence_allowed
from clusterctl.errors import CloudError
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.stored import StoredKey, key_name

_PAGE = 100  # the most that Barbican gives (Key Manager API, 'GET /v1/secrets')
_ROLES = "By Barbican's default policy that takes the role 'creator' (in newer releases 'member') in the project."


class KeyManager(OpenStackService):
    """The methods of ``base.Cloud`` that Barbican serves."""

    @property
    def _barbican(self) -> Any:
        with calling("find the key manager's API"):
            client = self._clients.key_manager
        if client is None:
            raise CloudError(
                "this cloud has no key manager (Barbican)",
                hint="'secrets: {from: control}' in the cluster file keeps the key on the cluster's control nodes.",
            )
        return client

    def cluster_keys(self, cluster: str) -> list[StoredKey]:
        """See ``base.Cloud``."""
        found = self._secret_ids(key_name(cluster))
        return [StoredKey(each, key_name(cluster), self._payload_of(each)) for each in sorted(found)]

    def create_cluster_key(self, cluster: str, key: Secret) -> StoredKey:
        """See ``base.Cloud``."""
        name, client = key_name(cluster), self._barbican

        def create(_missing: Sequence[str]) -> dict[str, StoredKey]:
            with _calling(f"store secret {name} in the key manager"):
                body = {"name": name, "payload": key.reveal(), "payload_content_type": "text/plain"}
                made = client.post("/secrets", json=body).json()
            return {name: StoredKey(_id(made), name, key)}

        def find() -> dict[str, StoredKey]:
            return {each.name: each for each in self.cluster_keys(cluster) if each.key == key}

        return self._recovery.create([name], create, find)[name]

    def delete_cluster_key(self, key_id: str) -> None:
        """See ``base.Cloud``."""
        with absence_allowed(), _calling(f"delete secret {key_id} of the key manager"):
            self._barbican.delete(f"/secrets/{key_id}")

    def _secret_ids(self, name: str) -> list[str]:
        """Ids of the secrets of that name."""
        client = self._barbican
        with _calling("list secrets of the key manager"):
            # an API that doesn't know the filter ignores it
            return [_id(raw) for raw in _all_of(client, {"name": name, "limit": _PAGE}) if raw.get("name") == name]

    def _payload_of(self, key_id: str) -> Secret | None:
        """None for a secret that was begun in Barbican's other way, in two calls, and never got one."""
        with absence_allowed(), _calling(f"read secret {key_id} of the key manager"):
            answer = self._barbican.get(f"/secrets/{key_id}/payload", headers={"Accept": "text/plain"})
            return Secret(answer.text)
        return None


def _all_of(client: Any, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Pages are by offset there, and an answer says ``next`` as long as there are more."""
    offset = 0
    while True:
        page = client.get("/secrets", params={**query, "offset": offset}).json()
        yield from page["secrets"]
        offset += len(page["secrets"])
        if not page["secrets"] or "next" not in page:
            return


@contextmanager
def _calling(what: str) -> Iterator[None]:
    """``calling``; tells of Barbican's roles where it refuses."""
    try:
        with calling(what):
            yield
    except CloudError as error:
        if error.status == 403:
            error.hint = _ROLES
        raise


def _id(raw: Mapping[str, Any]) -> str:
    """Of a secret's reference, which is a URL."""
    return str(raw["secret_ref"]).rstrip("/").rsplit("/", 1)[1]
