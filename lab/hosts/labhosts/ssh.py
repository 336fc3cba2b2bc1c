"""How Ansible, Molecule and testinfra reach the hosts: SSH through the lab's network namespace, host key pinned."""

from typing import Any

from .settings import Lab, hosts


def arguments(lab: Lab) -> list[str]:
    """Options of ssh."""
    return [
        f"-o ProxyCommand='ip netns exec {lab.namespace} nc %h %p'",
        f"-o UserKnownHostsFile={lab.known_hosts}",
        "-o GlobalKnownHostsFile=/dev/null",
        "-o StrictHostKeyChecking=yes",
        f"-o IdentityFile={lab.key}",
        "-o IdentitiesOnly=yes",
        "-o LogLevel=ERROR",
        "-o ControlMaster=auto",
        "-o ControlPersist=60s",
        # A socket of its own for each lab: one of a lab that is gone would hang the next
        f"-o ControlPath={lab.state}/cp-%C",
        "-o ServerAliveInterval=5",
        "-o ServerAliveCountMax=3",
        "-o ConnectTimeout=10",
    ]


def _address(lab: Lab, name: str) -> str:
    return (lab.state / name / "address").read_text()


def inventory(lab: Lab) -> dict[str, Any]:
    """An Ansible inventory (JSON is YAML)."""
    common = {"ansible_user": "root", "ansible_ssh_common_args": " ".join(arguments(lab))}
    named = {host.name: {"ansible_host": _address(lab, host.name), **common} for host in hosts(lab)}
    return {"all": {"hosts": named}}


def instances(lab: Lab) -> list[dict[str, Any]]:
    """Molecule's instance_config.yml."""
    return [
        {
            "instance": host.name,
            "address": _address(lab, host.name),
            "user": "root",
            "port": 22,
            "identity_file": str(lab.key),
        }
        for host in hosts(lab)
    ]
