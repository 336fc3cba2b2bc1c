"""The bundle that nodes with ``user_data: fetch`` download, and its digest.

The bundle is what ``git archive COMMIT -- BUNDLE_PATHS`` gives. Its digest is the sha256 of the text that lists its
files, one line ``<sha256 of the file>  ./<path>`` each, sorted by path as bytes; in a shell::

    find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2 | sha256sum

``cloud-init/fetch`` computes it so on the node before it runs anything of the bundle.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from clusterctl.errors import ClusterctlError

# What the node needs to render its templates: keep in step with cloud-init/fetch (a test compares them).
BUNDLE_PATHS = ("cloud-init", "clusterctl/__init__.py", "clusterctl/errors.py", "clusterctl/render", "roles")


def bundle_digest(repository: Path, commit: str) -> str:
    """The digest (64 hex digits) of the bundle of ``commit`` in the git repository at ``repository``.

    Raises:
        ClusterctlError: git fails (no repository, no such commit, a path is missing in it), or the bundle holds
            something other than plain files.
    """
    command = ["git", "-C", str(repository), "archive", "--format=tar", commit, "--", *BUNDLE_PATHS]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise ClusterctlError(
            f"cannot export the bundle of commit {commit} from {repository}: {reason}",
            hint="name a clone of clusterctl and a commit in it",
        )
    return tree_digest(_files_of(done.stdout))


def full_commit(repository: Path, commit: str) -> str:
    """The full id (40 hex digits) of a commit, branch or tag.

    Raises:
        ClusterctlError: there is no such commit, or no repository.
    """
    command = ["git", "-C", str(repository), "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterctlError(
            f"{repository} has no commit {commit}", hint="name a clone of clusterctl and a commit in it"
        )
    return done.stdout.strip()


def tree_digest(files: Iterable[tuple[str, bytes]]) -> str:
    """The digest of ``files``, pairs of path (relative, with slashes) and content."""
    lines = sorted((f"./{path}".encode(), hashlib.sha256(content).hexdigest()) for path, content in files)
    listing = b"".join(digest.encode() + b"  " + path + b"\n" for path, digest in lines)
    return hashlib.sha256(listing).hexdigest()


def _files_of(archive: bytes) -> list[tuple[str, bytes]]:
    files = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.isdir():
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise ClusterctlError(f"the bundle holds {member.name}, which is not a plain file")
            files.append((member.name, content.read()))
    return files
