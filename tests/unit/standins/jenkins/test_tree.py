import pytest

from lab.standins.jenkins.jenkins_standin.errors import Refused
from lab.standins.jenkins.jenkins_standin.tree import parse, select

VALUE = {"_class": "A", "a": 1, "b": [{"c": 1, "d": 2}, {"c": 3}, {"c": 4}], "e": {"f": {"g": 5, "h": 6}}, "i": None}


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("a", {"a": 1}),
        ("a,none", {"a": 1}),
        ("b[c]", {"b": [{"c": 1}, {"c": 3}, {"c": 4}]}),
        ("b[c]{1}", {"b": [{"c": 3}]}),
        ("b[c]{0,2}", {"b": [{"c": 1}, {"c": 3}]}),
        ("b[d]{,1},a", {"b": [{"d": 2}], "a": 1}),
        ("b[c]{2,}", {"b": [{"c": 4}]}),
        ("e[f[g]]", {"e": {"f": {"g": 5}}}),
        ("e[*]", {"e": {"f": {"g": 5, "h": 6}}}),
        ("i[x]", {"i": None}),
    ],
)
def test_selection(tree: str, expected: object) -> None:
    assert select(VALUE, parse(tree)) == {"_class": "A", **expected}  # type: ignore[dict-item]


@pytest.mark.parametrize("tree", ["a[", "a]", "a[b", "a b!"])
def test_malformed(tree: str) -> None:
    with pytest.raises(Refused):
        parse(tree)
