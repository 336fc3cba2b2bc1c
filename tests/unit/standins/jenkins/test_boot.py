"""Plugins, security, hooks, credentials and the cloud at boot."""

import json
import zipfile
from pathlib import Path

import pytest

from lab.standins.jenkins.jenkins_standin import credentials, detector, groovy, home, plugins
from lab.standins.jenkins.jenkins_standin.errors import BootFailure, PluginError
from lab.standins.jenkins.jenkins_standin.mesoscloud import framework_info
from lab.standins.jenkins.jenkins_standin.plugins import Plugin
from lab.standins.jenkins.jenkins_standin.security import Accounts
from lab.standins.jenkins.manifests import PLUGINS
from tests.unit.standins.jenkins.make import (
    CLASSIC,
    NO_SECURITY,
    SECOND,
    TOKEN,
    Client,
    cloud,
    jenkins,
    job_xml,
    with_crumb,
)


def install(target: Path, generation: str, *but: str) -> None:
    directory = target / "plugins"
    directory.mkdir(parents=True)
    for plugin in PLUGINS[generation]:
        if plugin.name not in but:
            with zipfile.ZipFile(directory / f"{plugin.name}.jpi", "w") as archive:
                archive.writestr("META-INF/MANIFEST.MF", plugin.manifest())


def with_cloud(xml: str) -> str:
    return NO_SECURITY.replace("</hudson>", f"<clouds>{xml}</clouds></hudson>")


def without(xml: str, name: str) -> str:
    start = xml.index(f"<{name}>")
    return xml[:start] + xml[xml.index(f"</{name}>") + len(name) + 3 :]


class TestPlugins:
    @pytest.mark.parametrize(
        ("generation", "core", "number"), [("0.x", "2.319.3", 0), ("1.x", "2.7.3", 1), ("2.x", "2.440.3", 2)]
    )
    def test_the_sets_are_whole(self, tmp_path: Path, generation: str, core: str, number: int) -> None:
        install(tmp_path, generation)
        found = plugins.load(tmp_path / "plugins", core)
        assert [each.name for each in found.values() if each.problem] == []
        assert plugins.generation(found["mesos"]) == number
        assert plugins.unstartable(found["mesos"], core) is None

    def test_a_missing_dependency_stops_the_plugin_and_what_needs_it(self, tmp_path: Path) -> None:
        install(tmp_path, "2.x", "variant")
        found = plugins.load(tmp_path / "plugins", "2.440.3")
        assert "variant (1.1)" in str(found["metrics"].problem)
        assert found["mesos"].problem == "Failed to load: metrics"

    def test_an_old_core_stops_it(self, tmp_path: Path) -> None:
        install(tmp_path, "2.x")
        assert plugins.load(tmp_path / "plugins", "2.150.1")["mesos"].problem == "Jenkins (2.164) or higher required"

    def test_an_old_dependency_stops_it(self) -> None:
        found = {"a": Plugin("a", "1", "1", {"b": "2.0"}, {}), "b": Plugin("b", "1.9", "1", {}, {})}
        assert "Update required" in str(plugins.resolve(found, "2.1")["a"].problem)

    @pytest.mark.parametrize(("version", "core"), [("0.16", "2.332.1"), ("1.0.0", "2.328"), ("2.0", "2.516.1")])
    def test_a_core_too_new_fails_the_boot(self, version: str, core: str) -> None:
        assert "NoSuchField" in str(plugins.unstartable(Plugin("mesos", version, "1", {}, {}), core))

    def test_other_versions_are_not_imitated(self) -> None:
        assert "0.16, 1.0.0 and 2.0" in str(plugins.unstartable(Plugin("mesos", "0.18.1", "1", {}, {}), "2.319"))

    def test_without_the_plugin_the_cloud_is_old_data(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        made = jenkins(tmp_path, with_cloud(CLASSIC))
        assert (made.state, made.clouds) == ("up", [])
        assert "CannotResolveClassException" in caplog.text


class TestCloudAtBoot:
    def test_on_demand_does_not_register(self, tmp_path: Path) -> None:
        install(tmp_path, "0.x")
        made = jenkins(tmp_path, with_cloud(without(CLASSIC, "master")))
        assert made.state == "up"
        assert not made.clouds[0].running

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("master", "NullPointerException: master"),
            ("frameworkName", "setName"),
            ("jenkinsURL", "jenkinsMaster is null"),
        ],
    )
    def test_always_throws_for_what_is_missing(self, tmp_path: Path, name: str, says: str) -> None:
        install(tmp_path, "0.x")
        always = CLASSIC.replace("Registration>true", "Registration>false")
        made = jenkins(tmp_path, with_cloud(without(always, name)))
        assert made.state == "failed"
        assert says in made.failure

    def test_an_address_that_libmesos_refuses_leaves_it_dead(self, tmp_path: Path) -> None:
        install(tmp_path, "0.x")
        always = CLASSIC.replace("Registration>true", "Registration>false").replace(
            "zk://z:2181/mesos", "http://m:5050"
        )
        made = jenkins(tmp_path, with_cloud(always))
        assert made.state == "up"
        assert "http://m:5050" in str(made.clouds[0].dead)
        assert not made.clouds[0].running

    def test_a_job_without_a_label_gets_the_default_one(self, tmp_path: Path) -> None:
        install(tmp_path, "0.x")
        made = jenkins(tmp_path, with_cloud(CLASSIC))
        made.config = home.read_config(tmp_path / "config.xml")
        client = Client(made)
        with_crumb(client).create("a", job_xml("true", label=None))
        assert made.jobs["a"].definition.label == "mesos"


