from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from clusterctl.cloud.recovery import Recovery
from clusterctl.cloud.sdk_errors import UncertainError
from clusterctl.errors import CloudError


class Creates:
    """A cloud whose answers get lost: ``effects[n]`` is how many of the wanted the n-th call makes; None answers."""

    def __init__(self, *effects: int | None) -> None:
        self.effects, self.made, self.asked = list(effects), list[str](), list[list[str]]()

    def create(self, names: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(list(names))
        effect = self.effects.pop(0)
        self.made += names[:effect]
        if effect is not None:
            raise UncertainError("no answer")
        return {name: f"id-{name}" for name in names}

    def find(self) -> Mapping[str, str]:
        return {name: f"id-{name}" for name in [*self.made, "another"]}


def test_an_answer_is_enough() -> None:
    cloud = Creates(None)
    assert Recovery().create(["a", "b"], cloud.create, cloud.find) == {"a": "id-a", "b": "id-b"}


def test_what_was_made_in_spite_of_a_lost_answer_is_found_and_not_made_again() -> None:
    cloud, pauses = Creates(2), list[float]()
    assert Recovery(sleep=pauses.append).create(["a", "b"], cloud.create, cloud.find) == {"a": "id-a", "b": "id-b"}
    assert cloud.asked == [["a", "b"]]
    assert pauses == [1.0]


def test_only_what_is_missing_is_made_again() -> None:
    cloud, pauses = Creates(1, None), list[float]()
    Recovery(sleep=pauses.append).create(["a", "b", "c"], cloud.create, cloud.find)
    assert cloud.asked == [["a", "b", "c"], ["b", "c"]]
    assert cloud.made == ["a", "b", "c"]
    # the cloud gets time to finish what it didn't answer; the first look found one, so they began anew
    assert pauses == [1.0, 1.0, 3.0, 6.0]


def test_nothing_is_made_again_while_the_cloud_is_still_at_it() -> None:
    names, asked, slowly = [f"a-{n}" for n in range(9)], list[Sequence[str]](), list[str]()

    def create(missing: Sequence[str]) -> Mapping[str, str]:
        asked.append(missing)
        raise UncertainError("timed out")

    def find() -> Mapping[str, str]:
        slowly.append(names[len(slowly)])
        return dict.fromkeys(slowly, "")

    assert list(Recovery(sleep=lambda _: None).create(names, create, find)) == names
    assert asked == [names]


def test_gives_up_with_the_last_error() -> None:
    cloud = Creates(0, 0, 0)
    with pytest.raises(UncertainError):
        Recovery(sleep=lambda _: None).create(["a"], cloud.create, cloud.find)
    assert len(cloud.asked) == 3


def test_a_definite_refusal_is_not_looked_into() -> None:
    def create(_names: Sequence[str]) -> Mapping[str, str]:
        raise CloudError("Quota exceeded", status=403)

    def find() -> Mapping[str, str]:
        raise AssertionError

    with pytest.raises(CloudError, match="Quota"):
        Recovery().create(["a"], create, find)


def test_repeat() -> None:
    cloud, pauses = Creates(1, None), list[float]()
    assert Recovery(sleep=pauses.append).repeat(lambda: cloud.create(["a"])) == {"a": "id-a"}
    cloud = Creates(0, 0, 0)
    with pytest.raises(UncertainError):
        Recovery(sleep=lambda _: None).repeat(lambda: cloud.create(["a"]))
    assert len(cloud.asked) == 3
