"""The attacks of ``tests/attacks`` on Mesos, where master and agents share an address: they get through to what is
open, and not to what is closed. Forged messages need another address: ``test_acls.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from clusterctl.secrets.names import mesos_secret
from tests.attacks.tool import mesos as tool
from tests.attacks.tool.main import attempt
from tests.contract.mesos.netns import private_network
from tests.contract.mesos.secured import HOST, SecuredMesos

pytestmark = pytest.mark.mesos
TENANT = "jenkins-001"


def running(root: Path, *, secured: bool) -> Iterator[SecuredMesos]:
    with private_network(), TemporaryDirectory(prefix="attack-tool-") as work:
        Path(work).chmod(0o711)
        mesos = SecuredMesos(root, Path(work), secured=secured)
        try:
            mesos.start()
            yield mesos
        finally:
            mesos.stop()


@pytest.fixture(scope="module")
def opened(root: Path) -> Iterator[SecuredMesos]:
    yield from running(root, secured=False)


def attack(do: str, **arguments: Any) -> dict[str, str]:
    return attempt({"name": do, "do": do, "args": {"at": HOST, **arguments}})


def rogue(mesos: SecuredMesos, monkeypatch: pytest.MonkeyPatch, credential: str = "") -> dict[str, str]:
    """With the package's own agent; it is not installed here."""
    monkeypatch.setattr(tool, "AGENT", str(mesos.root / "usr/sbin/mesos-agent"))
    monkeypatch.setattr(tool, "LAUNCHER", ["--launcher_dir=" + str(mesos.root / "usr/libexec/mesos")])
    return attack("rogue_agent", own=HOST, port=5077, role="marathon", credential=credential)


def test_they_get_through_where_all_is_open(opened: SecuredMesos, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [
        attack("container", command="true"),
        attack("framework", role="marathon", user="root"),
        attack("framework", role="*", user="nobody"),
        attack("operator", path="/flags"),
        attack("operator", path="/flags", port=tool.AGENT_PORT),
        attack("log_write", own=HOST, port=5078),
        rogue(opened, monkeypatch),
    ]
    assert [end for end in ends if end["outcome"] != "through"] == []
    opened.stop()


@pytest.fixture(scope="module")
def closed(root: Path) -> Iterator[SecuredMesos]:
    yield from running(root, secured=True)


def test_a_closed_one_denies_them(closed: SecuredMesos, monkeypatch: pytest.MonkeyPatch) -> None:
    login = f"{TENANT}:{closed.keys[mesos_secret(TENANT)].reveal()}"
    ends = {
        "container": (attack("container", command="true"), "401"),
        "as nobody": (attack("framework", role="marathon", user="root"), "401"),
        "flags": (attack("operator", path="/flags"), "401"),
        "flags of an agent": (attack("operator", path="/flags", port=tool.AGENT_PORT), "401"),
        "in another's role": (attack("framework", role="marathon", user="b-001", login=login), "error event"),
        "as another": (attack("framework", role="*", user="b-001", claims="marathon", login=login), "400"),
        "as root": (attack("framework", role="*", user="root", login=login), "error event"),
        "flags as a tenant": (attack("operator", path="/flags", login=login), "403"),
        "drain as a tenant": (attack("drain", agent_id="none", login=login), "403"),
        "an agent": (
            rogue(closed, monkeypatch, str(closed.work / "builders-credential")),
            "unregistered",
        ),
    }
    assert {name: (end["outcome"], end["reason"]) for name, (end, _) in ends.items()} == {
        name: ("denied", reason) for name, (_, reason) in ends.items()
    }, ends
    said = {name: end["evidence"] for name, (end, _) in ends.items()}
    assert "Not authorized to register framework" in said["in another's role"]
    assert "does not match principal" in said["as another"]
    assert "User 'root' is not allowed" in said["as root"]
    assert "Successfully authenticated" in said["an agent"]
    log = closed.master.log.read_text(errors="replace")
    assert "(rogue): Not authorized to register agent providing resources" in log


def test_the_replicated_log_asks_nobody(closed: SecuredMesos) -> None:
    """What docs/security.md says stays open."""
    assert attack("log_write", own=HOST, port=5079)["outcome"] == "through"


def test_a_tenant_still_is_a_framework(closed: SecuredMesos) -> None:
    login = f"{TENANT}:{closed.keys[mesos_secret(TENANT)].reveal()}"
    assert attack("framework", role="*", user="b-001", login=login)["outcome"] == "through"