class TestFrameworkInfo:
    def test_classic(self) -> None:
        assert framework_info(cloud(), "me", "http://w/", "p") == {
            "user": "b-001",
            "name": "j",
            "role": "*",
            "principal": "p",
            "checkpoint": True,
            "webui_url": "http://w/",
            "failover_timeout": 0.0,
        }

    def test_the_user_is_who_runs_jenkins_if_none_is_named(self) -> None:
        assert framework_info(cloud(CLASSIC.replace("b-001", "")), "me", "", "p")["user"] == "me"

    def test_second(self) -> None:
        info = framework_info(cloud(SECOND, 2), "me", "http://w/", "p")
        assert (info["roles"], info["failover_timeout"]) == (["builds"], 604800.0)
        assert not {"checkpoint", "principal", "webui_url", "role"} & info.keys()
        with pytest.raises(PluginError, match="addRoles"):
            framework_info(cloud(without(SECOND, "role"), 2), "me", "", "p")


@pytest.mark.parametrize(
    ("address", "http", "ok"),
    [
        ("zk://a:2181,b:2181/mesos", False, True),
        ("zk://user:pw@a:2181/mesos", False, True),
        ("10.0.0.1:5050", False, True),
        ("http://m:5050", True, True),
        ("zk://a:2181", False, False),
        ("zk://a:2181/", False, False),
        ("http://m:5050", False, False),
        ("m", False, False),
        ("https://m:5050", True, False),
    ],
)
def test_addresses_of_mesos(address: str, http: bool, ok: bool) -> None:
    if ok:
        detector.check(address, http)
    else:
        with pytest.raises(PluginError):
            detector.check(address, http)


def test_lowest_node_leads() -> None:
    nodes = ["json.info_0000000012", "log_replicas", "json.info_0000000003"]
    assert detector.leader_node(nodes) == "json.info_0000000003"
    assert detector.leader_node(["log_replicas"]) is None


class TestHome:
    @pytest.mark.parametrize(
        "xml",
        [
            "<hudson><numExecutors>1</numExecutors></hudson>",
            "<hudson>",
            "<other/>",
            '<hudson><numExecutors>0</numExecutors><securityRealm class="hudson.security.LDAPSecurityRealm"/></hudson>',
            '<hudson><numExecutors>0</numExecutors><authorizationStrategy class="x.Matrix"/></hudson>',
        ],
    )
    def test_what_stops_the_boot(self, tmp_path: Path, xml: str) -> None:
        (tmp_path / "config.xml").write_text(xml)
        with pytest.raises(BootFailure):
            home.read_config(tmp_path / "config.xml")

    def test_xml_1_1_and_unknown_elements(self, tmp_path: Path) -> None:
        path = tmp_path / "config.xml"
        path.write_text("<?xml version='1.1' encoding='UTF-8'?>\n" + NO_SECURITY.replace("</hudson>", "<x/></hudson>"))
        found = home.read_config(path)
        assert (found.use_security, found.anonymous, found.quiet_period_s, found.agent_port) == (False, "all", 5, None)

    def test_secrets_are_nobody_elses(self, tmp_path: Path) -> None:
        home.prepare(tmp_path)
        key = home.agent_key(tmp_path)
        assert home.agent_key(tmp_path) == key
        assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
        for path in [*(tmp_path / "secrets").iterdir(), tmp_path / "secret.key"]:
            assert path.stat().st_mode & 0o777 == 0o600

    def test_a_home_that_cannot_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(BootFailure, match="NoHomeDir"):
            home.prepare(tmp_path / "file")

    def test_root_url(self, tmp_path: Path) -> None:
        assert home.root_url(tmp_path) is None
        path = tmp_path / "jenkins.model.JenkinsLocationConfiguration.xml"
        path.write_text(
            "<jenkins.model.JenkinsLocationConfiguration><jenkinsUrl>http://h:1</jenkinsUrl></jenkins.model.JenkinsLocationConfiguration>"
        )
        assert home.root_url(tmp_path) == "http://h:1/"


