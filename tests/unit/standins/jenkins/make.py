"""Settings, homes, clouds, offers and a Jenkins without sockets, for the tests of the stand-in."""

from collections.abc import Callable, Mapping
from pathlib import Path

from lab.standins.jenkins.jenkins_standin import cloud as clouds
from lab.standins.jenkins.jenkins_standin import settings as settings_module
from lab.standins.jenkins.jenkins_standin.api import JobApi
from lab.standins.jenkins.jenkins_standin.apisystem import SystemApi
from lab.standins.jenkins.jenkins_standin.cloud import Cloud
from lab.standins.jenkins.jenkins_standin.core import Jenkins
from lab.standins.jenkins.jenkins_standin.gate import Gate
from lab.standins.jenkins.jenkins_standin.http import Request, Response, Router
from lab.standins.jenkins.jenkins_standin.inbound import AgentChannel
from lab.standins.jenkins.jenkins_standin.mesoscloud import MesosCloud
from lab.standins.jenkins.jenkins_standin.node import Node
from lab.standins.jenkins.jenkins_standin.offers import Json
from lab.standins.jenkins.jenkins_standin.scheduler import Host
from lab.standins.jenkins.jenkins_standin.settings import Settings
from lab.standins.jenkins.jenkins_standin.views import Views
from lab.standins.jenkins.jenkins_standin.xmltools import parse

TOKEN = "11" + "0123456789abcdef" * 2
NO_SECURITY = "<hudson><numExecutors>0</numExecutors><useSecurity>false</useSecurity></hudson>"
SECURE = (
    "<hudson><numExecutors>0</numExecutors><useSecurity>true</useSecurity>"
    '<authorizationStrategy class="hudson.security.FullControlOnceLoggedInAuthorizationStrategy">'
    "<denyAnonymousReadAccess>true</denyAnonymousReadAccess></authorizationStrategy>"
    '<securityRealm class="hudson.security.HudsonPrivateSecurityRealm"/></hudson>'
)
INFO = """<org.jenkinsci.plugins.mesos.MesosSlaveInfo>
  <slaveCpus>0.5</slaveCpus><slaveMem>400</slaveMem><executorCpus>0.25</executorCpus><executorMem>100</executorMem>
  <minExecutors>1</minExecutors><maxExecutors>2</maxExecutors><diskNeeded>10.0</diskNeeded>
  <remoteFSRoot>jenkins</remoteFSRoot><idleTerminationMinutes>3</idleTerminationMinutes><jvmArgs>-Xms16m</jvmArgs>
  <jnlpArgs>-noReconnect</jnlpArgs><defaultSlave>true</defaultSlave><mode>NORMAL</mode>
  <slaveAttributesString>{"pool":"builder"}</slaveAttributesString><labelString>mesos</labelString>
</org.jenkinsci.plugins.mesos.MesosSlaveInfo>"""
CLASSIC = f"""<org.jenkinsci.plugins.mesos.MesosCloud plugin="mesos@0.16">
  <name>MesosCloud</name><master>zk://z:2181/mesos</master><frameworkName>j</frameworkName><role>*</role>
  <slavesUser>b-001</slavesUser><cloudID>c-1</cloudID><checkpoint>true</checkpoint>
  <onDemandRegistration>true</onDemandRegistration><jenkinsURL>http://h:1/</jenkinsURL>
  <declineOfferDuration>600</declineOfferDuration><slaveInfos>{INFO}</slaveInfos>
</org.jenkinsci.plugins.mesos.MesosCloud>"""
SECOND = """<org.jenkinsci.plugins.mesos.MesosCloud plugin="mesos@2.0">
  <name>MesosCloud</name><master>http://m:5050</master><frameworkName>j</frameworkName><frameworkId>f-1</frameworkId>
  <agentUser>b-001</agentUser><role>builds</role><jenkinsURL>http://h:1/jenkins/</jenkinsURL>
  <mesosAgentSpecTemplates><org.jenkinsci.plugins.mesos.MesosAgentSpecTemplate><label>mesos</label><mode>EXCLUSIVE</mode>
  <idleTerminationMinutes>1</idleTerminationMinutes><cpus>1.0</cpus><mem>512</mem><disk>0.0</disk>
  <minExecutors>1</minExecutors><maxExecutors>1</maxExecutors><jnlpArgs>-noReconnect</jnlpArgs>
  <agentAttributes>pool:builder,zone:a</agentAttributes></org.jenkinsci.plugins.mesos.MesosAgentSpecTemplate>
  </mesosAgentSpecTemplates></org.jenkinsci.plugins.mesos.MesosCloud>"""


