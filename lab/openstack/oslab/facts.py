"""What the rest of the project needs to know of the lab."""

import json
import shlex
from typing import Any

from . import container, kvm, net
from .settings import PASSWORD, ZONES, Settings
from .shell import run

CLOUDS = {"lab": "demo", "lab-scale": "scale", "lab-admin": "admin"}
"""Entry of clouds.yaml -> its project and user."""


def write_access(lab: Settings) -> None:
    """Writes clouds.yaml and makes the SSH key and the git directory. Idempotent."""
    lab.git.mkdir(parents=True, exist_ok=True)
    if not lab.key.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "clusterctl-lab", "-f", lab.key)
    entries = {}
    for entry, project in CLOUDS.items():
        auth = {"auth_url": f"http://{lab.gateway}:5000/v3", "username": project, "password": PASSWORD}
        auth |= {"project_name": project, "user_domain_name": "Default", "project_domain_name": "Default"}
        entries[entry] = {"auth": auth, "region_name": "RegionOne", "identity_api_version": 3}
    lab.clouds.write_text(json.dumps({"clouds": entries}, indent=2) + "\n")  # JSON is YAML


def has_kvm(lab: Settings) -> bool:
    note = kvm.note_of(lab)
    return note.exists() and bool(json.loads(note.read_text())["works"])


def environment(lab: Settings) -> dict[str, str]:
    """Environment variables for the shells and tests that use the lab."""
    return {
        "OS_CLIENT_CONFIG_FILE": str(lab.clouds),
        "CLUSTERCTL_SSH_KEY": str(lab.key),
        "LAB_ZONE_DEFAULT": "vm" if has_kvm(lab) else "container",
        "LAB_KVM": "1" if has_kvm(lab) else "0",
        "LAB_GATEWAY": lab.gateway,
        "LAB_NETNS": lab.name,
        "LAB_APT_PROXY": f"http://{lab.gateway}:3142",
        "LAB_GIT_DIR": str(lab.git),
        "LAB_GIT_URL": f"http://{lab.gateway}:8418",
    }


def exports(lab: Settings) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment(lab).items())


def status(lab: Settings, missing: list[str] | None) -> dict[str, Any]:
    """The lab's state. `missing` is what does not report itself alive, None if the lab was not asked."""
    phases = lab.state / "phases.json"
    return {
        "running": container.pid(lab) is not None,
        "ready": missing == [],
        "missing": missing or [],
        "exists": lab.state.exists() or net.exists(lab),
        "kvm": has_kvm(lab),
        "zones": ZONES,
        "default_zone": environment(lab)["LAB_ZONE_DEFAULT"],
        "state": str(lab.state),
        "cache": str(lab.cache),
        "clouds": str(lab.clouds),
        "phases": json.loads(phases.read_text()) if phases.exists() else {},
    }
