from pathlib import Path

import pytest

from lab.standins.jenkins.jenkins_standin.errors import Usage
from lab.standins.jenkins.jenkins_standin.settings import read, read_launch
from tests.unit.standins.jenkins.make import settings

PROVISIONER = "hudson.slaves.NodeProvisioner."
PORT = "jenkins.model.Jenkins.slaveAgentPort"


def test_defaults_are_jenkins_own() -> None:
    found = settings()
    assert (found.http_port, found.prefix, found.agent_port, found.agent_port_enforced) == (8080, "", None, False)
    assert (found.recurrence_s, found.initial_delay_s, found.minute_s) == (10.0, 100.0, 60.0)


def test_what_a_master_is_started_with() -> None:
    properties = {
        PORT: "31013",
        PORT + "Enforce": "true",
        PROVISIONER + "initialDelay": "0",
        PROVISIONER + "recurrencePeriod": "2500",
        PROVISIONER + "MARGIN": "50",
    }
    found = settings(Path("/h"), properties, "--httpPort=31012", "--webroot=/s/war", "--prefix=/a/")
    assert (found.http_port, found.agent_port, found.agent_port_enforced, found.prefix) == (31012, 31013, True, "/a")
    assert (found.initial_delay_s, found.recurrence_s, found.setup_wizard) == (0.0, 2.5, False)


def test_environment() -> None:
    found = read({"user.home": "/u"}, [], {"LIBPROCESS_IP": "10.0.0.1", "LIBPROCESS_PORT": "31994"})
    assert (str(found.home), found.libprocess_address, found.libprocess_port) == ("/u/.jenkins", "10.0.0.1", 31994)


@pytest.mark.parametrize(
    ("properties", "argument", "says"),
    [
        ({}, "--httpsPort=1", "unknown argument"),
        ({}, "start", "unknown argument"),
        ({}, "--httpPort=-1", "1 to 65535"),
        ({}, "--httpPort=web", "whole number"),
        ({}, "--prefix=ci", "must begin with /"),
        ({PORT: "many"}, "--httpPort=1", "whole number"),
        ({PROVISIONER + "recurrencePeriod": "2.5s"}, "--httpPort=1", "whole number"),
    ],
)
def test_mistakes(properties: dict[str, str], argument: str, says: str) -> None:
    with pytest.raises(Usage, match=says):
        read({"user.home": "/u", **properties}, [argument], {})


def test_launch_text_of_the_jvm() -> None:
    properties, arguments = read_launch(
        ["P a=b=c\n", "P line.separator=\\n\n", "P p=\\\\n\n", "A --x=1\n", "\n", "A no\n"]
    )
    assert properties == {"a": "b=c", "line.separator": "\n", "p": "\\n"}
    assert arguments == ["--x=1"]
    with pytest.raises(Usage, match="war's Main"):
        read_launch(["P a=b\n"])
