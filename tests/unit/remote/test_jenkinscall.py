"""The script that asks Jenkins masters, against small servers on loopback."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from clusterctl.remote import jenkinscall as script
from tests.unit.remote.test_probe import ADDRESS, http, serving

HTTP = " HTTP/1.1"


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    own = tmp_path / "alice" / ".clusterctl"
    own.mkdir(parents=True)
    (own / "master.json").write_text('{"admin": "root"}')
    (own / "token").write_text("11ff\n")
    return tmp_path


def ask(homes: Path, port: int, *calls: dict[str, Any], name: str = "alice") -> Any:
    master = {"name": name, "address": ADDRESS, "port": port, "calls": list(calls)}
    [found] = script.run({"timeout_s": 2, "directory": str(homes), "masters": [master]})
    return found


def get(path: str, **words: Any) -> dict[str, Any]:
    return {"method": "GET", "path": path, **words}


def test_answers_with_the_headers_that_count(homes: Path) -> None:
    answers = {
        f"GET /api/json{HTTP}": http({"mode": "NORMAL"}, "200 OK", "Content-Type: application/json", "X-Jenkins: 2.1"),
        f"POST /quietDown{HTTP}": http(b"", "302 Found", "Location: http://x/"),
    }
    with serving(answers) as port:
        found = ask(homes, port, get("/api/json"), {"method": "POST", "path": "/quietDown"}, get("/no"))
    api, quiet, no = found["answers"]
    assert api == {"status": 200, "headers": {"x-jenkins": "2.1"}, "body": {"mode": "NORMAL"}}
    assert (quiet["status"], quiet["headers"]) == (302, {"location": "http://x/"})
    assert no["status"] == 404


def test_the_token_is_sent_unless_a_call_is_anonymous(homes: Path) -> None:
    basic = "Basic " + base64.b64encode(b"root:11ff").decode()
    assert script.authorization(str(homes), "alice") == basic
    with serving({f"GET /login{HTTP}": http(b"")}) as port:
        assert ask(homes, port, get("/login", anonymous=True), name="bob")["answers"][0]["status"] == 200
        found = ask(homes, port, get("/login", anonymous=True), get("/api/json"), name="bob")
    assert found["error"].startswith(f"no token: {homes}/bob")


def test_a_token_that_is_a_link_is_not_read(homes: Path) -> None:
    token = homes / "alice" / ".clusterctl" / "token"
    token.unlink()
    token.symlink_to("/etc/hostname")
    assert ask(homes, 1, get("/"))["error"].startswith("no token: ")


def test_no_answer_is_no_error_of_the_script(homes: Path) -> None:
    with serving({}) as port:
        pass
    [answer] = ask(homes, port, get("/login"))["answers"]
    assert (answer["status"], answer["body"]) == (0, "connection refused")


def test_another_port_can_be_asked(homes: Path) -> None:
    with serving({f"GET /{HTTP}": http(b"Jenkins")}) as port:
        [answer] = ask(homes, 1, get("/", port=port, anonymous=True))["answers"]
    assert answer["status"] == 200


def test_masters_are_answered_in_order(homes: Path) -> None:
    with serving({f"GET /login{HTTP}": http(b"")}) as port:
        masters = [
            {"name": name, "address": ADDRESS, "port": port, "calls": [get("/api/json")]} for name in ("bob", "alice")
        ]
        found = script.run({"timeout_s": 2, "directory": str(homes), "masters": masters})
    assert ["error" in each for each in found] == [True, False]
    assert json.dumps(found).count("11ff") == 0
