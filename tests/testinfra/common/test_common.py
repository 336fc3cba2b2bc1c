"""What every node has."""

from __future__ import annotations

import json
from typing import Any

testinfra_hosts = ["ansible://all"]


def test_the_system_is_healthy(host: Any) -> None:
    failed = host.check_output("systemctl list-units --failed --plain --no-legend")
    assert not [line for line in failed.splitlines() if not line.startswith(("systemd-", "ssh@"))]


def test_it_knows_its_address(host: Any, variables: dict[str, Any]) -> None:
    found = host.check_output("/usr/lib/clusterctl/primary-address")
    assert found == variables.get("clusterctl_address", variables["ansible_host"])


def test_what_is_installed_is_recorded(host: Any) -> None:
    image = json.loads(host.file("/usr/share/clusterctl/image.json").content_string)
    assert set(image) - {"jenkins"} == {"java", "zookeeper", "mesos", "marathon"}, "jenkins: an image with the tier"
    # The image's versions may have been upgraded since; the records follow
    records = {
        name: host.file(f"/usr/share/clusterctl/artifacts/{name}").content_string for name in ("mesos", "marathon")
    }
    _, mesos = records["mesos"].split()
    _, marathon = records["marathon"].split()
    assert mesos == host.package("mesos").version
    assert host.file("/opt/marathon/current").linked_to == f"/opt/marathon/{marathon}"


def test_no_restart_is_pending(host: Any) -> None:
    assert host.check_output("/usr/lib/clusterctl/config-digest pending") == ""


def test_a_data_volume_is_mounted_and_its_service_starts_first(host: Any, variables: dict[str, Any]) -> None:
    mount = variables.get("common_volume_mount", "")
    assert host.file("/etc/systemd/system/clusterctl-volume.service").exists == bool(mount)
    if mount:
        assert host.mount_point(mount).filesystem == "ext4"
        assert host.service("clusterctl-volume").is_enabled


def test_nobody_is_let_in_by_password(host: Any) -> None:
    with host.sudo():
        settings = host.check_output("sshd -T").splitlines()
    assert "passwordauthentication no" in settings
    assert "kbdinteractiveauthentication no" in settings


def test_only_rolls_upgrade_the_services(host: Any) -> None:
    held = set(host.check_output("apt-mark showhold").split())
    assert {"mesos", "libzookeeper-java"} <= held
    # the image records the package's version, not its name
    java = json.loads(host.file("/usr/share/clusterctl/image.json").content_string)["java"]
    assert java in {host.package(name).version for name in held if "jre" in name or "jdk" in name}


def test_units_of_packages_can_not_start(host: Any) -> None:
    for name in ("mesos-master", "mesos-slave", "mesos-agent", "zookeeper", "marathon"):
        guard = host.file(f"/etc/systemd/system/{name}.service.d/clusterctl-foreign.conf")
        assert "ConditionPathExists=" in guard.content_string, name


def test_the_system_does_not_upgrade_itself(host: Any) -> None:
    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service"):
        assert host.run(f"systemctl is-enabled {unit}").stdout.strip() == "masked"
    assert 'APT::Periodic::Enable "0";' in host.check_output("apt-config dump APT::Periodic::Enable")
