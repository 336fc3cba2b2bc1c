"""Start-up, signals, and the process's end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from . import buildinfo, http, settings
from .api import JobApi
from .apisystem import SystemApi
from .core import Jenkins
from .errors import Fatal, Usage
from .gate import Gate
from .views import Views

log = logging.getLogger("winstone.Logger")
_TICK_S = 0.2
_RESTART = 90  # the war's Main starts the program again on this code, as Jenkins replaces its process
_TERMINATED = 143  # as a JVM
_ABORTED = 134  # as libprocess does it, by SIGABRT
_AGENT_JAR = Path("WEB-INF/agent.jar")


def main() -> int:
    """Run until stopped; the exit code."""
    _set_up_logging()
    version = buildinfo.load()
    log.info("Starting the %s", buildinfo.banner(version))
    try:
        config = settings.read(*settings.read_launch(sys.stdin), os.environ)
    except Usage as exc:
        print(f"Jenkins stand-in: {exc}", file=sys.stderr)
        return 1
    jenkins = Jenkins(config, version)
    stop = threading.Event()
    _on_end(stop)
    try:
        http.listen(config.http_address, config.http_port, _application(jenkins).answer)
    except OSError as exc:
        log.log(logging.ERROR, "Failed to start Jenkins: cannot listen on port %d: %s", config.http_port, exc)
        return 1
    try:
        return _run(jenkins, stop)
    except Fatal as exc:
        log.log(logging.ERROR, "%s", exc)
        return _ABORTED


def _application(jenkins: Jenkins) -> Gate:
    router, views = http.Router(), Views(jenkins)
    # the program lies in WEBROOT/WEB-INF/standin/jenkins_standin
    agent_jar = Path(__file__).resolve().parents[3] / _AGENT_JAR
    SystemApi(jenkins, views, agent_jar).register(router)
    JobApi(jenkins, views).register(router)
    return Gate(jenkins, router)


def _run(jenkins: Jenkins, stop: threading.Event) -> int:
    jenkins.boot()
    while not stop.wait(_TICK_S):
        if not jenkins.tick():
            jenkins.shut_down()
            log.info("Jenkins ends: %s", jenkins.ending)
            return _RESTART if jenkins.ending == "restart" else 0
    log.info("Stopping Jenkins")
    jenkins.shut_down()
    log.info("Jenkins stopped")
    return _TERMINATED


def _on_end(stop: threading.Event) -> None:
    """SIGTERM, and the end of standard input (the JVM is gone), stop the program."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)

    def watch() -> None:
        while sys.stdin.read(4096):
            pass
        stop.set()

    threading.Thread(target=watch, name="jvm", daemon=True).start()


class _Formatter(logging.Formatter):
    """Lines as java.util.logging writes them for Jenkins."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(record.created))
        level = {"ERROR": "SEVERE", "CRITICAL": "SEVERE", "DEBUG": "FINE"}.get(record.levelname, record.levelname)
        line = f"{moment}.{int(record.msecs):03d}+0000 [id={record.thread}]\t{level}\t{record.name}: "
        text = line + record.getMessage()
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _set_up_logging() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)  # it tells of every lost connection
