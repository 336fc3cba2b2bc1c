"""One real master and two real agents with credentials and ACLs as ``clusterctl.secrets.mesos`` writes them.

Tasks run as the users of slots, which exist for the agents alone.

All on 127.0.0.1, since agents must connect from the address that they are bound to; who attacks comes from another.
"""

from __future__ import annotations

import base64
import http.client
import json
import struct
from pathlib import Path
from typing import Any

from clusterctl.secrets import mesos
from clusterctl.secrets.derive import Keyring, new_key
from clusterctl.secrets.names import AGENT_HTTP, MESOS_AGENT_HTTP, mesos_secret
from clusterctl.secrets.secret import Secret
from clusterctl.spec.model import ClusterSpec
from tests.contract.mesos.cluster import MASTER_PORT, Daemon, request, wait_for
from tests.unit.specs import demo_spec

HOST, STRANGER = "127.0.0.1", "127.0.0.9"
# The groups of the demo: the first reserves everything for Marathon's role
PORTS = {"jenkins": 5051, "builders": 5052}
APP_USER = "jenkins"
Answer = tuple[int, str]


class SecuredMesos:
    """Not yet started.

    Args:
        work: a directory that everybody can enter.
        secured: False for the same without credentials and ACLs, as today's templates have it.
        spec: the cluster file; has the groups of the demo and two slots.
    """

    def __init__(self, root: Path, work: Path, *, secured: bool = True, spec: ClusterSpec | None = None) -> None:
        self.root, self.work, self.secured = root, work, secured
        self.spec = spec or demo_spec(jenkins={"allow_ephemeral_homes": True, "max_masters": 2})
        self.keys = Keyring(self.spec.cluster, new_key())
        self.env = {"LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH": "1"} if secured else {}
        self.master = Daemon(
            "master", [self._program("mesos-master"), *self._master_flags()], work / "master.log", self.env
        )
        self.agents = {group: self.agent(group, port) for group, port in PORTS.items()}

    def start(self) -> None:
        for daemon in (self.master, *self.agents.values()):
            daemon.start()
        wait_for("both agents", lambda: len(self.registered()) == len(PORTS), 60)

    def stop(self) -> None:
        for daemon in (*self.agents.values(), self.master):
            daemon.kill()

    def leader(self) -> str:
        """As ``cluster.Cluster``'s, for frameworks."""
        return HOST

    def agent(
        self, group: str, port: int, *, name: str = "", credential: Secret | None = None, role: str = ""
    ) -> Daemon:
        """An agent of a group, or one that pretends: with another's credential, or offering what is not its own."""
        name = name or group
        reserved = role or self.spec.groups[group].reserve_for
        flags = [
            f"--ip={HOST}",
            f"--port={port}",
            f"--hostname={name}",
            "--no-hostname_lookup",
            f"--master={HOST}:{MASTER_PORT}",
            f"--work_dir={self.work}/{name}",
            f"--runtime_dir={self.work}/{name}-run",
            f"--launcher_dir={self.work}/package/usr/libexec/mesos",
            "--launcher=posix",
            "--no-systemd_enable_support",
            "--resources=cpus:1;mem:256;disk:100;ports:[31000-31010]",
            *([f"--default_role={reserved}"] if reserved else []),
        ]
        if self.secured:
            own = credential or mesos.agent_credential(group, self.keys)
            flags += [
                f"--credential={self._secret(f'{name}-credential', own)}",
                f"--http_credentials={self._secret('agent-http', mesos.agent_http_credentials(self.keys))}",
                f"--acls={self._written('agent-acls', json.dumps(mesos.agent_acls(self.spec, [APP_USER])))}",
                "--authenticate_http_readonly",
                "--authenticate_http_readwrite",
            ]
        return Daemon(
            name, [*self._among_users(), self._program("mesos-agent"), *flags], self.work / f"{name}.log", self.env
        )

    def _among_users(self) -> list[str]:
        """The start of a command that runs where the users of slots exist, and can reach the package: in a mount
        namespace, so that the machine knows nothing of them.
        """
        package, passwd = self.work / "package", self.work / "passwd"
        package.mkdir(exist_ok=True)
        users = [APP_USER, *(f"{kind}-{slot:03d}" for kind in ("jm", "b") for slot in (1, 2))]
        lines = [f"{user}:x:{30000 + number}:65534::/nonexistent:/bin/sh" for number, user in enumerate(users)]
        passwd.write_text(Path("/etc/passwd").read_text() + "\n".join(lines) + "\n")
        mount = f'mount --bind {passwd} /etc/passwd && mount --bind {self.root} {package} && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mount, "sh"]

    def _master_flags(self) -> list[str]:
        flags = [
            f"--ip={HOST}",
            f"--hostname={HOST}",
            "--no-hostname_lookup",
            f"--work_dir={self.work}/master",
        ]
        if self.secured:
            credentials = mesos.master_credentials(self.spec, self.keys)
            flags += [
                f"--credentials={self._secret('credentials', credentials)}",
                f"--acls={self._written('acls', json.dumps(mesos.master_acls(self.spec, [APP_USER])))}",
                f"--rate_limits={self._written('rate-limits', json.dumps(mesos.rate_limits(self.spec)))}",
                "--authenticate_frameworks",
                "--authenticate_http_frameworks",
                "--http_framework_authenticators=basic",
                "--authenticate_agents",
                "--authenticate_http_readonly",
                "--authenticate_http_readwrite",
                "--no-root_submissions",
            ]
        return flags

    def _program(self, name: str) -> str:
        return str(self.root / "usr/sbin" / name)

    def _secret(self, name: str, secret: Secret) -> Path:
        path = self.work / name
        path.touch(mode=0o600)
        path.write_text(secret.reveal())
        return path

    def _written(self, name: str, text: str) -> Path:
        path = self.work / name
        path.write_text(text)
        return path

    # --- asking -----------------------------------------------------------------
    def basic(self, principal: str | None) -> dict[str, str]:
        """The header by which a principal (None: nobody) proves itself."""
        if principal is None or not self.secured:
            return {}
        name = MESOS_AGENT_HTTP if principal == AGENT_HTTP else mesos_secret(principal)
        pair = f"{principal}:{self.keys[name].reveal()}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def ask(
        self, principal: str | None, path: str, body: dict[str, Any] | None = None, port: int = MASTER_PORT
    ) -> Answer:
        """Status and text of a GET, or of a POST if there is a body."""
        status, answer = request(HOST, port, path, body, self.basic(principal))
        return status, answer if isinstance(answer, str) else json.dumps(answer)

    def operator(self, principal: str | None, kind: str, **content: object) -> Answer:
        """A call of the v1 operator API of the master."""
        return self.ask(principal, "/api/v1", {"type": kind, **content})

    def subscribe(self, principal: str | None, role: str, *, claims: str | None = None, user: str = "nobody") -> Answer:
        """The first answer to a framework's SUBSCRIBE; the connection is closed then.

        Args:
            claims: the principal in FrameworkInfo, if another.
        """
        info = {"user": user, "name": "test", "roles": [role], "capabilities": [{"type": "MULTI_ROLE"}]}
        if claims or principal:
            info["principal"] = claims or principal or ""
        connection = http.client.HTTPConnection(HOST, MASTER_PORT, timeout=10)
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self.basic(principal)}
        body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        try:
            connection.request("POST", "/api/v1/scheduler", json.dumps(body), headers)
            answer = connection.getresponse()
            # of a stream only the first record: it doesn't end
            text = answer.readline() + (answer.read(200) if answer.status == http.HTTPStatus.OK else answer.read())
            return answer.status, text.decode(errors="replace")
        finally:
            connection.close()

    def registered(self) -> dict[str, str]:
        """Ids of the agents that the master knows, by host name."""
        status, answer = self.ask("operator", "/slaves")
        if status != http.HTTPStatus.OK:
            return {}
        return {agent["hostname"]: agent["id"] for agent in json.loads(answer)["slaves"] if agent["active"]}

    def forge(self, port: int, path: str, message: bytes, sender: str, *, come_from: str = STRANGER) -> Answer:
        """A libprocess message that says to be of ``sender``, such as ``master@127.0.0.1:5050``."""
        connection = http.client.HTTPConnection(HOST, port, timeout=10, source_address=(come_from, 0))
        try:
            headers = {"Libprocess-From": sender, "Content-Type": "application/octet-stream"}
            connection.request("POST", path, message, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()


def message(*fields: tuple[int, int | float | str | bytes]) -> bytes:
    """A protobuf message of fields ``(number, value)``: varints, doubles, and bytes or text with their length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        elif isinstance(value, float):
            out += _varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(raw)) + raw
    return out


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def run_task(agent_id: str, command: str, task_id: str) -> bytes:
    """``mesos.internal.RunTaskMessage`` of a task that a master never saw."""

    def scalar(name: str, value: float) -> bytes:
        role = message((1, "*"))
        return message((1, name), (2, 0), (3, message((1, value))), (6, "*"), (11, role))

    framework = message((1, "root"), (2, "forged"), (3, message((1, "forged-framework"))))
    task = message(
        (1, "forged"),
        (2, message((1, task_id))),
        (3, message((1, agent_id))),
        (4, scalar("cpus", 0.1)),
        (4, scalar("mem", 32.0)),
        (7, message((3, command), (5, "root"))),
    )
    return message((2, framework), (3, ""), (4, task), (6, 1))
