"""What the harness of failing calls reads from the proxy's log."""

from __future__ import annotations

from collections import Counter

from lab.faultproxy.proxy import Entry
from tests.faults.calls import FAULTS, Run, cells, kind_of, patterns, table

ID = "0f9e8d7c-0000-4000-8000-000000000001"
PORTS = "POST /network/v2.0/ports"
SERVER = f"DELETE /compute/v2.1/servers/{ID}"


def log(*entries: tuple[str, str | None, int | None]) -> list[Entry]:
    return [Entry(number, *entry) for number, entry in enumerate(entries, 1)]


def told(undisturbed: list[str], *entries: tuple[str, str | None, int | None]) -> dict[str, str]:
    counts = Counter(kind_of(request) for request in undisturbed)
    return cells(log(*entries), counts, counts)


def test_kinds_have_no_ids() -> None:
    assert kind_of(SERVER) == "compute: DELETE /servers/{id}"
    assert kind_of("POST /identity/v3/auth/tokens") == "identity: POST /v3/auth/tokens"
    requests = [SERVER, "GET /volumev3/v3/0123456789abcdef0123456789abcdef/volumes/detail"]
    assert list(patterns(log(*((request, None, 200) for request in requests))).values()) == [
        "DELETE /compute/v2.1/servers/*",
        "GET /volumev3/v3/*/volumes/detail",
    ]


def test_a_creating_call_was_repeated_or_found() -> None:
    kind = kind_of(PORTS)
    assert told([PORTS], (PORTS, "status before", 500), (PORTS, None, 201)) == {kind: "again"}
    assert told([PORTS], (PORTS, "reset after", None)) == {kind: "found"}
    assert told([PORTS], (PORTS, "reset before", None)) == {kind: "not repeated"}
    # another of the kind is no repetition
    assert told([PORTS, PORTS], (PORTS, "reset before", None), (PORTS, None, 201)) == {kind: "not repeated"}


def test_another_call_was_repeated_only_if_it_was_answered() -> None:
    kind = kind_of(SERVER)
    assert told([SERVER], (SERVER, "hang before", None), (SERVER, None, 404)) == {kind: "again"}
    assert told([SERVER], (SERVER, "hang before", None), (SERVER, "hang before", None)) == {kind: "not repeated"}
    assert told([SERVER], (SERVER, None, 204)) == {}, "nothing struck"


def test_the_table_says_how_each_command_ended() -> None:
    first, second = list(FAULTS)[:2]
    runs = [
        Run("create", first, 0, {"a": "again"}, [], 1.0),
        Run("destroy", first, 0, {"a": "again", "b": "found"}, [], 1.0),
        Run("create", second, 1, {"a": "not repeated"}, ["server x"], 1.0),
    ]
    assert table(runs).splitlines()[2:] == [
        "| `a` | again | not repeated |",
        "| **create**: calls struck, end | 1, as undisturbed | 1, exit code 1 |",
        "| `b` | found |  |",
        "| **destroy**: calls struck, end | 2, as undisturbed |  |",
    ]
