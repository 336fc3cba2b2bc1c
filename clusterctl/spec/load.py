"""Reads a YAML file into a frozen model and turns every mistake into ``file:line:column``.

Used for the cluster file and for ``artifacts.yml``: anything that a person writes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from clusterctl.errors import InputError
from clusterctl.spec.model import ClusterSpec

Model = TypeVar("Model", bound=BaseModel)
Path_ = tuple[str | int, ...]

# A cluster file is a page long. The bound keeps a wrong path (an image, a log) from being parsed for minutes.
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: where (1-based line and column) and what."""

    line: int
    column: int
    message: str


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
    yaml = YAML(typ="rt")
    yaml.version = (1, 2)  # 'no' and 'on' stay text, as in a JSON Schema aware editor
    try:
        data = yaml.load(text)
    except DuplicateKeyError as error:
        problem = str(error.problem or "duplicate key").split(" with value")[0]
        raise _input_error(name, [_marked(error, problem)]) from error
    except MarkedYAMLError as error:
        raise _input_error(name, [_marked(error, f"not YAML: {error.problem or error.context}")]) from error
    except (YAMLError, ValueError, RecursionError, AttributeError, NotImplementedError) as error:
        # ruamel raises plain errors for some malformed documents (reader errors, bad escapes, bad tags, bad version)
        line, column = _reader_position(text, error)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _input_error(name, [Problem(line, column, f"not YAML: {first}")]) from error
    if not isinstance(data, CommentedMap):
        found = "nothing" if data is None else f"a {_kind(data)}"
        raise _input_error(name, [Problem(1, 1, f"found {found}; allowed: a mapping of keys such as 'cluster:'")])
    try:
        return model.model_validate(_plain(data))
    except ValidationError as error:
        raise _input_error(name, sorted_problems(error, data, model)) from error
    except RecursionError as error:
        raise _input_error(name, [Problem(1, 1, "nested too deep; an anchor may contain itself")]) from error


def sorted_problems(error: ValidationError, data: CommentedMap, model: type[BaseModel]) -> list[Problem]:
    """The problems of a validation error in the order of the file."""
    problems = {_problem(dict(item), data, model) for item in error.errors(include_url=False)}
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
        raise InputError(f"{path}: larger than {MAX_BYTES // 1024} KiB; this is no cluster file")
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


def _marked(error: MarkedYAMLError, message: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(1, 1, message)
    return Problem(mark.line + 1, mark.column + 1, message)


def _reader_position(text: str, error: Exception) -> tuple[int, int]:
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return 1, 1
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


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


def _plain(node: Any, parents: tuple[int, ...] = ()) -> Any:
    """ruamel's containers and scalars as plain Python, which pydantic's strict mode wants."""
    if id(node) in parents:
        raise RecursionError
    if isinstance(node, Mapping):
        return {_plain(key): _plain(value, (*parents, id(node))) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value, (*parents, id(node))) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return None if node is None else str(node)


def _problem(item: dict[str, Any], data: CommentedMap, model: type[BaseModel]) -> Problem:
    context = item.get("ctx") or {}
    path: Path_ = tuple(part for part in item["loc"] if not _is_tag(part)) + tuple(context.get("at", ()))
    line, column = _position(data, path)
    name = ".".join(str(part) for part in path if part != "[key]")
    message = _message(item, path, model)
    return Problem(line, column, f"{name}: {message}" if name else message)


def _is_tag(part: str | int) -> bool:
    # pydantic puts the names of a union's branches into the path: literal['embedded'], Fetch
    return isinstance(part, str) and (part.startswith(("literal[", "function-")) or part == "Fetch")


def _message(item: dict[str, Any], path: Path_, model: type[BaseModel]) -> str:
    kind, context = item["type"], item.get("ctx") or {}
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        allowed = sorted(_keys_at(model, path[:-1]))
        close = difflib.get_close_matches(str(path[-1]), allowed, n=1)
        suggestion = f" (did you mean '{close[0]}'?)" if close else ""
        return f"unknown key{suggestion}; allowed: {', '.join(allowed)}"
    found = _found(item.get("input"))
    if kind in ("enum", "literal_error"):
        return f"found {found}; allowed: {str(context['expected']).replace(' or ', ', ')}"
    if "message" in context:
        return str(context["message"])
    text = str(item["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return f"found {found}; allowed: {text}"


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (Mapping, list, tuple)):
        return f"a {_kind(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(model: type[BaseModel], path: Path_) -> Iterator[str]:
    """Keys allowed in the mapping at ``path``."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:  # a key of a dict such as groups.<name>: the model stays that of the dict's values
            continue
        found = _model_in(field.annotation)
        if found is None:
            return
        model = found
    yield from model.model_fields


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def _position(data: CommentedBase, path: Path_) -> tuple[int, int]:
    """1-based line and column of the deepest part of ``path`` that stands in the file."""
    line, column = 0, 0
    node: Any = data
    for part in path:
        try:
            if isinstance(node, CommentedMap) and part in node:
                line, column = node.lc.key(part)
                value = node[part]
                if not isinstance(value, (CommentedMap, CommentedSeq)):
                    line, column = node.lc.value(part)
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line, column = node.lc.item(part)
            else:
                break
        except (KeyError, TypeError, AttributeError):  # keys merged from an anchor have no position of their own
            break
        node = node[part]
    return line + 1, column + 1
