"""A search for a cluster's secrets wherever they must not be."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labkit
import openstack

from clusterctl.secrets.derive import Keyring, parse_key
from clusterctl.secrets.names import AGENT_HTTP, MARATHON_HTTP, MESOS_AGENT_HTTP, mesos_principals, mesos_secret, names
from clusterctl.spec.load import load_spec
from tests.attacks.scene import Attacked

_ARGV = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null"
# Of tenants: masters, builds, apps
_ENVIRONMENTS = (
    "for p in $(ps -eo pid=,user:20= | awk '$2 ~ /^(jm-|b-|jenkins$)/ {print $1}'); do "
    "tr '\\0' '\\n' < /proc/$p/environ; done 2>/dev/null; true"
)
_READABLE = (
    "find / -xdev -type f -perm -004 -newer /etc/clusterctl/secrets/complete -size -2048k 2>/dev/null "
    "| xargs -r cat 2>/dev/null | tr -cd '[:print:]\\n'"
)


def needles(made: Attacked) -> dict[str, str]:
    """Name -> text of every secret: the key, all that is derived from it, and logins as HTTP carries them."""
    key = made.cluster.on(made.control[0], "sudo cat /etc/clusterctl/secrets/key").strip()
    spec = load_spec(made.cluster.file)
    keys = Keyring(spec.cluster, parse_key(key, "the control node"))
    found = {"key": key, **{name: keys[name].reveal() for name in names(spec)}}
    logins = {principal: mesos_secret(principal) for principal in mesos_principals(spec)}
    logins |= {AGENT_HTTP: MESOS_AGENT_HTTP, "clusterctl": MARATHON_HTTP}
    for user, name in logins.items():
        found[f"login {user}"] = base64.b64encode(f"{user}:{found[name]}".encode()).decode().rstrip("=")
    return found


def told_in(text: str, secrets: dict[str, str]) -> list[str]:
    """Names of the secrets that a text holds."""
    return [name for name, secret in secrets.items() if secret in text]


def places(made: Attacked) -> Iterator[tuple[str, str]]:
    """Name and content of what must hold no secret."""
    for name, text in made.everywhere("journalctl --no-pager --output=cat").items():
        yield f"journal of {name}", text
    for name, text in made.everywhere(_ARGV).items():
        assert "systemd" in text
        yield f"argv on {name}", text
    environments = made.everywhere(_ENVIRONMENTS)
    for name in (made.scene.own.name, made.scene.masters.name):  # the others run nothing of tenants
        yield f"environment of tenants on {name}", environments[name]
    for name, text in made.everywhere(_READABLE).items():
        yield f"files on {name} that all may read", text
    for name in made.nodes:
        raw = made.cluster.on(name, "sudo base64 -w0 /var/lib/cloud/instance/user-data.txt")
        data = base64.b64decode(raw)
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode(errors="replace")
        assert "write_files" in text
        yield f"user-data of {name}", text
    cloud = openstack.connect(cloud=os.environ.get("OS_CLOUD", "lab"))
    for server in cloud.compute.servers():
        if server.name in made.nodes:
            yield f"console of {server.name}", str(cloud.compute.get_server_console_output(server))
            yield f"what Nova shows of {server.name}", json.dumps(server.to_dict(), default=str)
    yield from flags(made)
    yield from said(made)


def flags(made: Attacked) -> Iterator[tuple[str, str]]:
    """What services tell of themselves to operators."""
    leader = made.cluster.node(made.cluster.status()["leaders"]["mesos_master"])
    for path in ("/flags", "/state", "/metrics/snapshot"):
        yield f"Mesos' {path}", json.dumps(made.cluster.mesos(leader, path))
    for path in ("/v2/info", "/v2/apps"):
        yield f"Marathon's {path}", json.dumps(made.cluster.marathon("GET", path))
    login = json.loads(made.cluster.on(leader["name"], "sudo cat /etc/clusterctl/secrets/mesos-agent-probe.json"))
    for place in (made.scene.own, made.scene.masters):
        code = (
            "import base64, json, sys, urllib.request as u\n"
            "p = json.load(open('/etc/clusterctl/secrets/mesos-agent-probe.json'))\n"
            "t = base64.b64encode((p['principal'] + ':' + p['secret']).encode()).decode()\n"
            "for path in ('/flags', '/state'):\n"
            "    r = u.Request(sys.argv[1] + path, headers={'Authorization': 'Basic ' + t})\n"
            "    print(u.urlopen(r, timeout=10).read().decode())\n"
        )
        url = f"http://{place.address}:5051"
        told = made.cluster.on(place.name, f"sudo python3 -c {shlex.quote(code)} {url}")
        assert "work_dir" in told and login["principal"] not in ("", None)
        yield f"flags and state of the agent on {place.name}", told


def said(made: Attacked) -> Iterator[tuple[str, str]]:
    """What clusterctl prints."""
    file = made.cluster.file
    readings: list[list[Any]] = [
        ["validate", file, "--json"],
        ["plan", file, "--json"],
        ["status", file, "--json"],
        ["verify", file, "--json"],
        ["inventory", file],
        ["jenkins", "list", file, "--json"],
        ["configure", file, "--check", "--diff"],
        ["configure", file],
        ["run", file, "--", "all", "-b", "-vvv", "-m", "ansible.builtin.command", "-a", "true"],
    ]
    for words in readings:
        yield f"clusterctl {words[0]}", printed(*words)


def printed(*words: str | Path) -> str:
    """Both outputs of a command that succeeds."""
    done = subprocess.run(
        [labkit.PROGRAM, *words],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, (words, done.stdout[-2000:])
    return done.stdout


def in_files(directory: Path, secrets: dict[str, str]) -> dict[str, list[str]]:
    """Files below a directory that hold secrets, unpacked where they are archives; and which."""
    found = {}
    with tempfile.TemporaryDirectory() as work:
        for archive in directory.rglob("*.tar.gz"):
            target = Path(work) / archive.name.removesuffix(".tar.gz")
            target.mkdir(parents=True, exist_ok=True)
            subprocess.run(["tar", "-xzf", archive, "-C", target], check=True)
        for path in (*directory.rglob("*"), *Path(work).rglob("*")):
            if path.is_file() and not path.is_symlink():
                held = told_in(path.read_bytes().decode(errors="replace"), secrets)
                if held:
                    found[path.name] = held
    return found


def in_image(name: str, secrets: dict[str, str]) -> int:
    """How many lines of an image in Glance hold a secret."""
    cloud = openstack.connect(cloud=os.environ.get("OS_CLOUD", "lab"))
    image = cloud.image.find_image(name, ignore_missing=False)
    with tempfile.NamedTemporaryFile("w") as patterns:
        patterns.write("\n".join(secrets.values()) + "\n")
        patterns.flush()
        argv = ["grep", "--text", "--fixed-strings", "--count", f"--file={patterns.name}"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as grep:
            assert grep.stdin is not None and grep.stdout is not None
            for piece in cloud.image.download_image(image, stream=True).iter_content(1 << 20):
                grep.stdin.write(piece)
            grep.stdin.close()
            return int(grep.stdout.read())
