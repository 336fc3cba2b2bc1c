"""Who may: authentication, crumbs, what is open to everybody, and what is said while Jenkins is not up."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from html import escape

from .core import Jenkins
from .errors import Refused
from .http import Request, Response, Router, page, plain

_OPEN = re.compile(
    r"/(login|loginError|logout|j_spring_security_check|tcpSlaveAgentListener|whoAmI/api/json|jnlpJars/[^/]+"
    r"|computer/[^/]+/(slave|jenkins)-agent\.jnlp)"
)
_ASCII = str.maketrans({"‘": "'", "’": "'", "\n": " ", "\r": " "})  # what a header cannot have
_NO_CRUMB = re.compile(r"/j_spring_security_check")


@dataclass(frozen=True)
class Caller:
    """``user`` "" is anonymous. ``session`` None: none, or an unknown one."""

    user: str
    by_token: bool
    session: str | None


class Gate:
    """Lets a request through to the router, or answers it."""

    def __init__(self, jenkins: Jenkins, router: Router) -> None:
        self._jenkins, self._router = jenkins, router

    def answer(self, request: Request) -> Response:
        """Return the answer to a request as the listener has it, with Jenkins' headers."""
        jenkins = self._jenkins
        try:
            response = self._admitted(self._inside(request))
        except Refused as exc:
            response = self._refusal(exc)
        headers = {
            "X-Jenkins": jenkins.version,
            "X-Hudson": "1.395",
            "X-Jenkins-Session": jenkins.session_id,
            "X-Stand-In": jenkins.name,
            "X-Content-Type-Options": "nosniff",
            **response.headers,
        }
        return Response(response.status, response.body, response.content_type, headers)

    def _inside(self, request: Request) -> Request:
        prefix = self._jenkins.settings.prefix
        if not prefix:
            return request
        if request.path != prefix and not request.path.startswith(prefix + "/"):
            raise Refused(404, f"Jenkins is at {prefix}/")
        return Request(request.method, request.target[len(prefix) :] or "/", request.headers, request.body)

    def _refusal(self, exc: Refused) -> Response:
        if exc.status == 400:
            text = f"<h1>Error</h1><p>{escape(exc.message)}</p>"
            return page(400, "Error", text, X_Error=exc.message.translate(_ASCII).encode("ascii", "replace").decode())
        headers = {}
        if isinstance(exc, Forbidden):
            headers = {"X_You_Are_Authenticated_As": "anonymous", "X_Required_Permission": exc.permission}
        elif exc.status == 401:
            headers = {"WWW_Authenticate": 'Basic realm="Jenkins"'}
        return plain(exc.status, f"{exc.message}\n", **headers)

    def _admitted(self, request: Request) -> Response:
        jenkins = self._jenkins
        if jenkins.state == "failed":
            return page(503, "Error", f"<h1>Jenkins stand-in failed to boot</h1><pre>{jenkins.failure}</pre>")
        if jenkins.state == "loading":
            text = "<h1>Please wait while Jenkins (a stand-in) is getting ready to work ...</h1>"
            return page(503, "Starting Jenkins", text, Retry_After="5")
        if jenkins.state == "setup" and request.path != "/login":
            raise Refused(403, "Jenkins needs its setup wizard, which the stand-in does not have")
        caller = self._caller(request)
        self._check_permission(request, caller)
        self._check_crumb(request, caller)
        internal = {**request.headers, "x-caller": caller.user, "x-caller-session": caller.session or ""}
        with jenkins.lock:
            return self._router.answer(Request(request.method, request.target, internal, request.body))

    def _caller(self, request: Request) -> Caller:
        jenkins = self._jenkins
        session = request.cookie(jenkins.sessions.cookie_name)
        user = jenkins.sessions.user(session)
        header = request.headers.get("authorization", "")
        if not jenkins.config.has_users or not header.lower().startswith("basic "):
            return Caller(user, False, session)
        try:
            name, _, password = base64.b64decode(header[6:], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refused(401, "the Authorization header is malformed") from None
        how = jenkins.accounts.check(name, password)
        if how is None:
            raise Refused(401, f"Invalid password/token for user: {name}")
        return Caller(name, how == "token", session)

    def _check_permission(self, request: Request, caller: Caller) -> None:
        anonymous = self._jenkins.config.anonymous
        if caller.user or anonymous == "all" or _OPEN.fullmatch(request.path.rstrip("/")):
            return
        reads = request.method in ("GET", "HEAD")
        if anonymous == "none" or not reads:
            raise Forbidden("hudson.model.Hudson.Read" if reads else "hudson.model.Hudson.Administer")

    def _check_crumb(self, request: Request, caller: Caller) -> None:
        if request.method in ("GET", "HEAD") or caller.by_token or _NO_CRUMB.fullmatch(request.path):
            return
        crumb = request.headers.get("jenkins-crumb") or request.parameter("Jenkins-Crumb")
        if not crumb:
            raise Refused(403, "No valid crumb was included in the request")
        if not self._jenkins.sessions.valid(crumb, caller.session, caller.user):
            raise Refused(403, "No valid crumb was included in the request (it is bound to another session)")


class Forbidden(Refused):
    """403 for who is not logged in."""

    def __init__(self, permission: str) -> None:
        super().__init__(403, f"Authentication required: anonymous is missing {permission}")
        self.permission = permission
