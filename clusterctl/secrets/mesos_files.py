"""Pure: the files that Mesos masters and agents, and our own calls on their nodes, authenticate with."""

from __future__ import annotations

import json
from typing import Any

from clusterctl.jenkins.slots import master_user
from clusterctl.secrets.files import DIRECTORY, SecretFile
from clusterctl.secrets.mesos import (
    agent_acls,
    agent_credential,
    agent_http_credentials,
    login,
    login_file,
    master_acls,
    master_credentials,
    rate_limits,
)
from clusterctl.secrets.names import (
    AGENT_HTTP,
    MARATHON,
    OPERATOR,
    PROBE,
    jenkins_principal,
    mesos_secret,
)
from clusterctl.secrets.secret import Secret
from clusterctl.secrets.wanted import Wanted
from clusterctl.services import Service
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part

MASTER_CREDENTIALS = f"{DIRECTORY}/mesos-master-credentials.json"
MASTER_ACLS = f"{DIRECTORY}/mesos-master-acls.json"
MASTER_RATE_LIMITS = f"{DIRECTORY}/mesos-master-rate-limits.json"
AGENT_CREDENTIAL = f"{DIRECTORY}/mesos-agent-credential.json"
AGENT_HTTP_CREDENTIALS = f"{DIRECTORY}/mesos-agent-http-credentials.json"
AGENT_ACLS = f"{DIRECTORY}/mesos-agent-acls.json"
MARATHON_SECRET = f"{DIRECTORY}/marathon-mesos-secret"
# By the user of each slot's master, who alone may read it: secrets follow slots, not homes, which may be moved. Holds
# PRINCIPAL:SECRET
JENKINS_DIRECTORY = f"{DIRECTORY}/jenkins"
# Default of role marathon's variable marathon_mesos_user
APP_USER = "jenkins"
# For root alone: what clusterctl's own calls on the node say who they are, {"principal", "secret"}
OPERATOR_FILE = f"{DIRECTORY}/mesos-operator.json"
# The same for a person: `sudo curl -K FILE URL`
OPERATOR_CURL = f"{DIRECTORY}/mesos-operator.curl"
PROBE_FILE = f"{DIRECTORY}/mesos-probe.json"
AGENT_PROBE_FILE = f"{DIRECTORY}/mesos-agent-probe.json"


def mesos_files(wanted: Wanted) -> list[SecretFile]:
    """None where Mesos is open."""
    spec, keys = wanted.spec, wanted.keys
    if not spec.secured(Part.MESOS):
        return []
    files = []
    if wanted.runs(Service.MESOS_MASTER):
        operator, secret = login(OPERATOR, keys)
        files += [
            SecretFile(MASTER_CREDENTIALS, master_credentials(spec, keys), group="mesos", mode=0o640),
            SecretFile(MASTER_ACLS, _json(master_acls(spec, app_users(spec), keys.epochs)), group="mesos", mode=0o640),
            SecretFile(MASTER_RATE_LIMITS, _json(rate_limits(spec, keys.epochs)), group="mesos", mode=0o640),
            SecretFile(OPERATOR_FILE, login_file(OPERATOR, keys)),
            SecretFile(OPERATOR_CURL, Secret(f'user = "{operator}:{secret.reveal()}"\n')),
            SecretFile(PROBE_FILE, login_file(PROBE, keys)),
        ]
    if wanted.runs(Service.MESOS_MASTER) or wanted.runs(Service.MESOS_AGENT):
        # of masters' nodes, too: operators ask agents from there
        files.append(SecretFile(AGENT_PROBE_FILE, login_file(AGENT_HTTP, keys)))
    if wanted.runs(Service.MESOS_AGENT):
        files += [
            SecretFile(AGENT_CREDENTIAL, agent_credential(wanted.group, keys)),
            SecretFile(AGENT_HTTP_CREDENTIALS, agent_http_credentials(keys)),
            SecretFile(AGENT_ACLS, _json(agent_acls(spec, app_users(spec), keys.epochs))),
        ]
    if spec.jenkins and wanted.group == spec.masters_group:
        files += [
            SecretFile(
                f"{JENKINS_DIRECTORY}/{master_user(slot)}",
                Secret(":".join((who, secret.reveal()))),
                owner=master_user(slot),
                mode=0o400,
            )
            for slot in range(1, spec.jenkins.max_masters + 1)
            for who, secret in [login(jenkins_principal(slot), keys)]
        ]
    if wanted.runs(Service.MARATHON):
        # No newline: Marathon takes the file's bytes as they are
        files.append(SecretFile(MARATHON_SECRET, keys[mesos_secret(MARATHON)], group="marathon", mode=0o640))
    return files


def app_users(spec: ClusterSpec) -> tuple[str, ...]:
    """Whose Marathon's apps are that name no user, and that are not Jenkins masters."""
    (group,) = spec.groups_of(Service.MARATHON)
    settings = spec.settings.variables() | spec.groups[group].settings.variables()
    return (settings.get("marathon_mesos_user", APP_USER),)


def _json(content: dict[str, Any]) -> Secret:
    return Secret(json.dumps(content, indent=1) + "\n")
