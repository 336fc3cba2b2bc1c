"""Other counts than the file's: checked like a file, and written into its text without touching the rest."""

from __future__ import annotations

import pytest

from clusterctl.counts import changed_lines, checked, parse_counts, with_counts
from clusterctl.errors import InputError
from tests.unit.specs import DEMO, demo_spec

SPEC = demo_spec()


def test_words_to_counts() -> None:
    assert parse_counts(["builders=5", "jenkins=0"], SPEC) == {"builders": 5, "jenkins": 0}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("builders", "found 'builders'; allowed: the name of a group and a number"),
        ("builders=-1", "found 'builders=-1'"),
        ("builders=+1", "found 'builders=\\+1'"),
        ("nobody=1", "found group 'nobody'; allowed: control, jenkins, builders"),
    ],
)
def test_wrong_words(word: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_counts([word], SPEC)


def test_a_group_twice() -> None:
    with pytest.raises(InputError, match="named twice"):
        parse_counts(["builders=1", "builders=2"], SPEC)


def test_the_rules_of_files_hold() -> None:
    assert checked(SPEC, {"builders": 5}).groups["builders"].count == 5
    assert checked(SPEC, {"builders": 5}) == with_counts(SPEC, {"builders": 5})
    with pytest.raises(InputError, match=r"control=4: found 4 zookeeper nodes; allowed: an odd number"):
        checked(SPEC, {"control": 4})
    with pytest.raises(InputError, match="allowed: at least 3"):
        checked(SPEC, {"control": 1})


def test_steps_of_a_roll_are_not_checked() -> None:
    assert with_counts(SPEC, {"control": 4}).groups["control"].count == 4


def test_only_the_number_changes() -> None:
    text = DEMO.replace("    count: 1\n    flavor", "    count:   1   # as few as possible\n    flavor", 1)
    changed, lines = changed_lines(text, {"jenkins": 12, "builders": 1})
    assert changed == text.replace("count:   1   #", "count:   12   #")
    assert lines == ["11: count:   12   # as few as possible"]


def test_flow_style_and_several_in_one_line() -> None:
    text = "groups: {a: {count: 1, flavor: x}, b: {flavor: x, count: 10}}\n"
    assert changed_lines(text, {"a": 3, "b": 9})[0] == (
        "groups: {a: {count: 3, flavor: x}, b: {flavor: x, count: 9}}\n"
    )
    assert changed_lines(text, {"a": 100, "b": 9})[0] == (
        "groups: {a: {count: 100, flavor: x}, b: {flavor: x, count: 9}}\n"
    )


def test_a_shared_value_is_refused() -> None:
    text = "groups:\n  a: &a {count: 1, flavor: x}\n  b: *a\n"
    with pytest.raises(InputError, match="share a value"):
        changed_lines(text, {"a": 3})


def test_other_numbers_keep_all_other_keys() -> None:
    spec = demo_spec(
        secrets={"from": "env", "variable": "KEY"},
        security={"insecure": "network"},
        jenkins={"allow_ephemeral_homes": True},
    )
    assert checked(spec, {"builders": 3}) == with_counts(spec, {"builders": 3})
