"""Renders the templates of ``roles/`` as Ansible does (D7), from the same variables and the same list of files.

Imported on nodes too (``user_data: fetch``), so: standard library, jinja2 and PyYAML only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from clusterctl.errors import ClusterctlError

# Filters that both engines have and that mean the same in both. Everything else is an error here already.
ALLOWED_FILTERS = ("default", "int", "join", "length", "list", "lower", "map", "sort", "string", "upper")


class RenderError(ClusterctlError):
    """A template or its variables are wrong; no node was touched."""


@dataclass(frozen=True)
class RenderedFile:
    """A file of a node; ``mode`` is octal text such as ``"0644"``."""

    path: str
    content: str
    mode: str
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class _Role:
    name: str
    directory: Path
    defaults: Mapping[str, Any]
    files: tuple[Mapping[str, Any], ...]
    services: tuple[Mapping[str, Any], ...]


def render_files(roles_dir: Path, roles: Sequence[str], variables: Mapping[str, Any]) -> list[RenderedFile]:
    """The files that ``roles`` put on a node, in their order.

    Args:
        roles_dir: directory of the roles.
        variables: what ``clusterctl.variables`` says of the node; role defaults fill in the rest.

    Raises:
        RenderError: a role or template is missing or wrong, a variable is undefined, or two roles write one file.
    """
    loaded = [_load(roles_dir, role) for role in roles]
    values = _with_defaults(loaded, variables)
    rendered: dict[str, RenderedFile] = {}
    for role in loaded:
        environment = _environment(role.directory / "templates")
        for entry in role.files:
            path = entry["dest"]
            if path in rendered:
                raise RenderError(f"two roles write {path}, one of them is {role.name}")
            if _applies(entry, values):
                rendered[path] = RenderedFile(
                    path=path,
                    content=_render(environment, entry["src"], role.name, values),
                    mode=entry["mode"],
                    owner=entry.get("owner", "root"),
                    group=entry.get("group", "root"),
                )
    return list(rendered.values())


def units(roles_dir: Path, roles: Sequence[str], variables: Mapping[str, Any]) -> list[str]:
    """Names of the systemd units that ``roles`` enable on a node, in the order in which they are started.

    Raises:
        RenderError: a role is missing or wrong.
    """
    loaded = [_load(roles_dir, role) for role in roles]
    values = _with_defaults(loaded, variables)
    return [service["name"] for role in loaded for service in role.services if _applies(service, values)]


def owners(roles_dir: Path, roles: Sequence[str]) -> dict[str, str]:
    """Path of a file or name of a unit -> the role that puts it on a node; also those that not every node has.

    Raises:
        RenderError: a role is missing or wrong.
    """
    loaded = [_load(roles_dir, role) for role in roles]
    files = {entry["dest"]: role.name for role in loaded for entry in role.files}
    return files | {service["name"]: role.name for role in loaded for service in role.services}


def prepare(roles_dir: Path, roles: Iterable[str]) -> None:
    """Reads roles and compiles their templates, for a process that forks others which render.

    Raises:
        RenderError: a role or template is missing or wrong.
    """
    for name in roles:
        role = _load(roles_dir, name)
        environment = _environment(role.directory / "templates")
        for entry in role.files:
            _template(environment, entry["src"], name)


def manifest(files: Iterable[RenderedFile]) -> str:
    """The digests by which a node checks that its files arrived whole, as ``sha256sum --check`` reads them."""
    return "".join(f"{hashlib.sha256(file.content.encode()).hexdigest()}  {file.path}\n" for file in files)


def _load(roles_dir: Path, role: str) -> _Role:
    directory = roles_dir / role
    variables = _yaml(directory / "vars" / "main.yml")
    return _Role(
        name=role,
        directory=directory,
        defaults=_yaml(directory / "defaults" / "main.yml"),
        files=tuple(variables[f"{role}_files"]),
        services=tuple(variables[f"{role}_services"]),
    )


@lru_cache(maxsize=64)  # the same few files for each node of a cluster
def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RenderError(f"cannot read {path}: {error}", hint="reinstall clusterctl") from error
    if not isinstance(data, Mapping):
        raise RenderError(f"{path} holds no mapping of variables", hint="reinstall clusterctl")
    return data


def _with_defaults(roles: Sequence[_Role], variables: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for role in roles:
        values.update(role.defaults)
    return {**values, **variables}


def _applies(entry: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return "when" not in entry or bool(values.get(entry["when"]))


@lru_cache(maxsize=64)  # it keeps compiled templates: compiling takes longer than all else that a node costs here
def _environment(templates: Path) -> jinja2.Environment:
    # trim_blocks, keep_trailing_newline and strictness are what ansible.builtin.template uses; None becomes ''.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: "" if value is None else value,
        autoescape=False,  # noqa: S701  (plain configuration files, not HTML)
    )
    environment.filters = {name: environment.filters[name] for name in ALLOWED_FILTERS}
    environment.globals.clear()
    return environment


def _render(environment: jinja2.Environment, source: str, role: str, values: Mapping[str, Any]) -> str:
    template = _template(environment, source, role)
    try:
        return template.render(values)
    except jinja2.UndefinedError as error:
        raise RenderError(f"{role}/templates/{source}: {error.message}") from error


def _template(environment: jinja2.Environment, source: str, role: str) -> jinja2.Template:
    try:
        return environment.get_template(source)
    except jinja2.TemplateNotFound as error:
        raise RenderError(f"role {role} has no template {error.name}", hint="reinstall clusterctl") from error
    except jinja2.TemplateSyntaxError as error:
        raise RenderError(f"{role}/templates/{error.name}:{error.lineno}: {error.message}") from error
