"""The nodes whose files are looked at are those of the renderer's tests."""

from tests.unit.render.conftest import nodes

__all__ = ["nodes"]
