"""The configuration of every service: templates in lab/openstack/config, written into the container's root."""

import json
import re
from pathlib import Path

from .cache import digest
from .settings import HERE, PASSWORD, ZONES, LabError, Settings
from .shell import run

CONFIG = HERE / "config"


def render(template: str, values: dict[str, str], snippets: dict[str, str]) -> str:
    """Fills in `@name@`, and lines `@snippet ARG...@` by the snippet, in which `@1@`, `@2@` are the arguments.

    Raises LabError for a name that is neither a value nor a snippet.
    """

    def include(match: re.Match[str]) -> str:
        name, *arguments = match[1].split()
        if name not in snippets:
            return match[0]
        numbered = {str(n): argument for n, argument in enumerate(arguments, 1)}
        return render(snippets[name], values | numbered, {}).rstrip("\n")

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise LabError(f"@{match[1]}@ is not a value of the lab's configuration: {', '.join(sorted(values))}")
        return values[match[1]]

    text = re.sub(r"^@([a-z]+(?: [a-z_]+)*)@$", include, template, flags=re.MULTILINE)
    return re.sub(r"@([a-z_]+|[1-9])@", value, text)


def values_of(lab: Settings, kvm: bool, images: str) -> dict[str, str]:
    """What the templates may name. `images` tells one build of the guest images from another."""
    return {
        "ip": lab.gateway,
        "link_host": lab.link_host,
        "password": PASSWORD,
        "virt_type": "kvm" if kvm else "qemu",
        "cpu_mode": "host-passthrough" if kvm else "none",
        "zones": json.dumps(ZONES),
        "fake_hosts": " ".join(ZONES["fake"]),
        "images": images,
        "setup": digest([CONFIG / "root" / "usr"], images),
    }


def apply(lab: Settings, kvm: bool, images: str) -> None:
    """Writes all files and runs config/apply in the root, unless that was done for the same inputs."""
    values = values_of(lab, kvm, images)
    marker, current = lab.state / "config.digest", digest([CONFIG], json.dumps(values))
    if marker.exists() and marker.read_text() == current:
        return
    marker.unlink(missing_ok=True)
    snippets = {path.name: path.read_text() for path in (CONFIG / "snippets").iterdir()}
    for source in sorted(p for p in (CONFIG / "root").rglob("*") if p.is_file()):
        target = lab.rootfs / source.relative_to(CONFIG / "root")
        write(target, render(source.read_text(), values, snippets), executable=bool(source.stat().st_mode & 0o100))
    run("cp", CONFIG / "apply", lab.rootfs / "run" / "apply")
    run("chroot", lab.rootfs, "/run/apply")
    marker.write_text(current)


def write(target: Path, text: str, *, executable: bool) -> None:
    """Writes a file, keeping owner and mode of one that is there (a package made it for its service's eyes)."""
    if target.is_symlink():
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    if executable:
        target.chmod(0o755)
