"""A secret is seen by nobody who doesn't ask for it."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from clusterctl.secrets.secret import Secret

TEXT = "correct horse"


def test_it_comes_out_by_one_way_only() -> None:
    secret = Secret(TEXT)
    assert secret.reveal() == TEXT
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{[secret]}",
        f"{ {'a': secret} }",
    ]
    assert not [text for text in shown if TEXT in text]
    with pytest.raises(TypeError):
        vars(secret)
    with pytest.raises(TypeError):
        json.dumps({"secret": secret})


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_neither_pickled_nor_copied(take: object) -> None:
    assert callable(take)
    with pytest.raises(TypeError, match="pickled or copied"):
        take(Secret(TEXT))


def test_it_stays_out_of_tracebacks_and_comparisons() -> None:
    right, wrong = Secret(TEXT), Secret("wrong")
    with pytest.raises(AssertionError) as caught:
        assert right == wrong
    assert TEXT not in str(caught.value)
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != TEXT
    with pytest.raises(TypeError):
        hash(Secret(TEXT))
    with pytest.raises(AttributeError):
        Secret(TEXT)._text = "other"
