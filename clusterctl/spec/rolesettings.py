"""``settings:`` of the cluster file: variables of the roles, typed as their argument specifications say.

The model is made from these specifications, so that the loader, the JSON Schema and the roles can't disagree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, create_model, model_serializer

from clusterctl.spec import limits
from clusterctl.spec.rolevars import Place, RoleVariable, role_variables, roles_reading
from clusterctl.spec.types import AbsolutePath, StrictModel, matching, rule_error

# Values go into environment files and units, where some characters mean something; '{{' would be a template's
_TEXT = re.compile(r"(?!.*\{[{%#])[^\x00-\x1f\x7f-\x9f\u2028\u2029\"'\\$`]*")
SettingText = Annotated[
    str,
    Field(max_length=1024),
    matching(_TEXT, "one line without quotes, '$', '`', '\\', '{{', '{%' and '{#'"),
]
# Options of Java that clusterctl sets, by the service; a second one would win or lose by its place
_CLOSED = "the section 'security'"
_OWN_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "zookeeper_jvm_options": {
        "-Xmx": "the key 'zookeeper.heap_mib'",
        "-Xms": "the key 'zookeeper.heap_mib'",
        "-XX:MaxHeapSize": "the key 'zookeeper.heap_mib'",
        "-Dzookeeper.tcpKeepAlive": "the variable 'zookeeper_tcp_keep_alive'",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel": "the variable 'zookeeper_log_level'",
        # who may do what (administrator's guide, Authentication & Authorization Options)
        "-Dzookeeper.DigestAuthenticationProvider.": _CLOSED,
        "-Dzookeeper.X509AuthenticationProvider.": _CLOSED,
        "-Dzookeeper.authProvider.": _CLOSED,
        "-Dzookeeper.superUser": _CLOSED,
        "-Dzookeeper.skipACL": _CLOSED,
        "-Dzookeeper.enforceQuota": _CLOSED,
        "-Dzookeeper.fips-mode": _CLOSED,
        "-Djava.security.auth.login.config": _CLOSED,
    },
    # the logger that would write the password into the log is silenced by a file of its own
    "marathon_jvm_options": {
        "-Xmx": "the key 'marathon.heap_mib'",
        "-XX:MaxHeapSize": "the key 'marathon.heap_mib'",
        "-Dlogback.configurationFile": _CLOSED,
    },
}
# What the program itself takes at most: it ends at more
_MOST: Mapping[str, int] = {"mesos_agent_executor_reregistration_timeout_s": 15}
_SECRET_OPTION = re.compile(r"-D[^=]*(password|passwd|secret|token)[^=]*=.", re.IGNORECASE)
_KINDS: Mapping[str, Any] = {
    "str": SettingText,
    "path": AbsolutePath,
    "int": Annotated[int, Field(ge=0, le=limits.INT32)],
    "float": Annotated[float, Field(ge=0, allow_inf_nan=False)],
    "bool": bool,
}


class RoleSettings(StrictModel):
    """What is set; ``Settings`` has a field for each variable that can be."""

    # Names that stand in the file by mistake -> what is wrong with that (read by the loader)
    elsewhere: ClassVar[Mapping[str, str]] = {}
    unknown: ClassVar[str] = "`clusterctl settings` lists all"

    @model_serializer(mode="wrap")
    def _as_given(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not set stays so when a file is written and read again: a group refuses others' variables."""
        return {name: value for name, value in whole(self).items() if name in self.model_fields_set}

    def variables(self) -> dict[str, Any]:
        """Variables as they stand in the file, nothing of the others."""
        return self.model_dump()


def check_roles(settings: RoleSettings, roles: Iterable[str], services: Iterable[str]) -> None:
    """Raises for a variable that none of a group's ``roles`` reads; its place is below the group."""
    run = frozenset(roles)
    for name in settings.variables():
        readers = roles_reading()[name]
        if not readers & run:
            raise rule_error(
                "role",
                f"is a variable of role {' and '.join(sorted(readers))}, and this group runs {', '.join(services)}",
                ("settings", name),
            )


def _annotation(variable: RoleVariable) -> Any:
    if variable.choices:
        return Literal[variable.choices]
    if variable.kind == "list":
        return list[_KINDS[variable.elements or "str"]]  # type: ignore[misc]  # made for pydantic alone
    if variable.name in _OWN_OPTIONS:
        return Annotated[SettingText, _jvm_options(_OWN_OPTIONS[variable.name])]
    if variable.name.endswith("_percent"):
        return Annotated[int, Field(ge=0, le=100)]
    if variable.name in _MOST:
        return Annotated[int, Field(ge=1, le=_MOST[variable.name])]
    return _KINDS[variable.kind]


def _jvm_options(own: Mapping[str, str]) -> AfterValidator:
    def check(value: str) -> str:
        for option in value.split():
            for beginning, setter in own.items():
                if option.startswith(beginning):
                    raise rule_error("option", f"found {option!r}; clusterctl sets {beginning} itself: use {setter}")
            if _SECRET_OPTION.match(option):
                name = option.partition("=")[0]
                raise rule_error("option", f"found {name}, a secret: settings can be read in user-data and on nodes")
        return value

    return AfterValidator(check)


def _model() -> type[RoleSettings]:
    variables = {variable.name: variable for variable in role_variables()}
    fields: dict[str, Any] = {
        name: (_annotation(variable), Field(default=variable.default, description=variable.meaning))
        for name, variable in variables.items()
        if variable.place is Place.SETTINGS
    }
    model = create_model("Settings", __base__=RoleSettings, **fields)
    model.elsewhere = {name: variable.refusal for name, variable in variables.items() if variable.refusal}
    return model


if TYPE_CHECKING:
    Settings = RoleSettings
else:
    Settings = _model()
