"""Compares a node with what it should look like, by one command; puts one that differs into groups for later plays.

The files are rendered by the renderer that also makes the user-data of first boots, and the command needs nothing but a
shell: a node that is as it should be costs one connection, and neither a Python of its own nor a second task. Used as::

    - node_state: {group: differing}
      changed_when: false

The node is in ``differing`` then, and in ``differing_ROLE`` for each role of which a file or a unit differs.
Without ``changed_when`` Ansible counts it as a change that a host comes into a group, as it does for group_by.
The result's ``msg`` tells where a restart is due on a node that doesn't differ; later plays look for it on the others.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

try:
    from clusterctl.errors import ClusterctlError
    from clusterctl.paths import roles_dir
    from clusterctl.render.roles import SERVICE_ROLES, roles_of
    from clusterctl.render.templates import owners, prepare, render_files, units

    # Ansible loads this once, and then forks for each host: what is read and compiled here, none of them does again
    with suppress(ClusterctlError):  # who needs it meets the error where it can be told
        prepare(roles_dir(), sorted({role for roles in SERVICE_ROLES.values() for role in roles}))
except ImportError as error:
    raise AnsibleActionFail("these playbooks need the ansible-playbook that is installed with clusterctl") from error

PENDING = "pending "


class ActionModule(ActionBase):  # type: ignore[misc]
    """See the module. Writes nothing, so that it looks in check mode, too."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("group",))
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """``{"changed": False, "msg": text}``; of a node that differs its new groups, as group_by returns them.

        Raises:
            AnsibleActionFail: the host is in no group of a service, or a variable is missing or of a wrong type; or the
                command failed.
        """
        super().run(tmp, task_vars)
        command, expected = node_state(task_vars or {})
        done = self._low_level_execute_command(command, executable="/bin/sh")
        if done["rc"] != 0:
            raise AnsibleActionFail(f"the node can't be looked at: {done['stderr'].strip() or done['stdout'].strip()}")
        seen = done["stdout_lines"]
        if missing := expected.keys() - set(seen):
            group, roles = self._task.args["group"], sorted({expected[line] for line in missing})
            # Ansible takes one group from a result, and any number of groups that this one belongs to
            parents = [group, *(f"{group}_{role}" for role in roles)]
            return {"changed": False, "add_group": f"{group}_in_{'_and_'.join(roles)}", "parent_groups": parents}
        pending = ", ".join(line.removeprefix(PENDING) for line in seen if line.startswith(PENDING))
        told = f"restart pending: {pending} (clusterctl restart does it node by node)" if pending else ""
        return {"changed": False, "msg": told}


def node_state(variables: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """A command for sh that prints lines about the node; those that a node as it should be prints, each with its role.

    Raises:
        AnsibleActionFail: see ``ActionModule.run``.
    """
    services = [name for name in SERVICE_ROLES if name in variables.get("group_names", ())]
    if not services:
        raise AnsibleActionFail(f"this host is in none of the groups {', '.join(SERVICE_ROLES)}")
    roles = roles_of(services)
    try:
        files = render_files(roles_dir(), roles, variables)
        started = units(roles_dir(), roles, variables)
        role_of = owners(roles_dir(), roles)
    except ClusterctlError as error:
        raise AnsibleActionFail(error.message) from error
    except TypeError as error:
        raise AnsibleActionFail(f"a variable has a wrong type: {error}") from error
    expected = {f"enabled active {unit}": role_of[unit] for unit in started}
    for file in files:
        expected[f"{file.mode} {file.owner}:{file.group} {file.path}"] = role_of[file.path]
        expected[f"{hashlib.sha256(file.content.encode()).hexdigest()}  {file.path}"] = role_of[file.path]
    return _COMMAND.format(paths=shlex.join(file.path for file in files), units=shlex.join(started)), expected


# A file that is missing and a unit that is unknown print nothing that is expected.
_COMMAND = """\
stat --format='%04a %U:%G %n' {paths} 2>/dev/null
sha256sum {paths} 2>/dev/null
for unit in {units}; do
  echo "$(systemctl is-enabled $unit 2>/dev/null) $(systemctl is-active $unit 2>/dev/null) $unit"
done
for unit in $(/usr/lib/clusterctl/config-digest pending 2>/dev/null); do
  echo "pending $unit"
done
"""
