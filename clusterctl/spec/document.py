"""A YAML document as plain Python values plus the position of every key and value in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Path = tuple[str | int, ...]

# Aliases let a small file stand for an enormous tree; a cluster file has a few hundred values.
MAX_VALUES = 100_000

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: where (1-based line and column) and what."""

    line: int
    column: int
    message: str


class DocumentError(Exception):
    """The text is no YAML document that we take."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass
class Document:
    """Plain values (dict, list, str, int, float, bool, None) and where they stand."""

    value: Any = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def position(self, path: Path, *, at_key: bool = False) -> tuple[int, int]:
        """1-based line and column of the deepest part of ``path`` that stands in the file.

        Of a scalar's own place; of the key for a mapping or list below a key, and with ``at_key``.
        """
        while path and path not in self.values:
            path = path[:-1]
        if path in self.keys and (at_key or isinstance(self._at(path), (dict, list))):
            return self.keys[path]
        return self.values.get(path, (1, 1))

    def _at(self, path: Path) -> Any:
        value = self.value
        for part in path:
            value = value[part]
        return value


def parse(text: str) -> Document:
    """The one document in ``text``.

    Raises:
        DocumentError: it is not YAML, has a duplicate key, a key that is not text, a tag, or contains itself.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 2)  # 'no' and 'on' are text, as for an editor that uses the JSON Schema
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DocumentError(Problem(line, column, f"not YAML: {error.problem or error.context}")) from error
    except (YAMLError, ValueError, TypeError, AttributeError, NotImplementedError, RecursionError) as error:
        # the reader and scanner raise plain errors for some malformed text (control characters, bad escapes, depth)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DocumentError(Problem(*_reader_position(text, error), f"not YAML: {first}")) from error
    document = Document()
    if root is not None:
        document.value = _Walker(document).plain(root, (), ())
    return document


class _Walker:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0
        self._merged: dict[int, dict[str, tuple[Node, Node]]] = {}  # by node: '<<' in '<<' must not multiply

    def plain(self, node: Node, path: Path, parents: tuple[int, ...]) -> Any:
        self._document.values[path] = _at(node)
        self._count += 1
        if self._count > MAX_VALUES:
            raise _error(node, f"more than {MAX_VALUES} values; aliases multiply them")
        if id(node) in parents:
            raise _error(node, "an anchor contains itself")
        inner = (*parents, id(node))
        if len(inner) > 50:
            raise _error(node, "nested more than 50 deep")
        kind = str(node.tag).removeprefix(_TAG)
        if isinstance(node, MappingNode):
            _expect(node, kind, "map")
            return self._mapping(node, path, inner)
        if isinstance(node, SequenceNode):
            _expect(node, kind, "seq")
            return [self.plain(child, (*path, index), inner) for index, child in enumerate(node.value)]
        return _scalar(node, kind, str(node.value))

    def _mapping(self, node: MappingNode, path: Path, parents: tuple[int, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, (key, value) in self._entries(node, parents).items():
            self._document.keys[(*path, name)] = _at(key)
            result[name] = self.plain(value, (*path, name), parents)
            if value.start_mark.index == value.end_mark.index and not value.value:  # nothing: its mark is the next key
                self._document.values[(*path, name)] = _at(key)
        return result

    def _entries(self, node: MappingNode, parents: tuple[int, ...]) -> dict[str, tuple[Node, Node]]:
        """Name -> nodes of key and value, with those that ``<<`` merges in: own keys win, then the first of several.

        A merged value stands where its anchor is, and so is a mistake in it.
        """
        if id(node) in self._merged:
            return self._merged[id(node)]
        own: dict[str, tuple[Node, Node]] = {}
        merge: tuple[Node, Node] | None = None
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise _error(key, "found a mapping or list as a key; allowed: text")
            name, is_merge = str(key.value), str(key.tag) == f"{_TAG}merge"
            if name in own or (is_merge and merge):
                raise _error(key, f"duplicate key {name!r}; remove one")
            if is_merge:
                merge = key, value
            else:
                own[name] = key, value
        self._merged[id(node)] = {**(self._merge(*merge, parents) if merge else {}), **own}
        return self._merged[id(node)]

    def _merge(self, key: Node, value: Node, parents: tuple[int, ...]) -> dict[str, tuple[Node, Node]]:
        found: dict[str, tuple[Node, Node]] = {}
        for source in value.value if isinstance(value, SequenceNode) else [value]:
            if not isinstance(source, MappingNode):
                raise _error(key, "found no mapping behind '<<'; allowed: an alias of a mapping, or a list of such")
            if id(source) in parents:
                raise _error(key, "an anchor contains itself")
            found = {**self._entries(source, (*parents, id(source))), **found}
        return found


def _scalar(node: Node, kind: str, text: str) -> Any:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    try:
        if kind == "int":
            return int(text.replace("_", ""), 0) if text.lstrip("+-")[:2].lower() in ("0x", "0o") else int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        return text
    if kind in ("str", "timestamp", "merge", "value"):
        return text
    raise _error(node, f"found the tag {node.tag}; allowed: plain values without tags")


def _expect(node: Node, kind: str, wanted: str) -> None:
    if kind != wanted:
        raise _error(node, f"found the tag {node.tag}; allowed: plain values without tags")


def _at(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _error(node: Node, message: str) -> DocumentError:
    return DocumentError(Problem(*_at(node), message))


def _reader_position(text: str, error: Exception) -> tuple[int, int]:
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return 1, 1
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
