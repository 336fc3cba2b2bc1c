"""Builds on their nodes: steps, logs, results. Called under the Jenkins' lock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import quote

from .buildqueue import BuildQueue, Item
from .job import Build
from .node import Node

log = logging.getLogger("hudson.model.Run")


class Runner:
    """Starts what the queue has on free executors, and follows it to its end."""

    def __init__(self, queue: BuildQueue, clock: Callable[[], float], root_url: str, version: str) -> None:
        self._queue, self._clock, self._root_url, self._version = queue, clock, root_url, version

    def assign(self, nodes: list[Node]) -> None:
        """Give buildable items to free executors."""
        for item in self._queue.buildable():
            busy = not item.job.definition.concurrent and any(item.job.running())
            node = None if busy else next((n for n in nodes if n.free and n.takes(item.job)), None)
            if node is not None:
                self._start(item, node)

    def _start(self, item: Item, node: Node) -> None:
        now_ms = round(self._clock() * 1000)
        build = item.job.start_build(item.id, now_ms, node.name, item.cause, item.parameters)
        self._queue.leave(item, build)
        node.occupy(build)
        root = node.channel.root if node.channel else ""
        label = f" ({node.template.label})" if node.template.label else ""
        build.write_log(
            f"{item.cause}\nRunning as SYSTEM\nBuilding remotely on {node.name}{label}"
            f" in workspace {root}/{node.workspace(item.job)}\n".encode()
        )
        self._next_step(build, node)

    def _next_step(self, build: Build, node: Node) -> None:
        steps = build.job.definition.steps
        if build.step >= len(steps) or node.channel is None:
            self._finish(build, node, "SUCCESS" if node.channel else "FAILURE")
            return
        number, node.next_step = node.next_step, node.next_step + 1
        node.steps[number] = build
        build.write_log(f"[{build.job.name}] $ /bin/sh -xe\n".encode())
        node.channel.run(number, node.workspace(build.job), self._environment(build, node), steps[build.step])

    def _environment(self, build: Build, node: Node) -> dict[str, str]:
        job = build.job.name
        return {
            "BUILD_NUMBER": str(build.number),
            "BUILD_ID": str(build.number),
            "BUILD_TAG": f"jenkins-{job}-{build.number}",
            "BUILD_URL": f"{self._root_url}job/{quote(job)}/{build.number}/",
            "EXECUTOR_NUMBER": str(node.executors.index(build)),
            "HUDSON_URL": self._root_url,
            "JENKINS_URL": self._root_url,
            "JENKINS_VERSION": self._version,
            "JOB_NAME": job,
            "JOB_URL": f"{self._root_url}job/{quote(job)}/",
            "NODE_LABELS": " ".join(sorted({node.name, *node.template.labels})),
            "NODE_NAME": node.name,
            **build.parameters,
        }

    def step_log(self, node: Node, number: int, data: bytes) -> None:
        if build := node.steps.get(number):
            build.write_log(data)

    def step_over(self, node: Node, number: int, code: int) -> None:
        build = node.steps.pop(number, None)
        if build is None:
            return
        if build.stopping:
            self._finish(build, node, "ABORTED")
        elif code != 0:
            build.write_log(b"Build step 'Execute shell' marked build as failure\n")
            self._finish(build, node, "FAILURE")
        else:
            build.step += 1
            self._next_step(build, node)

    def stop(self, build: Build, nodes: list[Node], user: str) -> None:
        """Abort a build on request."""
        for node in nodes:
            if build in node.executors and node.channel is not None:
                build.stopping = True
                build.write_log(f"Aborted by {user}\n".encode())
                for number, other in list(node.steps.items()):
                    if other is build:
                        node.channel.stop(number)

    def lost(self, node: Node) -> None:
        """The agent is gone: its builds fail."""
        for build in [each for each in node.executors if each is not None]:
            build.write_log(
                f"FATAL: Connection was broken: the agent {node.name} went offline during the build\n".encode()
            )
            self._finish(build, node, "ABORTED" if build.stopping else "FAILURE")

    def abandon(self, nodes: list[Node]) -> None:
        """Jenkins ends: what runs is lost."""
        for node in nodes:
            for build in [each for each in node.executors if each is not None]:
                build.write_log(b"Build was aborted: Jenkins is going down\n")
                self._finish(build, node, "ABORTED")

    def _finish(self, build: Build, node: Node, result: str) -> None:
        now = self._clock()
        build.result = result
        build.duration_ms = max(1, round(now * 1000) - build.timestamp_ms)
        build.write_log(f"Finished: {result}\n".encode())
        build.save()
        node.release(build, now)
        log.info("%s #%d completed: %s", build.job.name, build.number, result)
