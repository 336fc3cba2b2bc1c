import re
from pathlib import Path

import pytest

from lab.standins.marathon.marathon_standin.flags import FlagError, from_environment, parse
from lab.standins.marathon.marathon_standin.flagtable import ACCEPTED, REFUSED, REMOVED, USED
from lab.standins.marathon.marathon_standin.info import configuration_lines

MASTER = ["--master", "zk://a:2181,b:2181/mesos"]


def test_defaults_are_marathons() -> None:
    config = parse([*MASTER, "--hostname", "h"])
    assert str(config.zk) == "zk://localhost:2181/marathon"
    assert config.host_port == "h:8080"
    assert config.failover_timeout == 604800
    assert config.mesos_role == "*"
    assert config.checkpoint is True
    assert config.zk_session_timeout == 10000
    assert config.framework_name == "marathon"


@pytest.mark.parametrize("form", [["--http_port", "8090"], ["--http_port=8090"]])
def test_both_forms_of_a_value(form: list[str]) -> None:
    assert parse([*MASTER, *form]).http_port == 8090


def test_toggles() -> None:
    config = parse([*MASTER, "--disable_checkpoint", "--ha", "--suppress_offers"])
    assert (config.checkpoint, config.suppress_offers) == (False, True)


@pytest.mark.parametrize(
    ("behaviour", "roles"), [("any", ["*", "marathon"]), ("unreserved", ["*"]), ("reserved", ["marathon"])]
)
def test_default_accepted_roles(behaviour: str, roles: list[str]) -> None:
    flags = ["--mesos_role", "marathon", "--accepted_resource_roles_default_behavior", behaviour]
    assert parse([*MASTER, *flags]).default_accepted_roles("marathon") == roles


def test_environment_becomes_flags() -> None:
    environ = {
        "MARATHON_HTTP_PORT": "8090",
        "MARATHON_DISABLE_CHECKPOINT": "",
        "MARATHON_MASTER": "zk://a:2181/mesos",
        "MARATHON_APP_ID": "/marathon",  # what a Marathon sets for its tasks
        "HOME": "/",
    }
    args = from_environment(environ)
    assert args == ["--disable_checkpoint", "--http_port", "8090", "--master", "zk://a:2181/mesos"]
    assert parse(args).http_port == 8090


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "--master is required"),
        (["--master"], "--master needs a value"),
        (["--master", "nonsense"], "zk://host:port"),
        (["--master", "zk://a:2181"], "not a ZooKeeper URL"),
        ([*MASTER, "--zk", "zk://user@a:2181/m"], "not a ZooKeeper URL"),
        ([*MASTER, "--mesos_authentication"], "needs --mesos_authentication_principal"),
        (
            [*MASTER, "--mesos_authentication_secret", "a", "--mesos_authentication_secret_file", "/b"],
            "exclude each other",
        ),
        ([*MASTER, "--zk", "localhost:2181"], "not a ZooKeeper URL"),
        ([*MASTER, "--http_port", "0"], "between 1 and 65535"),
        ([*MASTER, "--http_port", "-1"], "whole number"),
        ([*MASTER, "--failover_timeout", "1w"], "whole number"),
        ([*MASTER, "--failover_timeout="], "needs a value"),
        ([*MASTER, "--failover_timeout", "--checkpoint"], "needs a value"),
        ([*MASTER, "--checkpoint", "true"], "takes no value"),
        ([*MASTER, "--checkpoint=true"], "takes no value"),
        ([*MASTER, "--checkpoint", "--disable_checkpoint"], "more than once"),
        ([*MASTER, *MASTER], "MARATHON_MASTER"),
        ([*MASTER, "--logging_level", "loud"], "allows off, fatal, error"),
        ([*MASTER, "--disable_ha"], "--ha: the stand-in lacks it but for True"),
        ([*MASTER, "--executor", "/x"], "--executor: the stand-in lacks it but for '//cmd'"),
        ([*MASTER, "--new_group_enforce_role", "bottom"], "allows off, top"),
        (
            [*MASTER, "--enable_features", "external_volumes"],
            "external_volumes is a feature of Marathon 1.11, but the stand-in lacks it",
        ),
        ([*MASTER, "--enable_features", "vips,x"], "unknown feature x"),
        ([*MASTER, "--local_port_min", "2", "--local_port_max", "1"], "must not be above"),
        ([*MASTER, "--disable_http"], "the stand-in lacks it"),
        ([*MASTER, "--default_accepted_resource_roles", "*"], "removed in Marathon 1.10"),
        ([*MASTER, "--nonsense"], "unknown flag --nonsense"),
        ([*MASTER, "word"], "unexpected argument 'word'"),
        ([*MASTER, "-v"], "unexpected argument '-v'"),
    ],
)
def test_what_is_wrong_is_said(args: list[str], says: str) -> None:
    with pytest.raises(FlagError) as caught:
        parse(args)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_flags_whose_effect_would_be_missed_are_refused(name: str) -> None:
    with pytest.raises(FlagError, match="the stand-in lacks it"):
        parse([*MASTER, f"--{name}", "x"])


SECRETS = ["--zk", "zk://marathon:hush@a:2181/m", "--http_credentials", "operator:silence"]


def test_credentials_are_taken_and_shown_as_marathon_shows_them() -> None:
    config = parse([*MASTER, *SECRETS])
    assert (config.zk.credentials, config.http_credentials) == ("marathon:hush", "operator:silence")
    assert str(config.zk) == "zk://xxxxxxxx:xxxxxxxx@a:2181/m"
    assert not {"hush", "silence"} & set(re.findall(r"\w+", repr(config)))
    with pytest.raises(FlagError) as caught:
        parse([*MASTER, "--zk", "zk://marathon:hush@a:2181"])
    assert "hush" not in str(caught.value)


def test_credentials_of_the_api_may_come_by_the_environment_and_a_flag_counts_more() -> None:
    assert parse(MASTER, "operator:silence").http_credentials == "operator:silence"
    assert parse([*MASTER, *SECRETS], "operator:other").http_credentials == "operator:silence"


def test_the_log_of_the_flags_tells_the_password_of_the_api_as_in_marathon() -> None:
    lines = configuration_lines(parse(["--master", "zk://m:hush@a:2181/mesos", *SECRETS]))
    assert " - zk = zk://xxxxxxxx:xxxxxxxx@a:2181/m\n" in lines
    assert " - http_credentials = operator:silence\n" in lines
    assert "hush" not in lines


def test_words_may_be_in_any_case() -> None:
    config = parse([*MASTER, "--accepted_resource_roles_default_behavior", "Unreserved"])
    assert config.accepted_resource_roles_default_behavior == "unreserved"


# All options that the *Conf and *Config classes of Marathon 1.11.24 define, hidden ones among them
OF_MARATHON = (Path(__file__).parent / "flags-1.11.24.txt").read_text().split()


def test_every_flag_of_marathon_is_known() -> None:
    known = {flag.name for flag in USED + ACCEPTED} | REFUSED | set(REMOVED)
    assert sorted(set(OF_MARATHON) - known) == []
    of_old = {"disable_revive_offers_for_new_apps", "revive_offers_for_new_apps", "revive_offers_repetitions"}
    assert known - set(OF_MARATHON) == of_old


def test_every_flag_is_in_one_table_only() -> None:
    names = [flag.name for flag in USED + ACCEPTED] + sorted(REFUSED) + sorted(REMOVED)
    assert len(names) == len(set(names))


def test_features() -> None:
    assert parse([*MASTER, "--enable_features", "task_killing, vips"]).enable_features == ("task_killing", "vips")
