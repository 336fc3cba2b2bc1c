"""What an absent or wrong element becomes in each generation of the plugin."""

import pytest

from lab.standins.jenkins.jenkins_standin.errors import PluginError
from tests.unit.standins.jenkins.make import CLASSIC, SECOND, cloud


def without(xml: str, name: str) -> str:
    start = xml.index(f"<{name}>")
    return xml[:start] + xml[xml.index(f"</{name}>") + len(name) + 3 :]


def test_classic_is_read_whole() -> None:
    found = cloud()
    assert (found.master, found.framework_name, found.role, found.user) == ("zk://z:2181/mesos", "j", "*", "b-001")
    assert (found.checkpoint, found.on_demand, found.decline_s, found.cloud_id) == (True, True, 600.0, "c-1")
    (template,) = found.templates
    assert template.labels == {"mesos"}
    assert template.task_cpus(2) == 1.0
    assert template.task_mem_mib(2, 0) == pytest.approx(1.1 * 600)
    assert template.attributes == {"pool": "builder"}
    assert (template.default, template.exclusive, template.idle_minutes) == (True, False, 3)


def test_no_form_default_applies_to_an_absent_element() -> None:
    for name in ("checkpoint", "onDemandRegistration"):
        assert not getattr(cloud(without(CLASSIC, name)), "checkpoint" if name == "checkpoint" else "on_demand")
    assert cloud(without(CLASSIC, "master")).master is None
    assert cloud(without(CLASSIC, "frameworkName")).framework_name is None
    assert cloud(without(CLASSIC, "role")).role == "*"
    assert cloud(without(CLASSIC, "cloudID")).cloud_id != cloud(without(CLASSIC, "cloudID")).cloud_id
    bare = cloud(without(without(CLASSIC, "jvmArgs"), "jnlpArgs")).templates[0]
    assert (bare.jvm_args, bare.jnlp_args) == ("null", "null")
    assert cloud(without(CLASSIC, "labelString")).templates[0].label is None
    assert cloud(without(CLASSIC, "minExecutors")).templates[0].min_executors == 1
    assert cloud(without(CLASSIC, "slaveInfos")).templates == ()


@pytest.mark.parametrize(("generation", "seconds"), [(0, 600_000.0), (1, 600.0)])
def test_decline_of_an_absent_element(generation: int, seconds: float) -> None:
    assert cloud(without(CLASSIC, "declineOfferDuration"), generation).decline_s == seconds


def test_decline_that_is_no_number_throws_at_its_use() -> None:
    found = cloud(CLASSIC.replace(">600<", ">ten minutes<"))
    with pytest.raises(PluginError, match="NumberFormatException"):
        _ = found.decline_s


def test_jobs_without_a_label_need_an_info_without_one() -> None:
    assert cloud().template_for(None) is None
    assert cloud(without(CLASSIC, "labelString")).template_for(None) is not None
    assert cloud().template_for("mesos") is not None
    assert cloud().template_for("other") is None


def test_second_generation() -> None:
    found = cloud(SECOND, 2)
    assert (found.framework_id, found.role, found.user) == ("f-1", "builds", "b-001")
    (template,) = found.templates
    assert template.attributes == {"pool": "builder", "zone": "a"}
    assert (template.task_cpus(1), template.task_mem_mib(1, 2), template.heap_mib(2)) == (1.0, 544.0, 32)
    assert template.exclusive
    assert found.template_for(None) is None


def test_second_generation_makes_an_id_at_each_start() -> None:
    bare = without(SECOND, "frameworkId")
    assert cloud(bare, 2).framework_id != cloud(bare, 2).framework_id


def test_second_generation_converts_the_older_xml() -> None:
    found = cloud(CLASSIC, 2)
    (template,) = found.templates
    assert (template.executor_cpus, template.executor_mem_mib, template.jvm_args) == (0.0, 0, "")
    assert (template.cpus, template.mem_mib, template.label) == (0.5, 400, "mesos")
    assert (found.user, found.checkpoint) == ("b-001", False)


def test_older_generations_refuse_the_newer_xml() -> None:
    with pytest.raises(PluginError, match="plugin 2"):
        cloud(SECOND, 0)


@pytest.mark.parametrize("url", ["h:1", "ftp://h/", ""])
def test_second_generation_drops_a_url_that_is_none(url: str) -> None:
    assert cloud(SECOND.replace("http://h:1/jenkins/", url), 2).jenkins_url is None


def test_attributes_that_are_no_json_are_ignored() -> None:
    broken = CLASSIC.replace('{"pool":"builder"}', "pool=builder")
    assert cloud(broken).templates[0].attributes == {}
    with pytest.raises(PluginError, match="JSON object"):
        cloud(CLASSIC.replace('{"pool":"builder"}', "[1]"))


def test_pairs_without_a_colon_throw() -> None:
    with pytest.raises(PluginError, match="ArrayIndexOutOfBounds"):
        cloud(SECOND.replace("pool:builder", "pool"), 2)


def test_containers_are_refused() -> None:
    with pytest.raises(PluginError, match="container"):
        cloud(CLASSIC.replace("<mode>", "<containerInfo><type>DOCKER</type></containerInfo><mode>"))


def test_uris() -> None:
    kind = "org.jenkinsci.plugins.mesos.MesosSlaveInfo_-URI"
    uris = f"<additionalURIs><{kind}><value>u</value><extract>true</extract></{kind}></additionalURIs>"
    found = cloud(CLASSIC.replace("<mode>", f"{uris}<mode>")).templates[0].uris
    assert [(each.value, each.extract, each.executable) for each in found] == [("u", True, False)]
