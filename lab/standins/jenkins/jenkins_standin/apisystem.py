"""The routes that are not about jobs: the instance, its nodes, its users, and its end."""

from __future__ import annotations

import json
import time
from pathlib import Path

from .api import as_json
from .core import Jenkins
from .errors import Refused
from .http import Request, Response, Router, page, plain
from .views import BUILT_IN, Views

_AGENT_JAR = "agent.jar"
_GENERATE = "/user/{name}/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken"


class SystemApi:
    """Called under the Jenkins' lock."""

    def __init__(self, jenkins: Jenkins, views: Views, agent_jar: Path) -> None:
        self._jenkins, self._views, self._agent_jar = jenkins, views, agent_jar

    def register(self, router: Router) -> None:
        views = self._views
        router.add("GET", "/", self.front)
        router.add("GET", "/api/{form}", lambda r, form: as_json(r, form, views.jenkins()))
        router.add("GET", "/view/all/api/{form}", lambda r, form: as_json(r, form, views.view()))
        router.add("GET", "/computer/api/{form}", lambda r, form: as_json(r, form, views.computers()))
        router.add("GET", "/computer/{name}/api/{form}", self.computer)
        router.add("POST", "/computer/{name}/doDelete", self.delete_computer)
        router.add("GET", "/computer/{name}/slave-agent.jnlp", self.jnlp)
        router.add("GET", "/computer/{name}/jenkins-agent.jnlp", self.jnlp)
        router.add("GET", "/jnlpJars/slave.jar", self.jar)
        router.add("GET", "/jnlpJars/agent.jar", self.jar)
        router.add("GET", "/jnlpJars/remoting.jar", self.jar)
        router.add("GET", "/tcpSlaveAgentListener", self.listener)
        router.add("GET", "/pluginManager/api/{form}", lambda r, form: as_json(r, form, views.plugins()))
        router.add("GET", "/login", self.login)
        router.add("GET", "/loginError", lambda r: page(401, "Login Error", "<p>Invalid username or password</p>"))
        router.add("POST", "/j_spring_security_check", self.log_in)
        router.add("GET", "/logout", self.log_out)
        router.add("GET", "/crumbIssuer/api/{form}", self.crumb)
        router.add("GET", "/whoAmI/api/{form}", self.who)
        router.add("GET", "/me/api/{form}", self.me)
        router.add("GET", "/user/{name}/api/{form}", self.user)
        router.add("POST", _GENERATE, self.generate_token)
        router.add("POST", "/quietDown", self.quiet_down)
        router.add("POST", "/cancelQuietDown", self.cancel_quiet_down)
        for path, end, safe in (
            ("/exit", "exit", False),
            ("/safeExit", "exit", True),
            ("/restart", "restart", False),
            ("/safeRestart", "restart", True),
        ):
            router.add("POST", path, lambda r, end=end, safe=safe: self._end(end, safe))
        router.add("POST", "/reload", self.reload)
        router.add("POST", "/scriptText", self.script)

    def _home(self) -> Response:
        return Response(302, headers={"Location": self._views.root})

    def front(self, request: Request) -> Response:
        jobs = "".join(f"<li><a href='job/{name}/'>{name}</a></li>" for name in self._jenkins.jobs)
        message = self._jenkins.config.system_message
        return page(
            200, "Dashboard [Jenkins stand-in]", f"<h1>{self._jenkins.name}</h1><p>{message}</p><ul>{jobs}</ul>"
        )

    # --- nodes

    def computer(self, request: Request, name: str, form: str) -> Response:
        if name in ("(built-in)", "(master)", BUILT_IN):
            return as_json(request, form, self._views.built_in())
        node = self._jenkins.nodes.get(name)
        if node is None:
            raise Refused(404, f"Not Found: there is no node {name!r}")
        return as_json(request, form, self._views.computer(node))

    def delete_computer(self, request: Request, name: str) -> Response:
        node = self._jenkins.nodes.get(name)
        if node is None:
            raise Refused(404, f"Not Found: there is no node {name!r}")
        self._jenkins.remove_node(node)
        return self._home()

    def jnlp(self, request: Request, name: str) -> Response:
        """Tell an agent its name. Jenkins' own file has the secret too, and is encrypted with it."""
        if name not in self._jenkins.nodes:
            raise Refused(404, f"Not Found: there is no node {name!r}")
        text = (
            f'<jnlp codebase="{self._views.root}"><information><vendor>{self._jenkins.name}</vendor></information>'
            f'<application-desc main-class="standin.Agent"><argument>{name}</argument></application-desc></jnlp>'
        )
        return Response(200, text.encode(), "application/x-java-jnlp-file")

    def jar(self, request: Request) -> Response:
        return Response(200, self._agent_jar.read_bytes(), "application/java-archive")

    def listener(self, request: Request) -> Response:
        inbound = self._jenkins.inbound
        if inbound is None:
            raise Refused(404, "Not Found: there is no TCP port for inbound agents")
        port = str(inbound.port)
        return plain(
            200, "Jenkins\n", X_Jenkins_JNLP_Port=port, X_Hudson_JNLP_Port=port, X_Jenkins_Agent_Protocols="Standin1"
        )

    # --- users

    def login(self, request: Request) -> Response:
        form = (
            "<form method='post' action='j_spring_security_check'><input name='j_username'>"
            "<input name='j_password' type='password'><button>Sign in</button></form>"
        )
        return page(200, "Sign in [Jenkins stand-in]", f"<h1>{self._jenkins.name}</h1>{form}")

    def log_in(self, request: Request) -> Response:
        name, password = request.parameter("j_username"), request.parameter("j_password")
        if not self._jenkins.config.has_users or self._jenkins.accounts.check(name, password) != "password":
            return Response(302, headers={"Location": f"{self._views.root}loginError"})
        return Response(
            302, headers={"Location": self._views.root, **self._cookie(self._jenkins.sessions.log_in(name))}
        )

    def log_out(self, request: Request) -> Response:
        self._jenkins.sessions.log_out(request.headers.get("x-caller-session"))
        return self._home()

    def _cookie(self, session: str) -> dict[str, str]:
        path = self._jenkins.settings.prefix or "/"
        return {"Set-Cookie": f"{self._jenkins.sessions.cookie_name}={session}; Path={path}; HttpOnly"}

    def crumb(self, request: Request, form: str) -> Response:
        sessions = self._jenkins.sessions
        given = request.headers.get("x-caller-session")
        session = sessions.ensure(given)
        value = {
            "_class": "hudson.security.csrf.DefaultCrumbIssuer",
            "crumb": sessions.crumb(session, request.headers.get("x-caller", "")),
            "crumbRequestField": "Jenkins-Crumb",
        }
        answer = as_json(request, form, value)
        headers = {} if session == given else self._cookie(session)
        return Response(answer.status, answer.body, answer.content_type, headers)

    def who(self, request: Request, form: str) -> Response:
        name = request.headers.get("x-caller", "")
        value = {
            "_class": "hudson.security.WhoAmI",
            "anonymous": not name,
            "authenticated": bool(name),
            "authorities": ["authenticated"] if name else [],
            "name": name or "anonymous",
        }
        return as_json(request, form, value)

    def me(self, request: Request, form: str) -> Response:
        name = request.headers.get("x-caller", "")
        if not name:
            raise Refused(404, "Not Found: nobody is logged in")
        return self.user(request, name, form)

    def user(self, request: Request, name: str, form: str) -> Response:
        if name not in self._jenkins.accounts:
            raise Refused(404, f"Not Found: there is no user {name!r}")
        url = f"{self._views.root}user/{name}"
        value = {"_class": "hudson.model.User", "absoluteUrl": url, "fullName": name, "id": name, "property": []}
        return as_json(request, form, value)

    def generate_token(self, request: Request, name: str) -> Response:
        if request.headers.get("x-caller") != name:
            raise Refused(403, f"only {name} may make a token of {name}")
        token_name = request.parameter("newTokenName") or f"Token created on {time.strftime('%Y-%m-%d')}"
        uuid, value = self._jenkins.accounts.new_token(name, token_name)
        data = {"tokenName": token_name, "tokenUuid": uuid, "tokenValue": value}
        return Response(200, json.dumps({"status": "ok", "data": data}).encode(), "application/json;charset=utf-8")

    # --- the process

    def quiet_down(self, request: Request) -> Response:
        """With ``block=true`` it answers when nothing builds any more, or after ``timeout`` milliseconds."""
        jenkins = self._jenkins
        jenkins.quieting_down = True
        if request.parameter("block") == "true":
            timeout = request.parameter("timeout", "0")
            until = time.monotonic() + int(timeout) / 1000 if timeout.isdigit() and int(timeout) else None
            jenkins.wait_until(lambda: not (jenkins.quieting_down and jenkins.busy_executors), until)
        return self._home()

    def cancel_quiet_down(self, request: Request) -> Response:
        self._jenkins.quieting_down = False
        self._jenkins.ending = None
        return self._home()

    def _end(self, end: str, safe: bool) -> Response:
        jenkins = self._jenkins
        jenkins.quieting_down = jenkins.quieting_down or safe
        jenkins.ending, jenkins.ending_at_once = end, not safe
        return plain(200, "Shutting down\n") if end == "exit" else self._home()

    def reload(self, request: Request) -> Response:
        self._jenkins.reload_jobs()
        return self._home()

    def script(self, request: Request) -> Response:
        raise Refused(501, "the stand-in runs no Groovy")
