"""Accounts, API tokens, sessions and crumbs."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import uuid
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from .job import write_whole
from .xmltools import document, element, parse_file, text_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt  # the only bcrypt of Debian 12's Python without a further package

log = logging.getLogger("hudson.security.HudsonPrivateSecurityRealm")
_DETAILS = "hudson.security.HudsonPrivateSecurityRealm_-Details"
_HASHED = "jenkins.security.apitoken.ApiTokenStore_-HashedToken"
_PREFIX = "#jbcrypt:"
_ROUNDS = 1 << 5  # Jenkins' own are 1 << 10, which cost a small lab half a second; either reads both
_TOKEN = re.compile(r"11[0-9a-f]{32}")  # version 11 of jenkins.security.apitoken.ApiTokenStore, and 32 digits


@dataclass
class Token:
    uuid: str
    name: str
    digest: str  # sha256 of the 32 digits


@dataclass
class Account:
    """A user of Jenkins' own database. ``password`` is a hash, "" if there is none."""

    name: str
    directory: Path
    password: str = ""
    tokens: list[Token] = field(default_factory=list)


def token_digest(token: str) -> str:
    return hashlib.sha256(token[2:].encode()).hexdigest()


def hashed(password: str) -> str:
    """Return a password as Jenkins keeps it."""
    salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=_ROUNDS)  # noqa: S324 - it is bcrypt, as in Jenkins
    return _PREFIX + crypt.crypt(password, salt).replace("$2b$", "$2a$")


def _directory_name(name: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9]', '', name)}_{secrets.randbelow(10**18):018d}"


class Accounts:
    """users/*/config.xml of a home."""

    def __init__(self, home: Path) -> None:
        self._directory = home / "users"
        self._accounts: dict[str, Account] = {}
        for path in sorted(self._directory.glob("*/config.xml")):
            account = _load(path)
            self._accounts[account.name] = account

    def __contains__(self, name: str) -> bool:
        return name in self._accounts

    def put(self, name: str, password: str | None, token_name: str, token: str | None) -> None:
        """Make or change an account; None leaves a password or token as it is."""
        account = self._accounts.get(name) or Account(name, self._directory / _directory_name(name))
        if password is not None and not _matches(account.password, password):
            account.password = hashed(password)
        if token is not None:
            if not _TOKEN.fullmatch(token):
                raise ValueError("IllegalArgumentException: an API token is 11 and 32 hexadecimal digits")
            account.tokens = [each for each in account.tokens if each.name != token_name]
            account.tokens.append(Token(str(uuid.uuid4()), token_name, token_digest(token)))
        self._accounts[name] = account
        self._save(account)

    def new_token(self, name: str, token_name: str) -> tuple[str, str]:
        """Give an account another token; its uuid and value."""
        value = "11" + secrets.token_hex(16)
        self.put(name, None, token_name, value)
        return self._accounts[name].tokens[-1].uuid, value

    def check(self, name: str, password: str) -> str | None:
        """Return "token" or "password", whichever it is; None if it is neither."""
        account = self._accounts.get(name)
        if account is None:
            return None
        if _TOKEN.fullmatch(password):
            digest = token_digest(password)
            if any(hmac.compare_digest(digest, each.digest) for each in account.tokens):
                return "token"
        return "password" if _matches(account.password, password) else None

    def _save(self, account: Account) -> None:
        account.directory.mkdir(parents=True, exist_ok=True)
        tokens = "".join(
            f"<{_HASHED}>{element('uuid', each.uuid)}{element('name', each.name)}"
            f"<value><version>11</version>{element('hash', each.digest)}</value></{_HASHED}>"
            for each in account.tokens
        )
        realm = f"<{_DETAILS}>{element('passwordHash', account.password)}</{_DETAILS}>" if account.password else ""
        body = (
            f"<user><version>10</version>{element('id', account.name)}{element('fullName', account.name)}<properties>"
            f"<jenkins.security.ApiTokenProperty><tokenStore><tokenList>{tokens}</tokenList></tokenStore>"
            f"</jenkins.security.ApiTokenProperty>{realm}</properties></user>"
        )
        path = account.directory / "config.xml"
        path.touch(mode=0o600)
        write_whole(path, document(body))
        path.chmod(0o600)


def _load(path: Path) -> Account:
    root = parse_file(path)
    name = text_of(root, "id") or path.parent.name.rpartition("_")[0] or path.parent.name
    account = Account(name, path.parent)
    for details in root.iter(_DETAILS):
        account.password = text_of(details, "passwordHash") or ""
    for each in root.iter(_HASHED):
        digest = each.findtext("value/hash") or ""
        account.tokens.append(Token(text_of(each, "uuid") or "", text_of(each, "name") or "", digest))
    return account


def _matches(stored: str, password: str) -> bool:
    if not stored.startswith(_PREFIX):
        return False
    digest = stored.removeprefix(_PREFIX)
    return hmac.compare_digest(crypt.crypt(password, digest) or "", digest)


class Sessions:
    """Sessions by cookie, and the crumbs bound to them; gone when the process ends."""

    def __init__(self) -> None:
        self.cookie_name = f"JSESSIONID.{secrets.token_hex(4)}"
        self._salt = secrets.token_bytes(32)
        self._users: dict[str, str] = {}  # session -> user, "" for nobody

    def user(self, session: str | None) -> str:
        return self._users.get(session or "", "")

    def ensure(self, session: str | None) -> str:
        """Return a valid session's id: the given one, or a new one."""
        if session in self._users:
            return str(session)
        fresh = secrets.token_hex(16)
        self._users[fresh] = ""
        return fresh

    def log_in(self, user: str) -> str:
        fresh = secrets.token_hex(16)
        self._users[fresh] = user
        return fresh

    def log_out(self, session: str | None) -> None:
        self._users.pop(session or "", None)

    def crumb(self, session: str, user: str) -> str:
        return hmac.new(self._salt, f"{user};{session}".encode(), hashlib.sha256).hexdigest()

    def valid(self, crumb: str, session: str | None, user: str) -> bool:
        return session in self._users and hmac.compare_digest(crumb, self.crumb(str(session), user))


def agent_secret(key: bytes, name: str) -> str:
    """Return the -secret of an agent."""
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()
