"""``clusterctl image``: build and list base images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clusterctl.cli.output import print_json, print_line
from clusterctl.cli.session import CloudName, Json, given, interruptible, waiter

verbs = typer.Typer(help="Build and list base images.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Adds ``image`` with its verbs to the program."""
    app.add_typer(verbs, name="image")


@verbs.command()
def build(
    context: typer.Context,
    artifacts: Annotated[Path, typer.Argument(metavar="ARTIFACTS", help="The artifacts file (YAML).")] = Path(
        "artifacts.yml"
    ),
    cloud: CloudName = None,
    force: Annotated[bool, typer.Option("--force", help="Build even if nothing changed.")] = False,
    max_age: Annotated[
        float | None,
        typer.Option("--max-age", min=0, metavar="DAYS", help="Build if the newest image of these inputs is older."),
    ] = None,
    timeout: Annotated[
        int | None,
        typer.Option(
            "--timeout",
            min=10,
            help="Seconds for each wait: for the builder to boot, for the snapshot.",
            show_default=False,
        ),
    ] = None,
    steal_lock: Annotated[
        bool, typer.Option("--steal-lock", help="Take over the lock that another build of the family holds.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Build the base image on the cloud.

    Does nothing if there is one of the same inputs.
    """
    from clusterctl import paths
    from clusterctl.cloud import open_cloud
    from clusterctl.ops.image.build import Sources, build_image
    from clusterctl.ops.image.builder import ImageBuilder
    from clusterctl.ops.image.software import load_artifacts
    from clusterctl.ops.kit.lock import Guard

    spec = load_artifacts(artifacts)
    if cloud:
        spec = spec.model_copy(update={"build": spec.build.model_copy(update={"cloud": cloud})})
    command = given(context)
    with interruptible(command) as progress:
        guard = Guard("image-build", steal=steal_lock, unlock=str(command.having(steal_lock=True)), note=progress.note)
        builder = ImageBuilder(spec, open_cloud(spec.build.cloud), progress, waiter(context, progress))
        sources = Sources(artifacts.parent, paths.data_root(), paths.cache_root() / "artifacts")
        report = build_image(builder, sources, guard, force=force, max_age_days=max_age)
    if as_json:
        print_json(report.to_json())
    else:
        outcome = "built" if report.built else "is up to date: nothing to build"
        print_line(f"image {report.name} ({report.id}) {outcome}")


@verbs.command()
def validate(
    artifacts: Annotated[Path, typer.Argument(metavar="ARTIFACTS", help="The artifacts file (YAML).")] = Path(
        "artifacts.yml"
    ),
    as_json: Json = False,
) -> None:
    """Check an artifacts file; needs no cloud.

    Whether Marathon, Jenkins, its plugins and their Java go together, by the versions that the file names.
    """
    from clusterctl.ops.image.software import load_artifacts

    named = load_artifacts(artifacts).artifacts.named()
    if as_json:
        print_json({"valid": True, "artifacts": {name: each.version for name, each in named.items()}})
    else:
        print_line(f"{artifacts}: ok; {', '.join(f'{name} {each.version}' for name, each in named.items())}")


@verbs.command("list")
def list_images(
    cloud: Annotated[str, typer.Option("--cloud", help="Entry of clouds.yaml.", envvar="OS_CLOUD")],
    family: Annotated[str, typer.Option(help="The image family.")] = "clusterctl-base",
    as_json: Json = False,
) -> None:
    """List images with the versions inside.

    Those of a family, newest first.
    """
    from clusterctl.cloud import open_cloud
    from clusterctl.ops.image.build import BUILT
    from clusterctl.releases import IMAGE_VERSION
    from clusterctl.services import ARTIFACTS

    images = open_cloud(cloud).images(family=family)
    if as_json:
        rows = [{"id": i.id, "name": i.name, "created": i.created, "properties": dict(i.properties)} for i in images]
        print_json({"images": rows})
        return
    for image in images:
        versions = [
            f"{name} {image.properties.get(IMAGE_VERSION.format(name), '?')}"
            for name in dict.fromkeys(ARTIFACTS.values())
        ]
        print_line(f"{image.name}  {image.id}  built {image.properties.get(BUILT, '?')}  {', '.join(versions)}")
    if not images:
        print_line(f"no image of family {family}; `clusterctl image build` makes one")
