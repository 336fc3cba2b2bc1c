"""What a node should look like, and the one command that tells what it does look like.

The files are rendered by the renderer that also makes the user-data of first boots, so that a look at a node costs one
connection and no work on it. What differs is then put right by the roles.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

try:
    from clusterctl.errors import ClusterctlError
    from clusterctl.paths import roles_dir
    from clusterctl.render.roles import SERVICE_ROLES, roles_of
    from clusterctl.render.templates import render_files, units
except ImportError as error:
    raise AnsibleError("these playbooks need the ansible-playbook that is installed with clusterctl") from error

DOCUMENTATION = """
  name: node_state
  short_description: what a node should look like
  description:
    - Gives a dictionary for the host at hand, from its variables and the services that it is in the groups of.
    - C(command) prints lines about the node; C(expected) are those of them that a node as it should be prints.
  options: {}
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """See DOCUMENTATION."""

    def run(self, terms: list[Any], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """``[{"command": text for sh, "expected": lines}]``.

        Raises:
            AnsibleError: the host is in no group of a service, or a variable is missing or of a wrong type.
        """
        values = dict(variables or {})
        services = [name for name in SERVICE_ROLES if name in values.get("group_names", ())]
        if not services:
            raise AnsibleError(f"this host is in none of the groups {', '.join(SERVICE_ROLES)}")
        try:
            return [node_state(services, values)]
        except ClusterctlError as error:
            raise AnsibleError(error.message) from error
        except TypeError as error:
            raise AnsibleError(f"a variable has a wrong type: {error}") from error


def node_state(services: list[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """See ``LookupModule.run``."""
    roles = roles_of(services)
    files = render_files(roles_dir(), roles, values)
    started = units(roles_dir(), roles, values)
    paths = shlex.join(file.path for file in files)
    expected = [f"enabled active {unit}" for unit in started]
    for file in files:
        expected.append(f"{file.mode} {file.owner}:{file.group} {file.path}")
        expected.append(f"{hashlib.sha256(file.content.encode()).hexdigest()}  {file.path}")
    return {"command": _COMMAND.format(paths=paths, units=shlex.join(started)), "expected": expected}


# A file that is missing and a unit that is unknown print nothing that is expected.
_COMMAND = """\
stat --format='%04a %U:%G %n' {paths} 2>/dev/null
sha256sum {paths} 2>/dev/null
for unit in {units}; do
  echo "$(systemctl is-enabled $unit 2>/dev/null) $(systemctl is-active $unit 2>/dev/null) $unit"
done
for unit in $(/usr/lib/clusterctl/config-digest pending); do
  echo "pending $unit"
done
"""
