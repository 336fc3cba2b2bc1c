"""A joined cluster against the bare boot of the same servers, in one run on the lab.

usage: create.py [--zone container|vm] [--rounds N] [--example NAME]

Bare boot: as many servers with the same flavors from the same image, user-data empty, all requested at once by
multi-create; over when every console shows that cloud-init finished. Cluster: ``clusterctl create``; over when it has
verified that the cluster serves. The two take turns, so that a drift of the machine meets both. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

import labkit

from clusterctl import resources as r
from clusterctl.cloud import open_cloud
from clusterctl.cloud.base import Cloud
from clusterctl.ops.kit.progress import Progress
from clusterctl.ops.kit.waiting import Waiter
from clusterctl.ops.lifecycle.destroy import remove
from clusterctl.ops.lifecycle.preflight import look_up
from clusterctl.spec import ClusterSpec, load_spec

BARE = "bare"


def bare_boot(spec: ClusterSpec, cloud: Cloud) -> float:
    """Seconds until the servers of ``spec`` have booted with empty user-data; they are removed afterwards."""
    lookup = look_up(spec, cloud)
    mark = r.owner_mark(BARE)
    group = cloud.create_security_group(r.security_group_name(BARE), mark)
    start = time.monotonic()
    for name, each in spec.groups.items():
        if each.count:
            cloud.create_servers(
                r.ServerRequest(
                    name=f"{BARE}-{name}",
                    image_id=lookup.images[0].id,
                    flavor_id=lookup.flavors[each.flavor].id,
                    user_data=b"#cloud-config\n",
                    metadata={r.KEY_CLUSTER: BARE, r.KEY_GROUP: name, r.KEY_SERVICES: ""},
                    tags=(mark,),
                    keypair=spec.keypair,
                    zone=spec.zone_of(name, None),
                    server_group_id=None,
                    network_id=lookup.network.id,
                    security_groups=(group.id,),
                    count=each.count,
                )
            )
    wanted = sum(group.count for group in spec.groups.values())
    done: set[str] = set()

    def booted() -> bool:
        servers = cloud.servers(BARE)
        for server in servers:
            if server.status == "ACTIVE" and server.id not in done and " finished at " in cloud.console(server.id):
                done.add(server.id)
        return len(done) == wanted

    Waiter().until(booted, what="the bare servers to boot", timeout_s=1800, every_s=1)
    seconds = time.monotonic() - start
    remove(BARE, cloud, Progress(), Waiter())
    return seconds


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zone", choices=sorted(labkit.ZONES), default="container")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--example", default="demo", help="file in examples/ (without .yml)")
    arguments = parser.parse_args()
    labkit.lab_up()
    labkit.clusterctl("image", "build", labkit.artifacts_file(arguments.zone, labkit.build_artifacts()))
    file = labkit.cluster_file(arguments.example, arguments.zone, name="bench")
    spec = load_spec(file)
    cloud = open_cloud(spec.cloud)
    pairs, calls = [], Counter[str]()
    for _ in range(arguments.rounds):
        bare = bare_boot(spec, cloud)
        start = time.monotonic()
        created = labkit.clusterctl("create", file)
        joined = time.monotonic() - start
        calls = Counter(created["api_calls"]["by_kind"])
        labkit.clusterctl("destroy", file, "--yes")
        pairs.append((bare, joined))
        print(f"bare {bare:.1f} s, joined {joined:.1f} s, ratio {joined / bare:.2f}", file=sys.stderr)
    ratio = statistics.median(joined / bare for bare, joined in pairs)
    print(f"| zone | servers | bare boot (median) | joined (median) | ratio (median of {len(pairs)} pairs) | load |")
    print("|---|---|---|---|---|---|")
    bare, joined = (statistics.median(column) for column in zip(*pairs, strict=True))
    servers = sum(group.count for group in spec.groups.values())
    load = os.getloadavg()[0]
    print(f"| {arguments.zone} | {servers} | {bare:.1f} s | {joined:.1f} s | {ratio:.2f} | {load:.1f} |")
    print("\nAPI calls of the last create by kind:\n")
    print(json.dumps(dict(calls), indent=2))


if __name__ == "__main__":
    main()
