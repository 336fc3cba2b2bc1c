"""Command lines: as given, changed, and put into messages."""

from __future__ import annotations

from clusterctl.ops.kit.command import Command

SCALE = Command("scale", "my demo.yml", ("a=1",), (("--cloud", "lab"), ("--force", None), ("--image", "base 2")))


def test_a_line_can_be_pasted() -> None:
    assert str(SCALE) == "clusterctl scale 'my demo.yml' a=1 --cloud lab --force --image 'base 2'"
    ssh = Command("ssh", "demo.yml", ("demo-control-1", "ls", "-l"), (("--cloud", "lab"),))
    assert str(ssh) == "clusterctl ssh --cloud lab demo.yml demo-control-1 ls -l"


def test_options_are_added_replaced_and_taken_away() -> None:
    changed = SCALE.having(force=False, image="base-3", only="a,b", allow_drain=True)
    assert str(changed) == ("clusterctl scale 'my demo.yml' a=1 --cloud lab --image base-3 --only a,b --allow-drain")


def test_another_verb_keeps_file_and_cloud_and_nothing_else() -> None:
    assert str(SCALE.other("destroy")) == "clusterctl destroy 'my demo.yml' --cloud lab"
    assert str(SCALE.other("replace", "demo-control-1", force=True)) == (
        "clusterctl replace 'my demo.yml' demo-control-1 --cloud lab --force"
    )


def test_messages_get_the_file_and_the_cloud() -> None:
    text = "FILE holds: `clusterctl ssh FILE demo-control-1` and `clusterctl image build`"
    assert SCALE.filled(text) == (
        "FILE holds: `clusterctl ssh --cloud lab 'my demo.yml' demo-control-1` and `clusterctl image build`"
    )
    assert Command("verify").filled(text) == text
