"""What Jenkins masters and builds find on an agent."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["ansible://mesos_agent"]


def test_the_user_of_ordinary_apps_has_its_fixed_number(host: Any) -> None:
    user = host.user("jenkins")
    assert (user.uid, user.gid, user.shell) == (864, 864, "/bin/bash")


def test_every_slot_has_users_with_fixed_numbers(host: Any) -> None:
    lines = host.check_output("getent passwd").splitlines()
    entries = {fields[0]: fields for fields in (line.split(":") for line in lines)}
    for kind, base in (("jm", 30000), ("b", 31000)):
        for slot in range(1, 1000):
            fields = entries[f"{kind}-{slot:03d}"]
            assert fields[2:4] == [str(base + slot)] * 2
            assert fields[6] == "/usr/sbin/nologin"
    groups = {line.split(":")[0]: line.split(":")[2:] for line in host.check_output("getent group").splitlines()}
    assert groups["jm-007"] == ["30007", ""]
    assert groups["b-999"] == ["31999", ""]


def test_no_master_can_make_or_rename_a_home(host: Any, variables: dict[str, Any]) -> None:
    directory = host.file(variables.get("jenkins_directory", "/srv/jenkins"))
    assert directory.is_directory
    assert (directory.user, directory.group, oct(directory.mode)) == ("root", "root", "0o755")


def test_only_agents_for_masters_have_the_start_script(host: Any, variables: dict[str, Any]) -> None:
    assert host.file("/usr/lib/clusterctl/jenkins-start").exists == bool(variables.get("jenkins_plugin"))


def test_java_and_git_are_there(host: Any) -> None:
    assert host.run("java -version").rc == 0
    assert host.run("git --version").rc == 0


def test_java_draws_text_without_a_display(host: Any) -> None:
    assert host.check_output("fc-list") != ""
