"""Reads a YAML file into a frozen model and turns every mistake into ``file:line:column``.

Used for the cluster file and for ``artifacts.yml``: anything that a person writes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError

from clusterctl.errors import InputError
from clusterctl.spec.document import Document, DocumentError, Problem, parse
from clusterctl.spec.document import Path as KeyPath
from clusterctl.spec.model import ClusterSpec

Model = TypeVar("Model", bound=BaseModel)

# What pydantic's kinds of error allow, in words for people who write YAML
_ALLOWED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "greater_than_equal": "{ge} or more",
    "int_type": "a whole number, without quotes",
    "less_than_equal": "{le} or less",
    "list_type": "a list",
    "model_type": "a mapping",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} character(s)",
    "string_type": "text (put it in quotes)",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entry",
    "tuple_type": "a list",
}

# What to add, where the name alone doesn't say it
_SSH_FROM = (
    "is missing; add 'access: {ssh_from: [CIDR, ...]}', the networks that may reach port 22, or 'network' for the "
    "nodes' own network only"
)
_MISSING: dict[KeyPath, str] = {("access",): _SSH_FROM, ("access", "ssh_from"): _SSH_FROM}

# A cluster file is a page long. The bound keeps a wrong path (an image, a log) from being parsed for minutes.
MAX_BYTES = 1024 * 1024


def load_spec(path: Path) -> ClusterSpec:
    """The cluster file at ``path``.

    Raises:
        InputError: the file can't be read, is no YAML, or breaks a rule; the message lists every mistake as
            ``file:line:column: key: what was found and what is allowed``.
    """
    return load_model(path, ClusterSpec)


def load_model(path: Path, model: type[Model]) -> Model:
    """The YAML file at ``path`` as ``model``; raises InputError as ``load_spec`` does."""
    return parse_model(_read(path), model, str(path))


def parse_model(text: str, model: type[Model], name: str) -> Model:
    """The YAML ``text`` as ``model``; ``name`` stands in the messages for the file."""
    try:
        document = parse(text)
    except DocumentError as error:
        raise _input_error(name, [error.problem]) from error
    if not isinstance(document.value, dict):
        found = "nothing" if document.value is None else f"a {_kind(document.value)}"
        raise _input_error(name, [Problem(1, 1, f"found {found}; allowed: a mapping of keys such as 'cluster:'")])
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise _input_error(name, sorted_problems(error, document, model)) from error


def place_of(path: Path, at: KeyPath) -> tuple[int, int]:
    """Line and column of the key ``at`` in a file that loads, or of what stands around it."""
    return parse(_read(path)).position(at, at_key=True)


def located(path: Path, problems: Iterable[str]) -> InputError:
    """The error of a file that loads and whose parts don't go together, each mistake with its place.

    Args:
        problems: each begins with its key, as ``artifacts.jenkins: found ...``; the place of a key that is not in the
            file is what stands around it.
    """
    document = parse(_read(path))
    found = []
    for text in problems:
        line, column = document.position(tuple(text.partition(":")[0].split(".")))
        found.append(Problem(line, column, _printable(text)))
    return _input_error(str(path), sorted(found, key=lambda each: (each.line, each.column, each.message)))


def sorted_problems(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """The problems of a validation error in the order of the file."""
    items: list[dict[str, Any]] = [dict(item) for item in error.errors(include_url=False)]
    # a list whose entries are wrong is also reported as too short: the entries say it better
    told = {item["loc"][:-1] for item in items}
    items = [item for item in items if item["type"] != "too_short" or item["loc"] not in told]
    items = [item for item in items if not _other_branch(item)]
    problems = {_problem(item, document, model) for item in items}
    return sorted(problems, key=lambda problem: (problem.line, problem.column, problem.message))


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a directory; expected a YAML file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}", hint="Give the path of a YAML file; examples/ has some."
        ) from error
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES // 1024} KiB; this is not a cluster file")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = error.start - (before.rfind(b"\n") + 1) + 1
        raise _input_error(str(path), [Problem(line, column, f"not UTF-8 text ({error.reason})")]) from error


def _input_error(name: str, problems: list[Problem]) -> InputError:
    lines = [f"{name}:{problem.line}:{problem.column}: {problem.message}" for problem in problems]
    return InputError("\n".join(lines))


def _kind(value: object) -> str:
    kinds: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "boolean"),
        (int, "number"),
        (float, "number"),
        (str, "text"),
        (Mapping, "mapping"),
        ((list, tuple), "list"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)


def _problem(item: dict[str, Any], document: Document, model: type[BaseModel]) -> Problem:
    context = item.get("ctx") or {}
    path: KeyPath = tuple(part for part in item["loc"] if not _is_tag(part)) + tuple(context.get("at", ()))
    of_key = item["loc"][-1:] == ("[key]",)  # a name that the file gives is wrong, not what it names
    path = path[:-1] if of_key else path
    line, column = document.position(path, at_key=of_key or item["type"] == "extra_forbidden")
    name = ".".join(map(str, path))
    message = _message(item, path, model)
    return Problem(line, column, _printable(f"{name}: {message}" if name else message))


def _other_branch(item: dict[str, Any]) -> bool:
    """Whether the error is of the branch of a union that the value was not meant for: text or mapping."""
    tags = [part for part in item["loc"] if _is_tag(part)]
    return any((part == "Fetch") != isinstance(item["input"], Mapping) for part in tags if item["loc"][-1] == part)


def _printable(text: str) -> str:
    """Keeps a message on its line, whatever stands in the file."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_tag(part: str | int) -> bool:
    # pydantic puts the names of a union's branches into the path: literal['embedded'], Fetch
    return isinstance(part, str) and (part.startswith(("literal[", "function-")) or part == "Fetch")


def _message(item: dict[str, Any], path: KeyPath, model: type[BaseModel]) -> str:
    kind, context = item["type"], item.get("ctx") or {}
    if kind == "missing":
        return _MISSING.get(path[-2:], _MISSING.get(path[-1:], "is missing; add it"))
    if kind == "extra_forbidden":
        return _unknown(str(path[-1]), model_at(model, path[:-1]))
    found = _found(item.get("input"))
    if kind in ("enum", "literal_error"):
        return f"found {found}; allowed: {str(context['expected']).replace(' or ', ', ')}"
    if "message" in context:
        return str(context["message"])
    if kind in _ALLOWED:
        return f"found {found}; allowed: {_ALLOWED[kind].format(**context)}"
    text = str(item["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return f"found {found}; allowed: {text}"


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (Mapping, list, tuple)):
        return f"a {_kind(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown(name: str, model: type[BaseModel] | None) -> str:
    """What to say of a key that ``model`` doesn't have."""
    elsewhere: Mapping[str, str] = getattr(model, "elsewhere", {})
    if name in elsewhere:
        return elsewhere[name]
    allowed = sorted(field.alias or key for key, field in model.model_fields.items()) if model else []
    close = difflib.get_close_matches(name, [*allowed, *elsewhere], n=1)
    suggestion = f" (did you mean '{close[0]}'?)" if close else ""
    return f"unknown key{suggestion}; " + getattr(model, "unknown", f"allowed: {', '.join(allowed)}")


def model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model of the mapping at ``path``; None for one of plain values."""
    named = False  # the next part is a name that the file gives, such as a group's
    for part in path:
        field = None if named else model.model_fields.get(str(part))
        named = field is not None and get_origin(field.annotation) is dict
        if field is None:  # also the number of a list's entry: the model stays that of the values
            continue
        found = _model_in(field.annotation)
        if found is None:
            return None
        model = found
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
