"""Brings files with secrets to nodes: over the pinned SSH, on standard input, all nodes at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clusterctl.errors import NodeError
from clusterctl.ops.kit.access import Access
from clusterctl.remote.nospace import no_space
from clusterctl.remote.standardinput import sent
from clusterctl.secrets.files import SecretFile
from clusterctl.ssh.client import Result, SshError
from clusterctl.ssh.config import Target

_TIMEOUT_S = 60.0


@dataclass
class Delivered:
    """What became of a delivery, by node name.

    Attributes:
        changed: the paths that changed.
        failed: why a node did not get its files.
    """

    changed: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def deliver(
    access: Access, files: Mapping[Target, Sequence[SecretFile]], *, look: bool = False
) -> dict[str, list[str]]:
    """Puts files in their places, each whole or not at all; those that are as wanted are left alone.

    Args:
        look: writes nothing; tells what would change.

    Returns:
        By node name, the paths that changed.

    Raises:
        NodeError: nodes could not be reached or refused; names them all. The others have their files.
        CloudError: a console can't be read, of a node whose host key isn't pinned yet.
    """
    failed: dict[str, str] = {}
    for target in files:
        try:
            access.host_keys.require(target)
        except NodeError as error:
            failed[target.name] = error.message.removeprefix(f"node {target.name}: ")
    done = attempt(access, {target: each for target, each in files.items() if target.name not in failed}, look=look)
    failed |= done.failed
    if failed:
        told = "\n".join(f"    {name}: {reason}" for name, reason in sorted(failed.items()))
        raise NodeError(
            f"{len(failed)} of {len(files)} nodes did not get their credentials:\n{told}",
            hint="The others have theirs; the same command brings the rest.",
        )
    return done.changed


def attempt(access: Access, files: Mapping[Target, Sequence[SecretFile]], *, look: bool = False) -> Delivered:
    """``deliver`` to nodes whose host keys are pinned; who fails is told, not raised."""
    scripts = {
        target.name: sent("place.py", {"files": list(map(_json, each)), "look": look}, root=True)
        for target, each in files.items()
    }
    answers = access.ssh.run_many(
        files,
        lambda to: scripts[to.name].command,
        stdin=lambda to: scripts[to.name].stdin,
        timeout_s=_TIMEOUT_S,
    )
    done = Delivered()
    for target, wanted in files.items():
        answer = answers[target.name]
        if isinstance(answer, SshError):
            done.failed[target.name] = answer.reason
            continue
        try:
            done.changed[target.name] = _checked(answer, wanted)
        except ValueError as error:
            done.failed[target.name] = no_space(target.name, str(error))
    return done


def _json(file: SecretFile) -> dict[str, object]:
    names = {"path": file.path, "owner": file.owner, "group": file.group, "mode": file.mode}
    return {**names, "text": file.content.reveal()}


def _checked(answer: Result, files: Sequence[SecretFile]) -> list[str]:
    """The paths that changed; ValueError says why the delivery failed, without repeating what was sent."""
    if answer.returncode != 0:
        said = (answer.stderr.strip() or "nothing").splitlines()[-1]
        raise ValueError(f"the script ended with {answer.returncode} and said: {said}")
    told = json.loads(answer.stdout)
    if "error" in told:
        raise ValueError(told["error"])
    wrong = [file.path for file in files if told["answer"].get(file.path, {}).get("sha256") != file.digest]
    if wrong:
        raise ValueError(f"what arrived at {', '.join(wrong)} is not what was sent")
    return [path for path, seen in told["answer"].items() if seen["changed"]]
