"""The stand-in's own environment variables."""

import pytest

from lab.standins.marathon.marathon_standin.manners import Manners, from_environment


def test_a_jvms_pace_unless_told_otherwise() -> None:
    assert from_environment({"MARATHON_ZK": "x"}) == Manners(start_s=8.0, migration_s=1.0)
    assert from_environment({"STANDIN_START_S": "0", "STANDIN_MIGRATION_S": "600"}) == Manners(0, 600)


@pytest.mark.parametrize("text", ["", "soon", "-1", "3601", "nan"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="STANDIN_MIGRATION_S allows seconds from 0 to 3600"):
        from_environment({"STANDIN_MIGRATION_S": text})
