"""Kinds of values that cluster files and ``artifacts.yml`` share: each says what is allowed, in words."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_ROLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_USER = re.compile(r"[a-z_][a-z0-9_-]*")
# Goes into templates and files of one value a line: nothing that Jinja or a reader of lines would take for its own
_LINE = re.compile(r"(?!.*\{[{%#])[^\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def rule_error(code: str, message: str, at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """An error of a rule over several keys; ``at`` is the path below the checked model that the loader points to."""
    return PydanticCustomError(code, "{message}", {"message": message, "at": at})


def matching(pattern: re.Pattern[str], allowed: str) -> AfterValidator:
    """A validator of text that must match ``pattern`` as a whole; ``allowed`` says so in words."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise rule_error("format", f"found {value!r}; allowed: {allowed}")
        return value

    return AfterValidator(check)


def _cidr(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise rule_error("cidr", f"found {value!r}; allowed: an IPv4 network such as 192.0.2.0/24 ({error})") from error
    return value


def _absolute(value: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", value) or ".." in value.split("/"):
        raise rule_error("path", f"found {value!r}; allowed: an absolute path of plain names such as /srv/jenkins")
    return value


Label = Annotated[str, matching(_LABEL, "lower-case letters, digits and '-', beginning with a letter")]
RoleName = Annotated[str, matching(_ROLE, "letters, digits, '_', '-' and '.' (Mesos roles)")]
AttributeName = Annotated[str, matching(_ATTRIBUTE, "letters, digits, '_', '-' and '.'")]
AttributeText = Annotated[str, matching(_ATTRIBUTE, "text of letters, digits, '_', '-' and '.' (Mesos attributes)")]
UserName = Annotated[str, matching(_USER, "a Linux user name")]
Text = Annotated[str, Field(min_length=1, max_length=255)]
Line = Annotated[str, Field(max_length=1024), matching(_LINE, "one line without '{{', '{%' and '{#'")]
Network = Annotated[str, AfterValidator(_cidr)]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class StrictModel(BaseModel):
    """Frozen, without conversions, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
