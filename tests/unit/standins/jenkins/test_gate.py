"""Authentication, permissions, crumbs, and the answers of a Jenkins that is not up."""

import base64
import json
from pathlib import Path

import pytest

from lab.standins.jenkins.jenkins_standin.core import Jenkins
from tests.unit.standins.jenkins.make import NO_SECURITY, SECURE, TOKEN, Client, jenkins, settings, with_crumb


@pytest.fixture
def made(tmp_path: Path) -> Jenkins:
    made = jenkins(tmp_path, SECURE)
    made.accounts.put("admin", "secret", "t", TOKEN)
    return made


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_anonymous_is_403_but_where_everybody_may(made: Jenkins) -> None:
    client = Client(made)
    for method in ("GET", "POST"):
        answer = client(method, "/api/json")
        assert answer.status == 403
        assert answer.headers["X-You-Are-Authenticated-As"] == "anonymous"
    assert client("GET", "/crumbIssuer/api/json").status == 403
    assert client("GET", "/login").status == 200
    assert json.loads(client("GET", "/whoAmI/api/json").body)["name"] == "anonymous"


def test_anonymous_reads_if_allowed(tmp_path: Path) -> None:
    client = Client(jenkins(tmp_path, SECURE.replace("Access>true", "Access>false")))
    assert client("GET", "/api/json").status == 200
    assert client("POST", "/quietDown").status == 403


def test_wrong_credentials_are_401(made: Jenkins) -> None:
    client = Client(made)
    for name, password in (("admin", "wrong"), ("admin", TOKEN[:-1] + "0"), ("nobody", TOKEN), ("admin", "")):
        answer = client("GET", "/api/json", **basic(name, password))
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert client("GET", "/api/json", authorization="Basic *").status == 401


def test_a_token_needs_no_crumb(made: Jenkins) -> None:
    client = Client(made)
    client.headers = basic("admin", TOKEN)
    assert client("GET", "/me/api/json").status == 200
    assert client("POST", "/quietDown").status == 302


def test_a_password_needs_a_crumb_of_its_session(made: Jenkins) -> None:
    client = Client(made)
    client.headers = basic("admin", "secret")
    assert client("GET", "/api/json").status == 200
    assert client("POST", "/quietDown").status == 403
    with_crumb(client)
    assert client("POST", "/quietDown").status == 302
    cookie = client.headers.pop("cookie")
    assert client("POST", "/quietDown").status == 403
    client.headers["cookie"] = cookie
    client.headers["jenkins-crumb"] = "0" * 64
    assert client("POST", "/quietDown").status == 403


def test_without_security_there_are_crumbs_too(tmp_path: Path) -> None:
    client = Client(jenkins(tmp_path, NO_SECURITY))
    assert client("POST", "/quietDown").status == 403
    assert with_crumb(client)("POST", "/quietDown").status == 302


def test_logging_in_by_the_form(made: Jenkins) -> None:
    client = Client(made)
    form = {"content_type": "application/x-www-form-urlencoded"}
    wrong = client("POST", "/j_spring_security_check", "j_username=admin&j_password=no", **form)
    assert wrong.headers["Location"].endswith("/loginError")
    right = client("POST", "/j_spring_security_check", "j_username=admin&j_password=secret", **form)
    client.headers["cookie"] = right.headers["Set-Cookie"].partition(";")[0]
    assert client("GET", "/api/json").status == 200
    assert client("POST", "/quietDown").status == 403
    client("GET", "/logout")
    assert client("GET", "/api/json").status == 403


def test_generating_a_token(made: Jenkins) -> None:
    client = Client(made)
    client.headers = basic("admin", TOKEN)
    path = "/user/{}/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken?newTokenName=n"
    answer = json.loads(client("POST", path.format("admin")).body)
    assert answer["status"] == "ok"
    client.headers = basic("admin", answer["data"]["tokenValue"])
    assert client("GET", "/api/json").status == 200
    assert client("POST", path.format("other")).status == 403


def test_headers_of_a_caller_are_not_believed(made: Jenkins) -> None:
    client = Client(made)
    assert json.loads(client("GET", "/whoAmI/api/json", x_caller="admin").body)["anonymous"]


def test_loading_and_failed_answer_503(tmp_path: Path) -> None:
    loading = Client(Jenkins(settings(tmp_path), "2.319.3"))
    assert loading("GET", "/login").status == 503
    failed = Client(jenkins(tmp_path, "<hudson><numExecutors>2</numExecutors></hudson>"))
    answer = failed("GET", "/login")
    assert answer.status == 503
    assert b"numExecutors must be 0" in answer.body
    assert (tmp_path / "failed-boot-attempts.txt").exists()


def test_the_setup_wizard_locks_everything(tmp_path: Path) -> None:
    made = Jenkins(settings(tmp_path, {"jenkins.install.runSetupWizard": "true"}), "2.319.3")
    made.boot()
    client = Client(made)
    assert (client("GET", "/login").status, client("GET", "/api/json").status) == (200, 403)


def test_prefix(tmp_path: Path) -> None:
    tmp_path.joinpath("config.xml").write_text(NO_SECURITY)
    made = Jenkins(settings(tmp_path, {}, "--prefix=/ci"), "2.319.3")
    made.boot()
    client = Client(made)
    assert (client("GET", "/ci/login").status, client("GET", "/login").status) == (200, 404)
    assert (client("GET", "/ci").status, client("GET", "/circus").status) == (200, 404)