class Clock:
    """Seconds, which only a test moves."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def settings(home: Path = Path("/h"), properties: Mapping[str, str] | None = None, *arguments: str) -> Settings:
    given = {"user.home": "/u", "jenkins.install.runSetupWizard": "false", **(properties or {})}
    return settings_module.read(given, arguments, {"JENKINS_HOME": str(home)})


def cloud(xml: str = CLASSIC, generation: int = 0) -> Cloud:
    return clouds.read(parse(xml), generation)


def node(name: str = "n1", executors: int = 1, xml: str = CLASSIC, generation: int = 0, now: float = 0.0) -> Node:
    return Node(name, cloud(xml, generation).templates[0], executors, now, single_use=generation == 2)


def job_xml(*commands: str, more: str = "", label: str | None = "mesos") -> str:
    steps = "".join(f"<hudson.tasks.Shell><command>{each}</command></hudson.tasks.Shell>" for each in commands)
    assigned = f"<assignedNode>{label}</assignedNode><canRoam>false</canRoam>" if label else "<canRoam>true</canRoam>"
    return f"<project>{assigned}{more}<builders>{steps}</builders></project>"


def offer(
    number: int = 1, cpus: float = 4.0, mem: float = 2048.0, role: str = "*", agent: str = "a1", **attributes: str
) -> Json:
    """An offer of Mesos, by default of the pool builder in zone a."""
    texts = {"pool": "builder", "zone": "a", **attributes}
    return {
        "id": {"value": f"o{number}"},
        "agent_id": {"value": agent},
        "hostname": "h",
        "attributes": [{"name": name, "type": "TEXT", "text": {"value": value}} for name, value in texts.items()],
        "resources": [
            {"name": name, "type": "SCALAR", "role": role, "scalar": {"value": value}}
            for name, value in (("cpus", cpus), ("mem", mem), ("disk", 5000.0))
        ]
        + [{"name": "ports", "type": "RANGES", "role": role, "ranges": {"range": [{"begin": 1, "end": 2}]}}],
    }


class FakeHost:
    """A Jenkins as a scheduler sees it; keeps the calls."""

    def __init__(self, clock: Clock) -> None:
        self.calls: list[Json] = []
        self.running: list[str] = []
        self.ended: list[str] = []
        self.left = 0
        self.builds_wait = False
        self.has_nodes = True
        self.host = Host(
            send=self.calls.append,
            clock=clock,
            secret_of=lambda name: f"secret-of-{name}",
            builds_wait=lambda: self.builds_wait,
            has_nodes=lambda: self.has_nodes,
            task_running=self.running.append,
            task_ended=lambda name, message: self.ended.append(name),
            leave=self.leave,
            minute_s=60.0,
        )

    def leave(self) -> None:
        self.left += 1

    def taken(self) -> list[Json]:
        """The calls so far, which are forgotten."""
        calls, self.calls[:] = list(self.calls), []
        return calls


class FakeChannel(AgentChannel):
    """An agent that only remembers what it was told."""

    def __init__(self) -> None:
        self.scripts: dict[int, str] = {}
        self.environments: dict[int, Mapping[str, str]] = {}
        self.stopped: list[int] = []
        self.on_stop: Callable[[int], object] = lambda number: None
        self.pings = 0
        self.closed = False

    @property
    def root(self) -> str:
        return "/sandbox"

    def run(self, number: int, directory: str, environment: Mapping[str, str], script: str) -> None:
        self.scripts[number], self.environments[number] = script, environment

    def stop(self, number: int) -> None:
        self.stopped.append(number)
        self.on_stop(number)

    def ping(self) -> None:
        self.pings += 1

    def close(self) -> None:
        self.closed = True

    def welcome(self, text: str) -> None:
        self.greeting = text


class FakeCloud(MesosCloud):
    """A cloud without Mesos: makes a node for each waiting build, or throws."""

    def __init__(self, xml: str = CLASSIC, generation: int = 0, error: Exception | None = None) -> None:
        self.cloud, self._error = cloud(xml, generation), error
        self.terminated: list[str] = []

    def provision(self, template: object, excess: int, now: float) -> list[Node]:
        if self._error:
            raise self._error
        return [node(f"n{n}") for n in range(excess)]

    def launch(self, node: Node) -> bool:
        return True

    def terminate(self, node: Node) -> None:
        self.terminated.append(node.name)


def jenkins(home: Path, config: str = NO_SECURITY, clock: Clock | None = None, **properties: str) -> Jenkins:
    """A booted Jenkins without a listener for agents."""
    home.mkdir(exist_ok=True)
    (home / "config.xml").write_text(config)
    made = Jenkins(settings(home, properties), "2.319.3", clock or Clock())
    made.boot()
    return made


def application(made: Jenkins, agent_jar: Path = Path("/none")) -> Gate:
    router, views = Router(), Views(made)
    SystemApi(made, views, agent_jar).register(router)
    JobApi(made, views).register(router)
    return Gate(made, router)


class Client:
    """Asks an application; by default a logged-in administrator with a token where security is on."""

    def __init__(self, made: Jenkins) -> None:
        self.gate = application(made)
        self.headers: dict[str, str] = {}

    def __call__(self, method: str, target: str, body: str = "", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.gate.answer(Request(method, target, {**self.headers, **named}, body.encode()))

    def create(self, name: str, xml: str) -> Response:
        return self("POST", f"/createItem?name={name}", xml, content_type="application/xml")


def with_crumb(client: Client) -> Client:
    """Give the client a session and its crumb."""
    answer = client("GET", "/crumbIssuer/api/python")
    value = eval(answer.body)  # noqa: S307 - the form of the API that is a Python literal
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    client.headers |= {"cookie": cookie, value["crumbRequestField"].lower(): value["crumb"]}
    return client
