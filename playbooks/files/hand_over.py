"""Has another member lead before this one is restarted, where this one leads. Runs on a node with python3-kazoo.

    hand_over.py mesos    zk://HOST:PORT,.../PATH ADDRESS:PORT [AUTH]   where the masters elect a leader, this master
    hand_over.py marathon ADDRESS:PORT                                  this Marathon

AUTH is a file that only root reads, with USER:PASSWORD of ZooKeeper's scheme "digest"; it is needed where the tree is
closed to strangers. Marathon's password is read from the node, where it has one.

A Mesos master that leads is the one whose node ``json.info_`` below PATH has the lowest number (ZooKeeper's recipe for
elections). Without that node it ends itself ("lost candidacy") and its unit starts it again, while a standby leads at
once: a restart alone would leave the cluster without a leader until the old session has expired. Marathon has a call of
its own to give up leadership.

Prints one line that says what was done. A member that doesn't lead, one that doesn't answer, and one without a standby
are left alone: their restart is then an ordinary one, and the gates of the roll judge what comes of it.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import sys
import time

try:
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException, NoNodeError
    from kazoo.handlers.threading import KazooTimeoutError
except ImportError:  # a node of an older image
    print("python3-kazoo is not installed: not handed over; the others wait until the session has expired")
    sys.exit(0)

SESSION_S = 10.0
CONNECT_S = 10.0
TIMEOUT_S = 20.0
CANDIDATE = "json.info_"
# {"principal", "secret", "others"?}, for root alone (clusterctl/secrets/marathon_files.py)
LOGIN = "/etc/clusterctl/secrets/marathon-http.json"
VIA = "X-Marathon-Via"  # of answers that are passed on from the leader


def leading(client, path):
    """Names of the masters' nodes, the leader's first; and the leader's ADDRESS:PORT, None if nobody leads."""
    names = sorted(name for name in client.get_children(path) if name.startswith(CANDIDATE))
    if not names:
        return [], None
    info = json.loads(client.get(f"{path}/{names[0]}")[0])
    return names, f"{info['address'].get('ip') or info['address']['hostname']}:{info['address']['port']}"


def mesos(url, own, *auth):
    """See the module; what was done."""
    hosts, slash, path = url.removeprefix("zk://").partition("/")
    if not url.startswith("zk://") or not slash:
        raise ValueError(f"found {url!r}; allowed: zk://HOST:PORT,.../PATH")
    path = f"/{path}"
    credentials = []
    for name in auth:
        with open(name) as file:  # noqa: PTH123
            credentials.append(("digest", file.read().strip()))
    client = KazooClient(hosts=hosts, timeout=SESSION_S, connection_retry={"max_tries": 3}, auth_data=credentials)
    try:
        try:
            client.start(timeout=CONNECT_S)
        except (OSError, KazooException, KazooTimeoutError) as error:
            return f"no ZooKeeper of {hosts} answers: {type(error).__name__}: {error}; nothing handed over"
        names, leader = leading(client, path)
        if leader != own:
            return f"{own} doesn't lead"
        if len(names) < 2:
            return f"{own} leads, and there is no standby: nothing handed over"
        client.delete(f"{path}/{names[0]}")
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            _, leader = leading(client, path)
            if leader not in (own, None):
                return f"handed over from {own} to {leader}"
            time.sleep(0.05)
        raise RuntimeError(f"{own} gave up, and nobody else leads after {TIMEOUT_S:g} s")
    finally:
        client.stop()
        client.close()


def marathon(own):
    """See the module; what was done."""
    try:
        status, answer, passed_on = ask(own, "GET", "/v2/leader")
    except OSError as error:
        return f"{own} doesn't answer: {type(error).__name__}: {error}; nothing handed over"
    if status == 401 and passed_on:  # while the password is turned over
        return f"{own} doesn't lead, and its leader wants another password"
    if status == 401:
        raise RuntimeError(f"GET /v2/leader: HTTP 401; {LOGIN} is missing on this node, or of another epoch")
    if status != 200 or answer.get("leader") != own:
        return f"{own} doesn't lead"
    status, answer, _ = ask(own, "DELETE", "/v2/leader")
    if status != 200:
        raise RuntimeError(f"DELETE /v2/leader: HTTP {status} {answer}")
    return f"{own} gave up its leadership"


def ask(place, method, path):
    """Status and JSON of an answer ({} if it has none), and whether the leader of this instance refused it.

    Of the passwords that the node has, the next one is tried where one is refused.
    """
    refused = False
    for login in logins():
        connection = http.client.HTTPConnection(place, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, headers={"Accept": "application/json", **login})
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        if response.status != 401:
            return response.status, json.loads(text) if text.startswith("{") else {}, False
        refused = refused or response.getheader(VIA) is not None
    return 401, {}, refused


def logins():
    """Headers that say who we are, where Marathon wants to know; two while its password is turned over."""
    try:
        with open(LOGIN) as file:  # noqa: PTH123
            found = json.load(file)
    except FileNotFoundError:
        return [{}]
    pairs = [f"{found['principal']}:{secret}".encode() for secret in [found["secret"], *found.get("others", [])]]
    return [{"Authorization": "Basic " + base64.b64encode(pair).decode()} for pair in pairs]


def main(arguments):
    """See the module; exit status 1 and a message if it failed."""
    logging.getLogger("kazoo").addHandler(logging.NullHandler())
    wanted = {"mesos": (mesos, (2, 3)), "marathon": (marathon, (1,))}.get(arguments[0] if arguments else "")
    if wanted is None or len(arguments) - 1 not in wanted[1]:
        sys.stderr.write(__doc__)
        return 2
    try:
        print(wanted[0](*arguments[1:]))
    except NoNodeError:
        print("no master has registered yet")
    except (OSError, ValueError, KeyError, RuntimeError, http.client.HTTPException, KazooException) as error:
        sys.stderr.write(f"hand_over: {type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
