"""The file of a result."""

from __future__ import annotations

import json

import pytest

from clusterctl.errors import InputError
from clusterctl.load.result import from_json, json_schema, to_json
from tests.unit.load.worlds import result


def test_there_and_back() -> None:
    assert from_json(to_json(result()), "r.json") == result()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "r.json: not the result of a load test: the document: Invalid JSON"),
        ('{"format": 2}', "r.json: not the result of a load test: format: Input should be 1"),
        (
            to_json(result()).replace('"queued_s":30.0', '"queued_s":"x"'),
            "builds.3.queued_s: Input should be a valid number",
        ),
        (to_json(result()).replace('"leaders"', '"rulers"'), "r.json: not the result"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_json(text, "r.json")
    assert caught.value.exit_code == 2
    assert "loadtest run" in str(caught.value.hint)


def test_the_schema_names_every_key() -> None:
    properties = json_schema()["properties"]
    assert set(properties) == set(json.loads(to_json(result())))
