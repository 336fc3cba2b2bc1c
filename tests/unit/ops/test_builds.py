"""Builds that fail: made again, past the time that Nova's scheduler needs to hear of them, then named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from clusterctl.cloud.faults import Fault
from clusterctl.cloud.memory import MemoryCloud
from clusterctl.errors import ClusterctlError, NodeError
from clusterctl.ops.builds import NO_HOST, PAUSES_S
from clusterctl.ops.create import CreateReport, create
