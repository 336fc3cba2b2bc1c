"""Start-up: flags, logging, signals, and the exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from . import buildinfo, logback, manners
from .exits import Crash, Exit
from .flags import FLAGS, FlagError, from_environment, parse
from .info import configuration_lines
from .service import Service

# Marathon's own logger, by whose name operators look for these lines
log = logging.getLogger("mesosphere.marathon.MarathonApp")
_LEVELS = {"off": 100, "fatal": 50, "error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 5, "all": 1}


def main(args: Sequence[str]) -> int:
    """Run until stopped; return the exit code."""
    build = buildinfo.load()
    if "--version" in args or "--help" in args:
        print(build.banner)
        if "--help" in args:
            print("\n".join(f"  --{name}" for name in sorted(FLAGS)))
        return 0
    try:
        slow = manners.from_environment(os.environ)
        levels = logback.levels(os.environ.get("JAVA_OPTS", ""))
        config = parse([*from_environment(os.environ), *args], os.environ.get("MESOSPHERE_HTTP_CREDENTIALS"))
    except (FlagError, ValueError, OSError) as exc:
        print(f"[marathon stand-in] Error: {exc}", file=sys.stderr)
        return Exit.INVALID_COMMAND_LINE_FLAG
    _set_up_logging(config.logging_level)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(_LEVELS[level])
    log.info("Starting %s as %s", build.banner, config.host_port)
    log.info("Marathon configuration:\n%s", configuration_lines(config))
    service = Service(config, build, slow)

    def stop(_number: int, _frame: FrameType | None) -> None:
        service.crash(Crash(Exit.SIGTERM, "stopped by a signal"))

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    code = service.run()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # threads may wait on the network; there is nothing left to tidy


def _set_up_logging(level: str) -> None:
    """Log to stdout in the shape of Marathon's lines: [time] LEVEL message (logger:thread)."""
    logging.addLevelName(30, "WARN")
    logging.addLevelName(50, "FATAL")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)-5s %(message)s (%(name)s:%(threadName)s)"))
    logging.basicConfig(level=_LEVELS[level], handlers=[handler])
    # kazoo tells of every lost connection by itself; what matters of it is logged by the service.
    logging.getLogger("kazoo").setLevel(max(_LEVELS[level], logging.ERROR))
