"""Brings files with secrets to nodes: over the pinned SSH, on standard input, all nodes at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from clusterctl.errors import NodeError
from clusterctl.ops.kit.access import Access
from clusterctl.remote.standardinput import sent
from clusterctl.secrets.files import SecretFile
from clusterctl.ssh.client import Result, SshError
from clusterctl.ssh.config import Target

_TIMEOUT_S = 60.0


def deliver(access: Access, files: Mapping[Target, Sequence[SecretFile]]) -> dict[str, list[str]]:
    """Puts files in their places, each whole or not at all; those that are as wanted are left alone.

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
    trusted = [target for target in files if target.name not in failed]
    scripts = {
        target.name: sent("place.py", {"files": [_json(file) for file in files[target]]}, root=True)
        for target in trusted
    }
    answers = access.ssh.run_many(
        trusted,
        lambda to: scripts[to.name].command,
        stdin=lambda to: scripts[to.name].stdin,
        timeout_s=_TIMEOUT_S,
    )
    changed: dict[str, list[str]] = {}
    for target in trusted:
        answer = answers[target.name]
        if isinstance(answer, SshError):
            failed[target.name] = answer.reason
            continue
        try:
            changed[target.name] = _checked(answer, files[target])
        except ValueError as error:
            failed[target.name] = str(error)
    if failed:
        told = "\n".join(f"    {name}: {reason}" for name, reason in sorted(failed.items()))
        raise NodeError(
            f"{len(failed)} of {len(files)} nodes did not get their credentials:\n{told}",
            hint="The others have theirs; the same command brings the rest.",
        )
    return changed


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
