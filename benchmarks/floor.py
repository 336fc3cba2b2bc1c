"""The least that an inventory can cost: a token and the same lists, by bare Python over one connection a service; run
as ``python -I -S floor.py JSON`` (``{"auth": as in clouds.yaml, "lists": [[service, path]]}``).

Prints as many names as there are servers. Not a way to do it: no error is understood, no retry made.
"""

import http.client
import json
import sys
from urllib.parse import urlsplit


def main() -> None:
    """See the module."""
    given = json.loads(sys.argv[1])
    token, catalog = login(given)
    found = {}
    for service, path in given["lists"]:
        found[path] = listed(catalog[service], path, token)
    servers = [server for page in found.values() if "servers" in page for server in page["servers"]]
    print(json.dumps([server["name"] for server in servers]))


def login(given: dict) -> tuple:
    """Token, and service type -> URL."""
    auth = given["auth"]
    user = {"name": auth["username"], "password": auth["password"], "domain": {"name": auth["user_domain_name"]}}
    body = {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": auth["project_name"], "domain": {"name": auth["project_domain_name"]}}},
        }
    }
    response, answer = call("POST", auth["auth_url"].rstrip("/") + "/auth/tokens", {}, body)
    catalog = {
        service["type"]: endpoint["url"]
        for service in answer["token"]["catalog"]
        for endpoint in service["endpoints"]
        if endpoint["interface"] == "public"
    }
    return response.headers["X-Subject-Token"], catalog


def listed(url: str, path: str, token: str) -> dict:
    """All pages of a list as one body."""
    whole: dict = {}
    target = url.rstrip("/") + path
    while target:
        _, page = call("GET", target, {"X-Auth-Token": token, "OpenStack-API-Version": "compute 2.90"})
        target = ""
        for key, value in page.items():
            if key.endswith("_links"):
                target = next((link["href"] for link in value if link["rel"] == "next"), "")
            else:
                whole.setdefault(key, []).extend(value)
    return whole


_open: dict = {}


def call(method: str, url: str, headers: dict, body: object = None) -> tuple:
    """The answer and its JSON."""
    parts = urlsplit(url)
    connection = _open.setdefault(parts.netloc, http.client.HTTPConnection(parts.netloc))
    data = None if body is None else json.dumps(body)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, data, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    text = response.read()
    if response.status >= 300:
        raise SystemExit(f"{method} {url}: {response.status} {text[:200]!r}")
    return response, json.loads(text)


if __name__ == "__main__":
    main()
