"""Builds that fail: made again, past the time that Nova's scheduler needs to hear of them, then named."""

from __future__ import annotations
