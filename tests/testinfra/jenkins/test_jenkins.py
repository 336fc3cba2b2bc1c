"""What Jenkins masters and builds find on an agent."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["ansible://mesos_agent"]


def test_the_user_has_its_fixed_number(host: Any) -> None:
    user = host.user("jenkins")
    assert (user.uid, user.gid, user.shell) == (864, 864, "/bin/bash")


def test_the_homes_are_its_own(host: Any) -> None:
    directory = host.file("/srv/jenkins")
    assert directory.is_directory
    assert (directory.user, directory.group) == ("jenkins", "jenkins")


def test_java_and_git_are_there(host: Any) -> None:
    assert host.run("java -version").rc == 0
    assert host.run("git --version").rc == 0


def test_java_draws_text_without_a_display(host: Any) -> None:
    assert host.check_output("fc-list") != ""
