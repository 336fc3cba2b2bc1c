"""What the remote API shows of things. Pure: the state goes in, JSON comes out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from .buildqueue import Item
from .core import Jenkins
from .job import Build, Job
from .node import Node

Json = dict[str, Any]
_FREESTYLE = "hudson.model.FreeStyleProject"
_BUILD = "hudson.model.FreeStyleBuild"
_COLORS = {None: "notbuilt", "SUCCESS": "blue", "FAILURE": "red", "ABORTED": "aborted"}
BUILT_IN = "Built-In Node"


class Views:
    def __init__(self, jenkins: Jenkins) -> None:
        self._jenkins = jenkins

    @property
    def root(self) -> str:
        return self._jenkins.root_url

    def jenkins(self) -> Json:
        jenkins = self._jenkins
        return {
            "_class": "hudson.model.Hudson",
            "assignedLabels": [{"name": "built-in"}],
            "mode": jenkins.config.mode,
            "nodeDescription": f"the {jenkins.name}",
            "nodeName": "",
            "numExecutors": 0,
            "description": jenkins.config.system_message or None,
            "jobs": [self.job_short(job) for job in jenkins.jobs.values()],
            "overallLoad": {},
            "primaryView": self._view_short(),
            "quietDownReason": None,
            "quietingDown": jenkins.quieting_down,
            "slaveAgentPort": jenkins.inbound.port if jenkins.inbound else -1,
            "unlabeledLoad": {"_class": "jenkins.model.UnlabeledLoadStatistics"},
            "url": self.root,
            "useCrumbs": True,
            "useSecurity": jenkins.config.use_security,
            "views": [self._view_short()],
        }

    def _view_short(self) -> Json:
        return {"_class": "hudson.model.AllView", "name": "all", "url": self.root}

    def view(self) -> Json:
        jobs = [self.job_short(job) for job in self._jenkins.jobs.values()]
        return {**self._view_short(), "description": None, "jobs": jobs, "property": []}

    def job_short(self, job: Job) -> Json:
        return {"_class": _FREESTYLE, "name": job.name, "url": self._job_url(job), "color": self._color(job)}

    def _job_url(self, job: Job) -> str:
        return f"{self.root}job/{quote(job.name)}/"

    def _color(self, job: Job) -> str:
        if job.definition.disabled:
            return "disabled"
        over = [build for _, build in sorted(job.builds.items()) if build.result is not None]
        color = _COLORS[over[-1].result if over else None]
        return f"{color}_anime" if any(job.running()) else color

    def job(self, job: Job) -> Json:
        builds = [build for _, build in sorted(job.builds.items(), reverse=True)]
        waiting = next((item for item in self._jenkins.queue.queued() if item.job is job), None)
        definition = job.definition
        return {
            **self.job_short(job),
            "actions": [],
            "description": definition.description,
            "displayName": job.name,
            "displayNameOrNull": None,
            "fullDisplayName": job.name,
            "fullName": job.name,
            "buildable": not definition.disabled,
            "builds": [self._build_short(build) for build in builds],
            "allBuilds": [self._build_short(build) for build in builds],
            "firstBuild": self._first(reversed(builds)),
            "healthReport": [],
            "inQueue": waiting is not None,
            "keepDependencies": False,
            "lastBuild": self._first(builds),
            "lastCompletedBuild": self._first(b for b in builds if b.result),
            "lastFailedBuild": self._first(b for b in builds if b.result == "FAILURE"),
            "lastStableBuild": self._first(b for b in builds if b.result == "SUCCESS"),
            "lastSuccessfulBuild": self._first(b for b in builds if b.result == "SUCCESS"),
            "lastUnstableBuild": None,
            "lastUnsuccessfulBuild": self._first(b for b in builds if b.result not in (None, "SUCCESS")),
            "nextBuildNumber": job.next_number,
            "property": self._parameter_definitions(job),
            "queueItem": self.item(waiting) if waiting else None,
            "concurrentBuild": definition.concurrent,
            "disabled": definition.disabled,
            "downstreamProjects": [],
            "labelExpression": definition.label,
            "scm": {"_class": "hudson.scm.NullSCM"},
            "upstreamProjects": [],
        }

    @staticmethod
    def _parameter_definitions(job: Job) -> list[Json]:
        if not job.definition.parameters:
            return []
        definitions = [
            {
                "_class": "hudson.model.StringParameterDefinition",
                "defaultParameterValue": {"_class": "hudson.model.StringParameterValue", "name": name, "value": value},
                "description": "",
                "name": name,
                "type": "StringParameterDefinition",
            }
            for name, value in job.definition.parameters.items()
        ]
        return [{"_class": "hudson.model.ParametersDefinitionProperty", "parameterDefinitions": definitions}]

    def _first(self, builds: Iterable[Build]) -> Json | None:
        found = next(iter(builds), None)
        return self._build_short(found) if found else None

    def build_url(self, build: Build) -> str:
        return f"{self._job_url(build.job)}{build.number}/"

    def _build_short(self, build: Build) -> Json:
        return {"_class": _BUILD, "number": build.number, "url": self.build_url(build)}

    def _actions(self, cause: str, parameters: dict[str, str]) -> list[Json]:
        user = cause.removeprefix("Started by user ")
        causes = [{"_class": "hudson.model.Cause$UserIdCause", "shortDescription": cause, "userId": user}]
        actions: list[Json] = [{"_class": "hudson.model.CauseAction", "causes": causes}]
        if parameters:
            values = [
                {"_class": "hudson.model.StringParameterValue", "name": name, "value": value}
                for name, value in parameters.items()
            ]
            actions.append({"_class": "hudson.model.ParametersAction", "parameters": values})
        return actions

    def build(self, build: Build) -> Json:
        job = build.job
        numbers = sorted(job.builds)
        place = numbers.index(build.number)
        before = job.builds[numbers[place - 1]] if place else None
        after = job.builds[numbers[place + 1]] if place + 1 < len(numbers) else None
        running = build.result is None
        return {
            **self._build_short(build),
            "actions": self._actions(build.cause, dict(build.parameters)),
            "artifacts": [],
            "building": running,
            "description": None,
            "displayName": f"#{build.number}",
            "duration": build.duration_ms,
            "estimatedDuration": job.estimated_ms(),
            "executor": {"_class": "hudson.model.Executor"} if running else None,
            "fullDisplayName": f"{job.name} #{build.number}",
            "id": str(build.number),
            "keepLog": False,
            "queueId": build.queue_id,
            "result": build.result,
            "timestamp": build.timestamp_ms,
            "builtOn": build.node,
            "changeSet": {"_class": "hudson.scm.EmptyChangeLogSet", "items": [], "kind": None},
            "culprits": [],
            "nextBuild": self._build_short(after) if after else None,
            "previousBuild": self._build_short(before) if before else None,
        }

    def item(self, item: Item) -> Json:
        left = item.state == "left"
        shown: Json = {
            "_class": f"hudson.model.Queue${item.kind}",
            "actions": self._actions(item.cause, dict(item.parameters)),
            "blocked": item.state == "blocked",
            "buildable": item.state == "buildable",
            "id": item.id,
            "inQueueSince": round(item.since * 1000),
            "params": "".join(f"\n{name}={value}" for name, value in item.parameters.items()),
            "stuck": False,
            "task": self.job_short(item.job),
            "url": f"queue/item/{item.id}/",
            "why": item.why,
        }
        if item.state == "waiting":
            shown["timestamp"] = round(item.due * 1000)
        elif item.state in ("blocked", "buildable"):
            shown["buildableStartMilliseconds"] = round((item.buildable_since or item.since) * 1000)
            if item.state == "buildable":
                shown["pending"] = False
        if left:
            shown["cancelled"] = item.cancelled
            shown["executable"] = self._build_short(item.build) if item.build else None
        return shown

    def queue(self) -> Json:
        items = [self.item(item) for item in self._jenkins.queue.queued()]
        return {"_class": "hudson.model.Queue", "discoverableItems": [], "items": items}

    def computers(self) -> Json:
        nodes = list(self._jenkins.nodes.values())
        return {
            "_class": "hudson.model.ComputerSet",
            "busyExecutors": self._jenkins.busy_executors,
            "computer": [self.built_in(), *(self.computer(node) for node in nodes)],
            "displayName": "Nodes",
            "totalExecutors": sum(len(node.executors) for node in nodes if node.online),
        }

    def built_in(self) -> Json:
        return self._computer(
            "hudson.model.Hudson$MasterComputer", BUILT_IN, [], ["built-in"], idle=True, offline=False
        )

    def computer(self, node: Node) -> Json:
        kind = "org.jenkinsci.plugins.mesos.MesosComputer"
        labels = [node.name, *sorted(node.template.labels)]
        shown = self._computer(kind, node.name, node.executors, labels, idle=node.idle, offline=not node.online)
        return shown | {"temporarilyOffline": node.temporarily_offline, "jnlpAgent": True, "launchSupported": False}

    def _computer(
        self, kind: str, name: str, executors: list[Build | None], labels: list[str], *, idle: bool, offline: bool
    ) -> Json:
        shown = [
            {
                "currentExecutable": self._build_short(build) if build else None,
                "idle": build is None,
                "number": number,
            }
            for number, build in enumerate(executors)
        ]
        return {
            "_class": kind,
            "actions": [],
            "assignedLabels": [{"name": label} for label in labels],
            "description": "",
            "displayName": name,
            "executors": shown,
            "icon": "computer-x.png" if offline else "computer.png",
            "idle": idle,
            "jnlpAgent": False,
            "launchSupported": True,
            "manualLaunchAllowed": False,
            "monitorData": {},
            "numExecutors": len(executors),
            "offline": offline,
            "offlineCause": None,
            "offlineCauseReason": "",
            "oneOffExecutors": [],
            "temporarilyOffline": False,
        }

    def plugins(self) -> Json:
        shown = [
            {
                "active": plugin.problem is None,
                "enabled": True,
                "longName": f"{plugin.name} (stand-in)",
                "shortName": plugin.name,
                "version": plugin.version,
            }
            for plugin in self._jenkins.plugins.values()
        ]
        return {"_class": "hudson.LocalPluginManager", "plugins": shown}
