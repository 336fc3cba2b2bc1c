import pytest

from lab.standins.marathon.marathon_standin.constraints import Place, attribute_text, first_unmet, meets, problem

A, B, C = (Place(f"h{n}", {"rack": n}) for n in "abc")
BARE = Place("bare")


@pytest.mark.parametrize(
    ("constraint", "placed", "accepts"),
    [
        (["hostname", "UNIQUE"], [], [A, B, C, BARE]),
        (["hostname", "UNIQUE"], [A, B], [C, BARE]),
        (["@hostname", "UNIQUE"], [A], [B, C, BARE]),
        (["rack", "UNIQUE"], [A], [B, C]),
        (["hostname", "CLUSTER", "ha"], [], [A]),
        (["rack", "CLUSTER"], [], [A, B, C]),
        (["rack", "CLUSTER"], [B], [B]),
        (["rack", "CLUSTER", ""], [B], [B]),
        (["rack", "CLUSTER", "c"], [B], []),
        (["rack", "LIKE", "[ab]"], [A], [A, B]),
        (["hostname", "LIKE", "h"], [], []),  # the whole value must match
        (["rack", "UNLIKE", "[ab]"], [], [C, BARE]),  # the only one that accepts a missing attribute
        (["rack", "MAX_PER", "2"], [A, A, B], [B, C]),
        (["rack", "GROUP_BY"], [], []),  # Marathon 1.11.24 divides by zero
        (["rack", "GROUP_BY", "3"], [], [A, B, C]),
        # of four instances each of three groups gets one, and one of them another
        (["rack", "GROUP_BY", "3"], [A], [A, B, C]),
        (["rack", "GROUP_BY", "3"], [A, A], [B, C]),
        (["rack", "GROUP_BY", "3"], [A, A, B], [C]),
        (["rack", "GROUP_BY", "2"], [A, B], [A, B]),
        (["rack", "GROUP_BY", "2"], [A, A, B], [B]),
        (["rack", "IS", "b"], [A], [B]),
    ],
)
def test_operators(constraint: list[str], placed: list[Place], accepts: list[Place]) -> None:
    assert [place for place in (A, B, C, BARE) if meets(place, placed, constraint, 4)] == accepts


def test_all_constraints_count_and_the_first_broken_one_is_named() -> None:
    wanted = [["rack", "LIKE", "[ab]"], ["hostname", "UNIQUE"]]
    assert first_unmet(B, [A], wanted, 2) is None
    assert first_unmet(A, [A], wanted, 2) == ["hostname", "UNIQUE"]
    assert first_unmet(C, [A], wanted, 2) == ["rack", "LIKE", "[ab]"]


@pytest.mark.parametrize(
    ("constraint", "says"),
    [
        ([], "[field, operator]"),
        (["rack"], "[field, operator]"),
        (["rack", "LIKE", "a", "b"], "[field, operator]"),
        (["rack", "SOMEHOW"], "unknown operator SOMEHOW"),
        (["", "UNIQUE"], "must not be empty"),
        (["@region", "IS", "eu"], "@region"),
        (["rack", "UNIQUE", "a"], "UNIQUE takes no value"),
        (["rack", "LIKE"], "regular expression"),
        (["rack", "LIKE", "("], "not a regular expression"),
        (["rack", "IS"], "needs a value"),
        (["rack", "MAX_PER"], "whole number"),
        (["rack", "MAX_PER", "0"], "whole number"),
        (["rack", "GROUP_BY", "x"], "whole number"),
    ],
)
def test_wrong_constraints_are_explained(constraint: list[str], says: str) -> None:
    assert says in (problem(constraint) or "")


@pytest.mark.parametrize("constraint", [["rack", "GROUP_BY"], ["rack", "GROUP_BY", "2"], ["hostname", "CLUSTER"]])
def test_right_constraints_have_no_problem(constraint: list[str]) -> None:
    assert problem(constraint) is None


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        ({"type": "TEXT", "text": {"value": "eu-1"}}, "eu-1"),
        ({"type": "SCALAR", "scalar": {"value": 4.0}}, "4"),
        ({"type": "SCALAR", "scalar": {"value": 0.25}}, "0.25"),
        ({"type": "RANGES", "ranges": {"range": [{"begin": 8, "end": 9}, {"begin": 1, "end": 5}]}}, "[1-5,8-9]"),
        ({"type": "SET", "set": {"item": ["b", "a"]}}, "{a,b}"),
    ],
)
def test_attributes_compare_in_mesos_own_text_form(attribute: dict[str, object], text: str) -> None:
    assert attribute_text(attribute) == text
