"""Seconds from the start of ``clusterctl create`` to its first ``POST /servers``, against an API that takes its time.

usage: first_post.py [--runs N] [--answer-s S] [--than REVISION]

The API is the one of the unit tests (``tests/unit/cloud/fake_api.py``), served on loopback; each answer takes ``S``
seconds (0.1). With ``--than`` another revision of this repository runs in turn with ours. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import yaml  # noqa: E402
from measure import load, markdown  # noqa: E402
from startup import tree  # noqa: E402

from tests.unit.cloud.conftest import CLOUDS_YAML  # noqa: E402
from tests.unit.cloud.fake_api import FakeApi  # noqa: E402
from tests.unit.cloud.test_rounds import prepared  # noqa: E402
from tests.unit.specs import DEMO  # noqa: E402


class SlowApi(ThreadingHTTPServer):
    """The API behind a pause; ``posted`` is set by the first server that is asked for."""

    daemon_threads = True

    def __init__(self, answer_s: float) -> None:
        self.api, self.answer_s = prepared(FakeApi()), answer_s
        self.posted: float | None = None
        self.calls = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: SlowApi
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = SimpleNamespace(method=self.command, url=self.path, body=body, headers=dict(self.headers), timeout=None)
        context = SimpleNamespace(headers={}, status_code=0)
        with self.server.lock:
            if self.server.posted is None:
                if self.command == "POST" and self.path.split("?")[0].endswith("/v2.1/servers"):
                    self.server.posted = time.monotonic()
                else:
                    self.server.calls += 1
            text = self.server.api(given, context).encode()
        time.sleep(self.server.answer_s)
        self.send_response(context.status_code)
        for name, value in {**context.headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_PUT = _serve


def once(where: Path, answer_s: float) -> tuple[float, int]:
    """Seconds to the first server, and calls before it."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "clouds.yaml").write_text(CLOUDS_YAML)
        spec = yaml.safe_load(DEMO)
        (directory / "demo.yml").write_text(yaml.safe_dump(spec))
        server = SlowApi(answer_s)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {
            **os.environ,
            "OS_CLIENT_CONFIG_FILE": str(directory / "clouds.yaml"),
            "XDG_CACHE_HOME": name,
            "http_proxy": f"http://127.0.0.1:{server.server_address[1]}",
            "no_proxy": "",
            "PYTHONPATH": str(where),
            "PYTHONSAFEPATH": "1",
        }
        words = [sys.executable, "-m", "clusterctl", "create", directory / "demo.yml", "--no-wait"]
        start = time.monotonic()
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        server.shutdown()
        server.server_close()
    if server.posted is None:
        raise RuntimeError(f"no server was asked for:\n{done.stderr}")
    return server.posted - start, server.calls


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--answer-s", type=float, default=0.1)
    parser.add_argument("--than", metavar="REVISION")
    arguments = parser.parse_args()
    with tree(arguments.than) as other:
        sides = {"ours": ROOT} | ({arguments.than: other} if arguments.than else {})
        found: dict[str, list[tuple[float, int]]] = {side: [] for side in sides}
        for number in range(arguments.runs + 1):
            for side, where in sides.items():
                one = once(where, arguments.answer_s)
                if number:
                    found[side].append(one)
    ours = statistics.median(seconds for seconds, _ in found["ours"])
    rows = []
    for side, each in found.items():
        seconds = [one[0] for one in each]
        median = statistics.median(seconds)
        rows.append(
            [
                side,
                f"{median:.2f} s",
                f"{min(seconds):.2f} to {max(seconds):.2f} s",
                each[-1][1],
                f"{median / ours:.2f}",
            ]
        )
    header = ["of", f"to the first server, median of {arguments.runs}", "spread", "calls before it", "by ours"]
    print(markdown(header, rows))
    print(f"\neach answer takes {arguments.answer_s:g} s; load {load()} at the end, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
