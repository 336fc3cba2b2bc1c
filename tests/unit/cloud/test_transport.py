from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock

import pytest
import requests
import requests_mock
from requests_mock import Mocker
from urllib3.exceptions import MaxRetryError, NewConnectionError

from clusterctl.cloud.transport import RetryPolicy, Transport, call_path
from clusterctl.resources import ApiCalls

URL = "http://cloud.test/compute/v2.1/servers"
RESET = requests.ConnectionError("Connection reset by peer")
TIMEOUT = requests.ReadTimeout("timed out")
REFUSED = requests.ConnectionError(MaxRetryError(None, URL, NewConnectionError(None, "refused")))  # type: ignore[arg-type]


@pytest.fixture
def calls() -> ApiCalls:
    return ApiCalls()


@pytest.fixture
def transport(calls: ApiCalls, policy: RetryPolicy) -> Transport:
    return Transport(calls, Lock(), policy)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h:8774/v2.1/servers", "/servers"),
        ("http://h/compute/v2.1/servers/detail?tags=a", "/servers/detail"),
        ("http://h/v2.1/servers/10000000-0000-0000-0000-000000000000/action", "/servers/{id}/action"),
        ("http://h/v2.1/os-keypairs/ops", "/os-keypairs/{id}"),
        ("http://h/v3/0123456789abcdef0123456789abcdef/volumes/detail", "/volumes/detail"),
        ("http://h/volume/v3/0123456789abcdef0123456789abcdef/limits", "/limits"),
        ("http://h:9696/v2.0/quotas/0123456789abcdef0123456789abcdef/details.json", "/quotas/{id}/details"),
        ("http://h/v2/images/10000000-0000-0000-0000-000000000000", "/images/{id}"),
        ("http://h:9696/", "/"),
        ("http://h/compute/v2.1/", "/"),
    ],
)
def test_paths_are_counted_without_ids(url: str, path: str) -> None:
    assert call_path(url) == path


@pytest.mark.parametrize("trouble", [429, 500, 502, 503, 504, RESET, TIMEOUT, REFUSED])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_can_be_done_twice_is_tried_again(
    method: str, trouble: int | Exception, transport: Transport, calls: ApiCalls, pauses: list[float]
) -> None:
    with Mocker() as mocker:
        first = {"status_code": trouble} if isinstance(trouble, int) else {"exc": trouble}
        mocker.request(method, URL, [first, {"status_code": 200}])
        assert transport.request(method, URL).status_code == 200
    assert pauses == [0.5]
    assert calls.by_kind == {f"{method} /servers": 2}


@pytest.mark.parametrize("trouble", [500, 502, 503, 504, RESET, TIMEOUT])
def test_a_post_that_may_have_been_done_is_not_repeated(
    trouble: int | Exception, transport: Transport, pauses: list[float]
) -> None:
    with Mocker() as mocker:
        if isinstance(trouble, int):
            mocker.post(URL, status_code=trouble)
            assert transport.post(URL).status_code == trouble
        else:
            mocker.post(URL, exc=trouble)
            with pytest.raises(type(trouble)):
                transport.post(URL)
        assert mocker.call_count == 1
    assert pauses == []


@pytest.mark.parametrize("trouble", [429, REFUSED, requests.ConnectTimeout("no route")])
def test_a_post_that_was_never_begun_is_repeated(trouble: int | Exception, transport: Transport) -> None:
    with Mocker() as mocker:
        first = {"status_code": trouble} if isinstance(trouble, int) else {"exc": trouble}
        mocker.post(URL, [first, {"status_code": 202}])
        assert transport.post(URL).status_code == 202


def test_the_console_is_a_read_although_it_is_a_post(transport: Transport, calls: ApiCalls) -> None:
    with Mocker() as mocker:
        mocker.post(f"{URL}/1/action", [{"status_code": 503}, {"status_code": 200}])
        assert transport.post(f"{URL}/1/action", json={"os-getConsoleOutput": {}}).status_code == 200
    assert (calls.read, calls.write) == (2, 0)


def test_authentication_is_repeated_and_not_counted(transport: Transport, calls: ApiCalls) -> None:
    with Mocker() as mocker:
        mocker.post("http://cloud.test/v3/auth/tokens", [{"exc": RESET}, {"status_code": 201}])
        assert transport.post("http://cloud.test/v3/auth/tokens", json={}).status_code == 201
    assert (calls.read, calls.write) == (0, 0)


def test_pauses_double_up_to_a_cap_and_the_last_answer_is_returned(transport: Transport, pauses: list[float]) -> None:
    with Mocker() as mocker:
        mocker.get(URL, status_code=503)
        assert transport.get(URL).status_code == 503
        assert mocker.call_count == 5
    assert pauses == [0.5, 1.0, 2.0, 4.0]


def test_gives_up_in_time(calls: ApiCalls) -> None:
    pauses: list[float] = []
    policy = RetryPolicy(attempts=1000, sleep=pauses.append, clock=lambda: sum(pauses), jitter=lambda: 1.0)
    with Mocker() as mocker:
        mocker.get(URL, exc=TIMEOUT)
        with pytest.raises(requests.ReadTimeout):
            Transport(calls, Lock(), policy).get(URL)
    assert 170 < sum(pauses) <= 180


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("7", 7.0),
        ("3600", 60.0),
        ("Thu, 01 Jan 2026 00:00:09 GMT", 9.0),
        ("Thu, 01 Jan 2015 00:00:00 GMT", 0.0),
        ("soon", 0.5),
    ],
)
def test_retry_after_is_honoured_within_reason(header: str, pause: float) -> None:
    policy = RetryPolicy(jitter=lambda: 1.0, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    assert policy.pause_s(1, header) == pause


def test_jitter_takes_up_to_half() -> None:
    assert RetryPolicy(jitter=lambda: 0.0).pause_s(3, None) == 1.0


def test_every_request_has_a_timeout_and_a_configured_one_wins(transport: Transport) -> None:
    with Mocker() as mocker:
        mocker.register_uri(requests_mock.ANY, URL)
        transport.get(URL)
        transport.post(URL)
        transport.get(URL, timeout=3)
        assert [request.timeout for request in mocker.request_history] == [(10.0, 60.0), (10.0, 300.0), 3]


def test_a_bad_certificate_is_not_tried_again(transport: Transport) -> None:
    with Mocker() as mocker:
        mocker.get(URL, exc=requests.exceptions.SSLError("self-signed certificate"))
        with pytest.raises(requests.exceptions.SSLError):
            transport.get(URL)
        assert mocker.call_count == 1