class TestAccounts:
    def test_hashes_stand_in_files_of_nobody_else(self, tmp_path: Path) -> None:
        Accounts(tmp_path).put("admin", "secret", "t", TOKEN)
        (path,) = tmp_path.glob("users/admin_*/config.xml")
        assert path.stat().st_mode & 0o777 == 0o600
        text = path.read_text()
        assert "#jbcrypt:$2a$05$" in text
        assert TOKEN not in text
        again = Accounts(tmp_path)
        assert [again.check("admin", each) for each in ("secret", TOKEN, "x", TOKEN[2:])] == [
            "password",
            "token",
            None,
            None,
        ]

    def test_a_token_of_the_same_name_is_replaced(self, tmp_path: Path) -> None:
        made = Accounts(tmp_path)
        made.put("admin", None, "t", TOKEN)
        made.put("admin", None, "t", "11" + "f" * 32)
        assert (made.check("admin", TOKEN), made.check("admin", "11" + "f" * 32)) == (None, "token")

    def test_malformed_tokens(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="32 hexadecimal"):
            Accounts(tmp_path).put("admin", None, "t", "12" + "f" * 32)


class TestGroovy:
    @pytest.fixture
    def ready(self, tmp_path: Path) -> Path:
        """A home with the known script and its files; the script's text is beside it."""
        (tmp_path / "known").write_text("script\n")
        (tmp_path / "init.groovy.d").mkdir()
        (tmp_path / "init.groovy.d/clusterctl.groovy").write_text("script")
        own = tmp_path / ".clusterctl"
        own.mkdir()
        (own / "master.json").write_text(json.dumps({"admin": "boss"}))
        (own / "token").write_text(TOKEN + "\n")
        (own / "password").write_text("secret\n")
        return tmp_path

    def test_makes_the_administrator(self, ready: Path) -> None:
        accounts = Accounts(ready)
        groovy.run_hooks(ready, accounts, True, ready / "known")
        assert (accounts.check("boss", TOKEN), accounts.check("boss", "secret")) == ("token", "password")

    def test_the_password_is_only_for_a_new_account(self, ready: Path) -> None:
        accounts = Accounts(ready)
        groovy.run_hooks(ready, accounts, True, ready / "known")
        (ready / ".clusterctl/password").write_text("changed")
        (ready / ".clusterctl/token").write_text("11" + "e" * 32)
        groovy.run_hooks(ready, accounts, True, ready / "known")
        assert (accounts.check("boss", "changed"), accounts.check("boss", "secret")) == (None, "password")
        assert (accounts.check("boss", TOKEN), accounts.check("boss", "11" + "e" * 32)) == (None, "token")

    def test_refuses_other_scripts(self, ready: Path) -> None:
        (ready / "init.groovy.d/other.groovy").write_text("println 1")
        with pytest.raises(BootFailure, match="runs no Groovy"):
            groovy.run_hooks(ready, Accounts(ready), True, ready / "known")

    def test_without_a_marker(self, ready: Path) -> None:
        (ready / ".clusterctl/master.json").unlink()
        with pytest.raises(BootFailure, match=r"master\.json"):
            groovy.run_hooks(ready, Accounts(ready), True, ready / "known")


def test_credentials(tmp_path: Path) -> None:
    kind = "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl"
    assert credentials.find(tmp_path, "c") is None
    path = tmp_path / "credentials.xml"
    path.write_text(f"<x><y><{kind}><id>c</id><username>u</username><password>p</password></{kind}></y></x>")
    assert credentials.find(tmp_path, "c") == ("u", "p")
    assert credentials.find(tmp_path, "d") is None
    path.write_text(path.read_text().replace(">p<", ">{AQAA}<"))
    with pytest.raises(PluginError, match="plain text"):
        credentials.find(tmp_path, "c")
