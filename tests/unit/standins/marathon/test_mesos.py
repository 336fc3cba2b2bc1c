"""How the stand-in proves its principal to the masters."""

from pathlib import Path

import pytest

from lab.standins.marathon.marathon_standin.exits import Crash
from lab.standins.marathon.marathon_standin.mesos import authorization, subscription_refused
from tests.unit.standins.marathon.make import config

PRINCIPAL = ["--mesos_authentication_principal", "marathon"]


def test_only_with_the_toggle() -> None:
    assert authorization(config(*PRINCIPAL, "--mesos_authentication_secret", "hush")) == {}
    secured = config("--mesos_authentication", *PRINCIPAL, "--mesos_authentication_secret", "hush")
    assert authorization(secured) == {"Authorization": "Basic bWFyYXRob246aHVzaA=="}


def test_the_file_is_read_each_time_and_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    secured = config("--mesos_authentication", *PRINCIPAL, "--mesos_authentication_secret_file", str(file))
    with pytest.raises(Crash, match="mesos_authentication_secret_file"):
        authorization(secured)
    file.write_text("hush")
    assert authorization(secured) == {"Authorization": "Basic bWFyYXRob246aHVzaA=="}
    file.write_text("hush\n")
    assert authorization(secured) == {"Authorization": "Basic bWFyYXRob246aHVzaAo="}


@pytest.mark.parametrize("status", [307, 404, 503])
def test_a_master_that_does_not_lead_or_has_just_started_is_asked_again(status: int) -> None:
    subscription_refused(status, "")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_master_that_wants_nothing_of_it_ends_it(status: int) -> None:
    with pytest.raises(Crash, match=str(status)):
        subscription_refused(status, "")
