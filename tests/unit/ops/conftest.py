"""Operations are tested without rendering, which costs 0.1 s a node and has tests of its own."""

from __future__ import annotations

import pytest

from clusterctl.ops.lifecycle import apply


@pytest.fixture(autouse=True)
def no_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "user_data", lambda *_args: b"#cloud-config\n")
