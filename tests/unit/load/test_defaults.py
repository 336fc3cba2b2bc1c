"""The load test that fits a file."""

from __future__ import annotations

import pytest

from clusterctl.load.defaults import decline_s_of, kind_of, role_of
from clusterctl.load.plan import Kind
from clusterctl.spec.jenkins import JenkinsSettings
from tests.unit.specs import demo_spec


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ({}, "on_demand"),
        ({"registration": "always"}, "always"),
        ({"registration": "always", "plugin": "1.x"}, "suppress"),
        ({"registration": "always", "plugin": "2.x"}, "suppress"),
    ],
)
def test_frameworks_behave_as_the_plugin(section: dict[str, object], kind: Kind) -> None:
    jenkins = JenkinsSettings.model_validate({**section, "decline_s": 77, "role": "ci"})
    spec = demo_spec().model_copy(update={"jenkins": jenkins})
    assert (kind_of(spec), decline_s_of(spec), role_of(spec)) == (kind, 77, "ci")


def test_without_masters_in_the_file() -> None:
    spec = demo_spec().model_copy(update={"jenkins": None})
    assert (kind_of(spec), decline_s_of(spec), role_of(spec)) == ("on_demand", 600, "*")
