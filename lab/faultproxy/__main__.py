"""By hand: a proxy in front of one cloud of a clouds.yaml, until Ctrl-C. See README.md."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from lab.faultproxy.faults import Fault
from lab.faultproxy.proxy import FaultProxy


def clouds_through(clouds: dict[str, object], cloud: str, auth_url: str, api_timeout_s: float | None) -> str:
    """The text of a clouds.yaml with that one cloud behind ``auth_url`` (JSON, which YAML contains)."""
    entry = json.loads(json.dumps(clouds["clouds"][cloud]))  # type: ignore[index]
    entry["auth"]["auth_url"] = auth_url
    if api_timeout_s is not None:
        entry["api_timeout"] = api_timeout_s
    return json.dumps({"clouds": {cloud: entry}}, indent=2) + "\n"


def main() -> int:
    """Exit code 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python3 -m lab.faultproxy", description=__doc__)
    parser.add_argument("clouds", type=Path, help="the lab's clouds.yaml (which is JSON)")
    parser.add_argument("out", type=Path, help="where to write a clouds.yaml that goes through the proxy")
    parser.add_argument("--cloud", default="lab")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; default: a free one")
    parser.add_argument("--api-timeout", type=float, metavar="S", help="the client's time-out, for `hang`")
    parser.add_argument("--fault", action="append", default=[], metavar="JSON", help="see README.md; may be repeated")
    parser.add_argument("--victim", type=int, metavar="PID", help="whom `kill` kills")
    given = parser.parse_args()
    try:
        faults = [Fault.parse(json.loads(text)) for text in given.fault]
        clouds = json.loads(given.clouds.read_text())
        auth_url = clouds["clouds"][given.cloud]["auth"]["auth_url"]
    except (ValueError, KeyError, OSError) as error:
        parser.error(f"{type(error).__name__}: {error}")
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)  # before the proxy's threads: they inherit it
    with FaultProxy(auth_url, given.port) as proxy:
        proxy.reset(*faults)
        if given.victim:
            proxy.set_victim(given.victim)
        given.out.write_text(clouds_through(clouds, given.cloud, proxy.auth_url, given.api_timeout))
        print(f"export OS_CLIENT_CONFIG_FILE={given.out.resolve()}", flush=True)
        signal.sigwait(stop)
        for entry in proxy.log:
            print(json.dumps(vars(entry)), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
