"""How tests ask a service on a node: by a program there, as whom the node's secrets say where there are some."""

from __future__ import annotations

import json
import shlex
from typing import Any

# Files {"principal", "secret"} by port (clusterctl.secrets); only root reads them
_PROGRAM = """\
import base64, json, os, sys, urllib.parse, urllib.request
request = urllib.request.Request(sys.argv[1])
names = {8080: "marathon-http", 5050: "mesos-operator", 5051: "mesos-agent-probe"}
path = "/etc/clusterctl/secrets/%s.json" % names.get(urllib.parse.urlsplit(sys.argv[1]).port)
if os.path.exists(path):
    found = json.load(open(path))
    words = base64.b64encode("{principal}:{secret}".format(**found).encode()).decode()
    request.add_header("Authorization", "Basic " + words)
sys.stdout.write(urllib.request.urlopen(request, timeout=10).read().decode())
"""


def asked(host: Any, url: str) -> Any:
    """The JSON that a GET gives, sent on that node."""
    return json.loads(host.check_output(f"python3 -c {shlex.quote(_PROGRAM)} {shlex.quote(url)}"))
