"""YAML as plain values: merge keys, tags, and where a mistake stands."""

from __future__ import annotations

import pytest

from clusterctl.spec.document import DocumentError, parse


def test_merge_keys() -> None:
    found = parse("a: &a {p: 1, q: 2}\nb: &b {q: 8, r: 9}\nc: {q: 3, <<: *a}\nd: {<<: [*a, *b]}\n")
    assert found.value["c"] == {"p": 1, "q": 3}
    assert found.value["d"] == {"p": 1, "q": 2, "r": 9}
    assert found.position(("d", "r")) == (2, 17)  # where it stands
    assert found.position(("c", "q")) == (3, 8)
    assert parse("a: {'<<': 1}").value == {"a": {"<<": 1}}


def test_merges_in_merges_do_not_multiply() -> None:
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}], k{n}: 1}}" for n in range(1, 40)]
    assert len(parse("\n".join(lines)).value["a39"]) == 40


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: {<<: 5}", 1, 5, "no mapping behind '<<'"),
        ("a: {<<: [5]}", 1, 5, "no mapping behind '<<'"),
        ("a: &x\n  <<: *x", 2, 3, "an anchor contains itself"),
        ("a: &x {}\nb: {<<: *x, <<: *x}", 2, 13, "duplicate key '<<'"),
        ("a: !!python/object/apply:os.system\n- x", 1, 4, "found the tag"),
        ("a: !!set {x, y}", 1, 4, "found the tag"),
    ],
)
def test_a_mistake(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    problem = caught.value.problem
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message
