"""``create``, ``status`` and ``inventory`` on a cloud that is far away: a proxy makes each answer of its APIs later.

usage: far.py [--rounds N] [--delay-ms N]

The same cluster, the demo over containers, is made with the delay and without it in turn; both go through the proxy.
Told are seconds of each command, for ``create`` also those until it asks for the first server, and the round trips in
sequence: the most calls of which each began when the one before had been answered, Keystone's and version discovery
included. They are counted with the delay: without it calls that are sent side by side may be answered one after the
other. On a busy machine, where threads wait for a processor, it counts more than there are. Prints Markdown.
"""

from __future__ import annotations

import argparse

from measure import load, markdown, say, spread
from onlab import Cluster, Ran, Through, demo_file, image, through_proxy

COMMANDS = ("create", "status", "inventory")
GOAL = 12  # round trips before the first server


def once(through: Through, delay_s: float) -> dict[str, Ran]:
    """The commands on a cluster that is made for them; it is gone afterwards."""
    cluster = Cluster(demo_file("benchfar"))
    try:
        return {
            command: through.clusterctl(command, cluster.file, delay_s=delay_s, as_json=command != "inventory")
            for command in COMMANDS
        }
    finally:
        cluster.destroy()


def rows(near: list[dict[str, Ran]], far: list[dict[str, Ran]]) -> list[list[object]]:
    """Pure: a line a command, and one for ``create`` until its first server."""
    found: list[list[object]] = []
    for command in COMMANDS:
        runs = [[one[command] for one in side] for side in (near, far)]
        trips = sorted({each.rounds for each in runs[1]})
        told = " to ".join(str(each) for each in dict.fromkeys((trips[0], trips[-1])))
        if command == "create":
            to_first = [spread([each.first_server - each.began for each in side]) for side in runs]
            found.append(["`create`, until its first `POST /servers`", *to_first, told])
            told = ""  # it waits for boots then
        found.append([f"`{command}`", *(spread([each.seconds for each in side]) for side in runs), told])
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay-ms", type=int, default=100)
    arguments = parser.parse_args()
    image()
    delays = (0.0, arguments.delay_ms / 1000)
    found: dict[float, list[dict[str, Ran]]] = {delay_s: [] for delay_s in delays}
    with through_proxy() as through:
        for number in range(arguments.rounds):
            # who is first changes
            for delay_s in delays if number % 2 == 0 else delays[::-1]:
                found[delay_s].append(once(through, delay_s))
                told = {name: f"{ran.seconds:.1f} s, {ran.rounds} rounds" for name, ran in found[delay_s][-1].items()}
                say(f"{delay_s:g} s added to each call: {told}, load {load()}")
    added = f"{arguments.delay_ms} ms added to each call"
    header = [
        "command",
        f"median of {arguments.rounds}, nothing added",
        added,
        f"round trips in sequence (goal: {GOAL})",
    ]
    print(markdown(header, rows(*found.values())))
    print(f"\nload {load()} at the end")


if __name__ == "__main__":
    main()
