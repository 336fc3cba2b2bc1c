"""Username and password by id, from JENKINS_HOME/credentials.xml (SystemCredentialsProvider)."""

from __future__ import annotations

from pathlib import Path

from .errors import PluginError
from .xmltools import parse_file, text_of

_CLASS = "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl"


def find(home: Path, credentials_id: str) -> tuple[str, str] | None:
    """Return (username, password), None if there is no such id. Raises PluginError for an encrypted password."""
    path = home / "credentials.xml"
    if not path.exists():
        return None
    try:
        root = parse_file(path)
    except ValueError as exc:
        raise PluginError(f"Unable to read {path}: {exc}") from exc
    for each in root.iter(_CLASS):
        if text_of(each, "id") == credentials_id:
            password = text_of(each, "password") or ""
            if password.startswith("{"):
                raise PluginError("the stand-in cannot decrypt credentials.xml: write the password in plain text")
            return text_of(each, "username") or "", password
    return None
