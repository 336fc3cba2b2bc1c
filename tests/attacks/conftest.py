"""The lab, its artifacts and the image are those of the other tests with clusters."""

from __future__ import annotations

from tests.e2e.conftest import artifacts, container_image, lab

__all__ = ["artifacts", "container_image", "lab"]
