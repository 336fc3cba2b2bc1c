"""Basic authentication in front of the API."""

import base64

import pytest

from lab.standins.marathon.marathon_standin.gate import Gate
from lab.standins.marathon.marathon_standin.messages import Request
from tests.unit.standins.marathon.make import config

SECURED = Gate(config("--http_credentials", "operator:si:lence"))


def asked(authorization: str | None, path: str = "/v2/apps") -> Request:
    return Request("GET", path, {} if authorization is None else {"authorization": authorization})


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize("path", ["/ping", "/v2/info", "/v2/leader", "/metrics", "/nosuch"])
@pytest.mark.parametrize(
    "authorization", [None, basic("operator:wrong"), basic("other:si:lence"), basic(""), "Basic ?", "Bearer x"]
)
def test_whoever_does_not_prove_to_be_the_user_is_refused_everywhere(path: str, authorization: str | None) -> None:
    refused = SECURED.refuse(asked(authorization, path))
    assert refused
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'basic realm="Mesosphere"')


def test_the_user_goes_on() -> None:
    assert SECURED.refuse(asked(basic("operator:si:lence"))) is None
    assert SECURED.refuse(asked(basic("operator:si:lence").replace("Basic", "basic"))) is None


@pytest.mark.parametrize("given", [[], ["--http_credentials", "nopassword"], ["--http_credentials", "user:"]])
def test_without_credentials_that_are_some_everybody_does(given: list[str], caplog: pytest.LogCaptureFixture) -> None:
    assert Gate(config(*given)).refuse(asked(None)) is None
    assert [record.levelname for record in caplog.records] == (["ERROR"] if given else [])
