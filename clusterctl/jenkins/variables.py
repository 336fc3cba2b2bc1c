"""Variables of role ``jenkins`` on the agents for masters.

What differs from master to master is a mark like ``@NAME@``, which the start script fills in.
"""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

from clusterctl.spec.jenkins import BuildSettings
from clusterctl.spec.model import ClusterSpec
from clusterctl.spec.security import Part

NAME_MARK = "@NAME@"


def jenkins_variables(spec: ClusterSpec) -> dict[str, Any]:
    """The variables; empty without section ``jenkins``."""
    jenkins = spec.jenkins
    if jenkins is None:
        return {}
    return {
        "jenkins_directory": spec.homes_directory,
        "jenkins_plugin": jenkins.plugin,
        # One of these is true: a file of the role is written if the variable that its 'when' names is
        "jenkins_plugin_0x": jenkins.plugin == "0.x",
        "jenkins_plugin_1x": jenkins.plugin == "1.x",
        "jenkins_plugin_2x": jenkins.plugin == "2.x",
        "jenkins_authentication": spec.secured(Part.MESOS),
        "jenkins_on_demand": jenkins.registration == "on_demand",
        "jenkins_checkpoint": jenkins.checkpoint,
        "jenkins_mesos_role": jenkins.role,
        "jenkins_framework_name": jenkins.framework_name.replace("{name}", NAME_MARK),
        "jenkins_decline_s": jenkins.decline_s,
        "jenkins_public_url": (jenkins.public_url or "").replace("{name}", NAME_MARK),
        "jenkins_heap_mib": jenkins.master.heap_mib,
        "jenkins_java_options": list(jenkins.master.java_options),
        "jenkins_recurrence_ms": jenkins.provisioner.recurrence_ms,
        "jenkins_initial_delay_ms": jenkins.provisioner.initial_delay_ms,
        "jenkins_margin": jenkins.provisioner.margin,
        "jenkins_margin0": jenkins.provisioner.margin0,
        "jenkins_builds": [_build(build) for build in jenkins.builds],
    }


def _build(build: BuildSettings) -> dict[str, Any]:
    """A kind of build for the templates of XML: its texts are escaped here, since only few filters are the same in both
    engines."""
    ordered = sorted(build.attributes.items())
    return {
        "label": escape(build.label),
        "default": build.default,
        "cpus": build.cpus,
        "mem_mib": build.mem_mib,
        "executor_cpus": build.executor_cpus,
        "executor_mem_mib": build.executor_mem_mib,
        "executors": build.executors,
        "disk_mib": float(build.disk_mib),
        "idle_minutes": build.idle_minutes,
        "remote_fs": escape(build.remote_fs),
        "jvm_args": escape(build.jvm_args),
        "jnlp_args": escape(build.jnlp_args),
        "attributes_json": escape(json.dumps(dict(ordered), separators=(",", ":"))) if ordered else "",
        "attributes_list": escape(",".join(f"{name}:{value}" for name, value in ordered)),
        "uris": [
            {"value": escape(uri.value), "executable": uri.executable, "extract": uri.extract} for uri in build.uris
        ],
    }
