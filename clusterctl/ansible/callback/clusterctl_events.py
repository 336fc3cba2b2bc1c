"""Ansible callback plugin: writes what happens as JSON lines to the file named in $CLUSTERCTL_EVENTS.

Loaded by Ansible, not imported by clusterctl: it must not import clusterctl. One object a line::

    {"event": "task", "name": ...}
    {"event": "result", "host": ..., "task": ..., "state": "ok|changed|failed|unreachable|skipped", "message": ...}
    {"event": "recap", "hosts": {host: {"ok", "changed", "failed", "unreachable"}}}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: clusterctl_events
type: notification
short_description: events as JSON lines
description: Writes events to the file, which may be a pipe, named in the environment variable CLUSTERCTL_EVENTS.
"""


def told(result: Mapping[str, Any]) -> str:
    """What a result says; a loop's is that of its first failed item, since Ansible says of it only that some failed."""
    items = [each for each in result.get("results") or () if isinstance(each, Mapping)]
    failed = next((each for each in items if each.get("failed") or each.get("unreachable")), result)
    return str(failed.get("msg", ""))


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """See the module."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "clusterctl_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        path = os.environ.get("CLUSTERCTL_EVENTS")
        self._file = open(path, "a", encoding="utf-8", buffering=1) if path else None  # noqa: SIM115, PTH123
        self._task = ""

    def _say(self, **event: Any) -> None:
        if self._file:
            self._file.write(json.dumps(event) + "\n")

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._say(event="play", name=play.get_name())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._task = task.get_name()
        self._say(event="task", name=self._task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result(result, "unreachable")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result(result, "skipped")

    def _result(self, result: Any, state: str) -> None:
        message = told(result._result)[:2000]
        self._say(event="result", host=result._host.get_name(), task=self._task, state=state, message=message)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {}
        for host in sorted(stats.processed):
            summary = stats.summarize(host)
            hosts[host] = {
                "ok": summary["ok"],
                "changed": summary["changed"],
                "failed": summary["failures"],
                "unreachable": summary["unreachable"],
            }
        self._say(event="recap", hosts=hosts)
