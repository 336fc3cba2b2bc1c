"""?label= as Marathon reads it."""

import pytest

from lab.standins.marathon.marathon_standin.labels import parse

LABELS = {"tier": "web", "env": "prod", "a b": "x,y"}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("tier", True),
        ("nothing", False),
        ("tier==web", True),
        (" tier == web , env != qa ", True),
        ("tier!=web", False),
        ("nothing!=web", False),  # an app without the label is never selected
        ("env in (qa, prod)", True),
        ("env in ()", False),
        ("env notin (qa,prod)", False),
        ("env notin (qa)", True),
        ("nothing notin (qa)", False),
        (r"a\ b==x\,y", True),
        ("tier==web,env==qa", False),
    ],
)
def test_selectors(text: str, selected: bool) -> None:
    assert parse(text)(LABELS) is selected


@pytest.mark.parametrize("text", ["=", "tier=", "tier==", "tier==web,", "tier in web", "a b", "tier==web env"])
def test_what_is_no_selector(text: str) -> None:
    with pytest.raises(ValueError, match="Can not parse label selector"):
        parse(text)
