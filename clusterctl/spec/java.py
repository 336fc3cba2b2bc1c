"""Which Java a service runs on.

Marathon's requirements (its docs, "Setting up and running", releases 1.8 to 1.11) say JDK 1.8 or newer and name 8 as
its default, and its own container images have 8. All of them ship Guice 4.1.0 (its Dependencies.scala), which dies on
Java 16 and newer (google/guice #1133). So of the Javas with long-term support 8 and 11 are left; 11 was not tried.

ZooKeeper 3.8 runs on Java 8 and newer (its administrator's guide, "Required Software"). A closed one reads its secrets
from a file of options (``java @FILE``), which Java has since 9 (JDK-8027634).
"""

from __future__ import annotations

from clusterctl.numbers import java_major, java_of_package, number

MARATHON_JAVA: dict[str, tuple[int, ...]] = {"1.8": (8, 11), "1.9": (8, 11), "1.10": (8, 11), "1.11": (8, 11)}

# The oldest that runs ZooKeeper
ZOOKEEPER_JAVA = 8
CLOSED_ZOOKEEPER_JAVA = 9


def marathon_java(version: str) -> tuple[int, ...]:
    """Java versions that a release of Marathon runs on; none if the table doesn't have it."""
    return MARATHON_JAVA.get(".".join(map(str, number(version)[:2])), ())


def wrong_java(
    version: str, allowed: tuple[int, ...], *, artifact: str | None = None, package: str | None = None
) -> str | None:
    """Why a Marathon doesn't run on that Java; None if it does, or if a package's name doesn't tell.

    Args:
        version: of Marathon.
        allowed: Java versions that it runs on; empty: nothing is known of it.
        artifact: version of an unpacked Java.
        package: Debian package of Java.
    """
    major = java_major(artifact) if artifact is not None else java_of_package(package or "")
    if major is None or not allowed or major in allowed:
        return None
    return (
        f"found Java {major} ({artifact or package}); allowed with Marathon {version}: Java "
        f"{' or '.join(map(str, allowed))}. Give it one of its own, 'marathon_java_package' or "
        "'artifacts.marathon_java'; if this Marathon does run on others, say so there: 'java: [8, 17]'"
    )


def old_java(least: int, *, artifact: str | None = None, package: str | None = None) -> str | None:
    """Why ZooKeeper doesn't run on that Java; None if it does, or if a package's name doesn't tell.

    Args:
        least: oldest Java that it runs on.
        artifact: version of an unpacked Java.
        package: Debian package of Java.
    """
    major = java_major(artifact) if artifact is not None else java_of_package(package or "")
    if major is None or major >= least:
        return None
    return (
        f"found Java {major} ({artifact or package}); allowed with ZooKeeper: {least} or newer. Give it one of its "
        "own, 'zookeeper_java_package' or 'artifacts.zookeeper_java'"
        + (
            f"; Java {ZOOKEEPER_JAVA} is enough where clusters leave ZooKeeper open: 'zookeeper_open: true'"
            if major >= ZOOKEEPER_JAVA and least > ZOOKEEPER_JAVA
            else ""
        )
    )
