"""A tunnel that stays open until Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clusterctl.cli.output import print_line
from clusterctl.errors import ClusterctlError

if TYPE_CHECKING:
    from clusterctl.health.expect import Node
    from clusterctl.ops.kit.access import Access


def hold_open(access: Access, node: Node, port: int, *, local: int | None = None, told: Sequence[str] = ()) -> None:
    """Prints the URL, and what else is to be told, once the tunnel is open; returns at Ctrl-C.

    Args:
        port: on the node.
        local: on this machine; by default the same if it is free, else any.

    Raises:
        ClusterctlError: the tunnel doesn't open, or ssh ends by itself.
    """
    import sys

    from clusterctl.ops.kit.waiting import Waiter
    from clusterctl.remote.prober import target
    from clusterctl.ssh.tunnel import LOCALHOST, free_port, tunnel

    access.host_keys.require(target(node))
    here = local or free_port(port)
    try:
        with tunnel(access.ssh, target(node), local=here, host=node.address, port=port, waiter=Waiter()) as ended:
            print_line(f"http://{LOCALHOST}:{here}/")
            for line in told:
                print_line(line)
            sys.stdout.flush()
            code = ended()
    except KeyboardInterrupt:
        return
    raise ClusterctlError(f"the tunnel to {node} was closed: ssh ended with {code}", hint="Open it again.")
