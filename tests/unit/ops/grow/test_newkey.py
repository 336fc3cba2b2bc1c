"""A recovery says beforehand with which key it goes on; without one nothing is touched unless somebody consents."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from clusterctl.errors import ClusterctlError, InputError
from clusterctl.ops.grow.newkey import key_told
from clusterctl.ops.kit.run import Run
from clusterctl.spec.model import ClusterSpec
from tests.unit.specs import demo_spec, only_closed


class Delivery:
    """One whose key is there, or whose lookup fails with ``error``."""

    def __init__(self, error: ClusterctlError | None) -> None:
        self.error = error

    def keyring(self, _spec: ClusterSpec, _servers: Sequence[Any]) -> None:
        if self.error:
            raise self.error


def told(
    *,
    error: ClusterctlError | None = None,
    states: Sequence[str] = (),
    parts: Sequence[str] = ("mesos",),
    secrets: dict[str, str] | None = None,
    anew: bool = True,
    consent: bool = False,
) -> list[str]:
    spec = demo_spec(
        jenkins={"allow_ephemeral_homes": True}, security=only_closed(*parts), secrets=secrets or {"from": "control"}
    )
    servers = [
        SimpleNamespace(name=f"c{number}", status=state, services=("zookeeper", "mesos_master"))
        for number, state in enumerate(states, 1)
    ]
    run = cast("Run", SimpleNamespace(spec=spec, delivery=Delivery(error)))
    return key_told(run, cast("Any", servers), anew=anew, consent=consent)


GONE = ClusterctlError("the key of cluster demo can't be read from its control nodes: ", hint="Look.")


@pytest.mark.parametrize("anew", [True, False])
def test_a_key_that_is_there_goes_on(anew: bool) -> None:
    assert told(states=["ACTIVE"], anew=anew) == [
        "goes on: the cluster's key (its control nodes have it): agents and frameworks keep their credentials"
    ]
    assert told(secrets={"from": "env", "variable": "KEY"}, anew=anew) == [
        "goes on: the cluster's key (from env): agents and frameworks keep their credentials"
    ]


def test_a_key_that_went_with_all_control_nodes_needs_consent() -> None:
    with pytest.raises(ClusterctlError, match="no control node of cluster demo is left, and its key was on") as caught:
        told(error=GONE)
    assert caught.value.message.endswith("; nothing was touched")
    assert (caught.value.hint or "").startswith("`--new-key` consents to a new one: agents get new credentials")


def test_what_a_new_key_costs_is_said() -> None:
    lines = told(error=GONE, consent=True)
    assert lines[0].startswith("lost: the cluster's key")
    assert any("`clusterctl jenkins restart FILE --all`" in line for line in lines)
    assert any("other frameworks" in line for line in lines)
    assert len(told(error=GONE, consent=True, parts=["marathon"])) == 1


def test_a_server_that_is_off_may_have_it() -> None:
    with pytest.raises(ClusterctlError, match="c1 may have the key of cluster demo, and can't be asked") as caught:
        told(error=GONE, states=["SHUTOFF"])
    assert (caught.value.hint or "").startswith("Start c1 first (`openstack server start`)")


def test_a_survivor_without_it_is_not_gone_on_with() -> None:
    bare = ClusterctlError("no control node of cluster demo has its key", hint="Put the file back.")
    with pytest.raises(ClusterctlError, match="no control node of cluster demo has its key; nothing") as caught:
        told(error=bare, states=["ACTIVE"], anew=False)
    assert "Put the file back." in (caught.value.hint or "")
    assert "`--from-backup DIRECTORY --new-key`" in (caught.value.hint or "")


@pytest.mark.parametrize("consent", [True, False])
def test_one_from_elsewhere_is_never_made_anew(consent: bool) -> None:
    with pytest.raises(InputError, match="KEY is not set"):
        told(error=InputError("$KEY is not set"), secrets={"from": "env", "variable": "KEY"}, consent=consent)


def test_an_open_cluster_has_none() -> None:
    assert told(parts=[], error=GONE) == []
