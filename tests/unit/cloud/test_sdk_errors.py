from __future__ import annotations

from typing import Any

import pytest
import requests
from keystoneauth1 import exceptions as ks
from novaclient import exceptions as nova
from openstack import exceptions as sdk

from clusterctl.cloud.sdk_errors import UncertainError, calling
from clusterctl.errors import CloudError

PAGE = (
    b"<html><head><title>503</title><style>p {}</style></head><body><h1>503 Service Unavailable</h1>\n<p>No server</p>"
)


def response(status: int, body: bytes, kind: str = "application/json") -> Any:
    made = requests.Response()
    made.status_code, made._content, made.reason = status, body, "Reason"
    made.headers.update({"Content-Type": kind, "x-openstack-request-id": "req-7"})
    made.request = requests.Request("POST", "http://cloud.test/v2.0/ports").prepare()
    return made


def translated(error: Exception) -> CloudError:
    with pytest.raises(CloudError) as caught, calling("create port a"):
        raise error
    return caught.value


def from_sdk(status: int, body: bytes, kind: str = "application/json") -> CloudError:
    try:
        sdk.raise_from_response(response(status, body, kind))
    except sdk.HttpException as error:
        return translated(error)
    raise AssertionError


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"NeutronError": {"type": "T", "message": "No more IP addresses.", "detail": ""}}', "No more IP addresses."),
        (b'{"badRequest": {"code": 400, "message": "Invalid input"}}', "Invalid input"),
        (b'{"message": "glance says", "code": "400 Bad"}', "glance says"),
        (b'{"error": {"message": "keystone says", "code": 400, "title": "Bad Request"}}', "keystone says"),
        (b"{}", "Reason"),
        (b"not json", "not json"),
        (b"", "Reason"),
    ],
)
def test_the_services_own_message_with_status_and_request(body: bytes, message: str) -> None:
    error = from_sdk(409, body)
    assert error.message == f"cannot create port a: {message} (HTTP 409, request req-7)"
    assert (error.status, error.request_id) == (409, "req-7")
    assert not isinstance(error, UncertainError)


def test_no_html() -> None:
    error = from_sdk(503, PAGE, "text/html")
    assert error.message == "cannot create port a: 503 Service Unavailable No server (HTTP 503, request req-7)"
    assert isinstance(error, UncertainError)


def test_no_endless_text() -> None:
    assert len(from_sdk(500, b"x" * 10**6).message) < 600


def test_novaclient() -> None:
    body = {"forbidden": {"message": "Quota exceeded for cores: Requested 4, but already used 8 of 10 cores"}}
    raw = response(403, b"")
    raw.headers["x-compute-request-id"] = "req-8"
    error = translated(nova.from_response(raw, body, "http://x", "POST"))
    assert error.message.startswith("cannot create port a: Quota exceeded for cores")
    assert (error.status, error.request_id) == (403, "req-8")
    assert "quota" in (error.hint or "")


def test_keystoneauth() -> None:
    raw = response(401, b'{"error": {"message": "The request you have made requires authentication."}}')
    error = translated(ks.from_response(raw, "POST", "http://x"))
    assert "requires authentication" in error.message
    assert "clouds.yaml" in (error.hint or "")


def test_no_answer_names_the_address_and_the_cause_only() -> None:
    def fail() -> None:
        try:
            raise ConnectionResetError(104, "Connection reset by peer")
        except OSError as inner:
            raise requests.ConnectionError("HTTPConnectionPool(...): very long") from inner

    try:
        fail()
    except requests.ConnectionError as inner:
        outer = ks.ConnectFailure("Unable to establish connection to http://10.0.0.1:8774/v2.1/servers: HTTPConn...")
        outer.__cause__ = inner
    error = translated(outer)
    assert error.message == "cannot create port a: no answer from http://10.0.0.1:8774: Connection reset by peer"
    assert isinstance(error, UncertainError)


def test_a_discovery_that_failed_for_want_of_a_connection_is_told_as_such() -> None:
    outer = ks.DiscoveryFailure("Could not find versioned identity endpoints")
    outer.__context__ = ks.ConnectTimeout("Request to http://10.0.0.1:5000/v3 timed out")
    assert isinstance(translated(outer), UncertainError)
    assert "check auth_url" in translated(ks.DiscoveryFailure("check auth_url")).message


@pytest.mark.parametrize("error", [ks.EndpointNotFound("no network endpoint"), sdk.InvalidResourceQuery("bad")])
def test_errors_that_never_left_this_machine_are_certain(error: Exception) -> None:
    assert not isinstance(translated(error), UncertainError)


def test_a_bad_certificate_says_what_to_do() -> None:
    assert "cacert" in (translated(ks.SSLError("certificate verify failed")).hint or "")


def test_bugs_of_ours_pass() -> None:
    with pytest.raises(KeyError), calling("x"):
        raise KeyError


@pytest.mark.timeout(5)
def test_errors_that_led_to_each_other_are_told() -> None:
    error, cause = ks.ClientException("it broke"), ValueError("no address")
    error.__cause__, cause.__cause__ = cause, error
    assert translated(error).message == "cannot create port a: it broke"
