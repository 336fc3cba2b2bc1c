"""A turn of secrets that is under way, for those who look: until it is finished, the last secrets are good still."""

from __future__ import annotations

from collections.abc import Mapping

from clusterctl.health.check import Check
from clusterctl.ops.kit.command import Command
from clusterctl.ops.kit.standing import Standing
from clusterctl.secrets.epochs import Epochs, furthest, parse_epochs
from clusterctl.secrets.nodes import EPOCHS_FILE
from clusterctl.secrets.stages import Stage


def told_epochs(standing: Mapping[str, Standing]) -> Epochs | None:
    """As control nodes told them; None if none did.

    Raises:
        ClusterctlError: a node's file is of a newer release.
    """
    if not standing:
        return None
    texts = {name: text for name, each in standing.items() if (text := each.texts[EPOCHS_FILE])}
    return furthest(parse_epochs(text, f"{name}:{EPOCHS_FILE}") for name, text in texts.items())


def turning_check(epochs: Epochs | None) -> Check:
    """Of ``verify``, for information: a turn is no fault, and one that was left lying is to be seen.

    Args:
        epochs: None where no control node could be asked, which other checks tell.
    """
    if epochs is None:
        return Check("secrets.turn", True, "unknown: no control node could be asked")
    if epochs.stage is Stage.OPEN:
        return Check("secrets.turn", True, "none under way")
    command = Command("secrets rotate", words=epochs.turning)
    of = ", ".join(epochs.turning) or "all secrets"
    detail = f"one of {of} is under way ({epochs.stage.name.lower()}); `{command}` finishes it"
    return Check("secrets.turn", True, detail)
