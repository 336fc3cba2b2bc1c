"""The Jenkins stand-in, built once, and masters of it as child processes, as Marathon starts them."""

import base64
import hashlib
import http.client
import os
import subprocess
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import api4jenkins
import jenkins

from tests.contract.mesos.cluster import PATIENCE, Json, wait_for

BUILD = Path(__file__).parents[3] / "lab/standins/jenkins/build"
TOKEN = "11" + "0123456789abcdef" * 2
ADMIN = "admin"
START_S = 40
HOST = "127.0.0.1"
# A minute of the plugin's timers in these tests, by the stand-in's own switch. Nodes go when they were idle for three:
# an agent's JVM must have come up by then, on a busy machine, too
MINUTE_MS = 4000
IDLE_MINUTES = 3
# what docs/jenkins.md says of a master's command line, but faster still
OPTIONS = (
    "-Xmx64m",
    "-Djava.awt.headless=true",
    "-Djenkins.install.runSetupWizard=false",
    "-Djenkins.model.Jenkins.slaveAgentPortEnforce=true",
    "-Dhudson.slaves.NodeProvisioner.initialDelay=0",
    "-Dhudson.slaves.NodeProvisioner.recurrencePeriod=500",
    f"-Dstandin.minuteMillis={MINUTE_MS}",
)
CLOUD = "org.jenkinsci.plugins.mesos.MesosCloud"
VERSIONS = {"0.x": "0.16", "1.x": "1.0.0", "2.x": "2.0"}
# the newest cores that go with the plugins, and with Java 11 and 17
CORES = {"0.x": "2.319.3", "1.x": "2.319.3", "2.x": "2.440.3"}


def built(target: Path, *arguments: str) -> list[Path]:
    """Run the build; the files that it made."""
    done = subprocess.run([BUILD, *arguments, target], check=True, stdout=subprocess.PIPE, text=True)
    return [Path(line.split()[0]) for line in done.stdout.splitlines()]


def elements(values: Mapping[str, object]) -> str:
    """XML elements of a mapping; a nested text that begins with < is taken as it is."""
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items())


def classic_cloud(plugin: str, zk: str, url: str, info: Mapping[str, object] | None = None, **more: object) -> str:
    """The cloud of 0.x and 1.x, every element written."""
    node: Json = {
        "slaveCpus": 0.1, "slaveMem": 64, "executorCpus": 0.2, "minExecutors": 1, "maxExecutors": 1,
        "executorMem": 64, "diskNeeded": 0.0, "remoteFSRoot": "jenkins", "idleTerminationMinutes": IDLE_MINUTES,
        "jvmArgs": "-Xms16m -Djava.net.preferIPv4Stack=true", "jnlpArgs": "-noReconnect", "defaultSlave": "true",
        "slaveAttributesString": '{"pool":"jenkins-builder"}', "mode": "NORMAL", "labelString": "mesos",
    }  # fmt: skip
    inner = f"<org.jenkinsci.plugins.mesos.MesosSlaveInfo>{elements({**node, **(info or {})})}"
    values: Json = {
        "name": "MesosCloud", "nativeLibraryPath": "/usr/lib/libmesos.so", "master": zk, "description": "",
        "frameworkName": "jenkins-test", "role": "*", "slavesUser": "root", "credentialsId": "",
        "cloudID": "5f0c3b0e-0000-4000-8000-000000000001", "checkpoint": "true", "onDemandRegistration": "true",
        "jenkinsURL": url, "declineOfferDuration": 600,
    }  # fmt: skip
    infos = f"<slaveInfos>{inner}</org.jenkinsci.plugins.mesos.MesosSlaveInfo></slaveInfos>"
    return f'<{CLOUD} plugin="mesos@{VERSIONS[plugin]}">{elements({**values, **more})}{infos}</{CLOUD}>'


def second_cloud(zk: str, url: str, **more: object) -> str:
    """The cloud of 2.x, every element written."""
    template: Json = {
        "label": "mesos", "mode": "NORMAL", "idleTerminationMinutes": IDLE_MINUTES, "reusable": "false",
        "cpus": 0.3, "mem": 96, "disk": 0.0, "minExecutors": 1, "maxExecutors": 1, "jnlpArgs": "-noReconnect",
        "agentAttributes": "pool:jenkins-builder", "agentCommandStyle": "Linux",
    }  # fmt: skip
    values: Json = {
        "name": "MesosCloud", "master": zk, "frameworkName": "jenkins-test", "agentUser": "root", "role": "*",
        "frameworkId": uuid.uuid4(), "jenkinsURL": url,
    }  # fmt: skip
    kind = "org.jenkinsci.plugins.mesos.MesosAgentSpecTemplate"
    templates = f"<mesosAgentSpecTemplates><{kind}>{elements(template)}</{kind}></mesosAgentSpecTemplates>"
    return f'<{CLOUD} plugin="mesos@2.0">{elements({**values, **more})}{templates}</{CLOUD}>'


def shell_job(command: str, label: str | None = "mesos") -> str:
    """config.xml of a freestyle job with one shell step."""
    root = ET.Element("project")
    ET.SubElement(root, "description")
    if label:
        ET.SubElement(root, "assignedNode").text = label
    ET.SubElement(root, "canRoam").text = "false" if label else "true"
    shell = ET.SubElement(ET.SubElement(root, "builders"), "hudson.tasks.Shell")
    ET.SubElement(shell, "command").text = command
    return ET.tostring(root, encoding="unicode")


class Master:
    """A home and the process that serves it. Ports: HTTP N, agents N+1, libprocess N+2."""

    def __init__(self, war: Path, java: str, work: Path, number: int, cloud: str) -> None:
        self.war, self.java, self.port = war, java, 18000 + 10 * number
        self.home, self.log = work / f"home{number}", work / f"jenkins{number}.log"
        self.sandbox = work / f"sandbox{number}"
        self.url = f"http://{HOST}:{self.port}/"
        self.options: Sequence[str] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self.home.mkdir()
        self.sandbox.mkdir()
        self._write(cloud)

    def _write(self, cloud: str) -> None:
        (self.home / "plugins").mkdir()
        (self.home / "config.xml").write_text(
            "<?xml version='1.1' encoding='UTF-8'?>\n<hudson><numExecutors>0</numExecutors>"
            "<useSecurity>true</useSecurity><authorizationStrategy "
            'class="hudson.security.FullControlOnceLoggedInAuthorizationStrategy">'
            "<denyAnonymousReadAccess>true</denyAnonymousReadAccess></authorizationStrategy>"
            '<securityRealm class="hudson.security.HudsonPrivateSecurityRealm"><disableSignup>true</disableSignup>'
            f"</securityRealm><clouds>{cloud}</clouds><quietPeriod>0</quietPeriod></hudson>\n"
        )
        (self.home / "jenkins.model.JenkinsLocationConfiguration.xml").write_text(
            "<?xml version='1.1' encoding='UTF-8'?>\n<jenkins.model.JenkinsLocationConfiguration>"
            f"<jenkinsUrl>{self.url}</jenkinsUrl></jenkins.model.JenkinsLocationConfiguration>\n"
        )
        user = self.home / "users" / "admin_1"
        user.mkdir(parents=True)
        digest = hashlib.sha256(TOKEN[2:].encode()).hexdigest()
        kind = "jenkins.security.apitoken.ApiTokenStore_-HashedToken"
        (user / "config.xml").write_text(
            f"<?xml version='1.1' encoding='UTF-8'?>\n<user><id>{ADMIN}</id><properties><jenkins.security."
            f"ApiTokenProperty><tokenStore><tokenList><{kind}><name>test</name><value><version>11</version>"
            f"<hash>{digest}</hash></value></{kind}></tokenList></tokenStore></jenkins.security.ApiTokenProperty>"
            "</properties></user>\n"
        )

    def install(self, plugins: Sequence[Path]) -> None:
        """Copy plugin files to where Jenkins looks, under their short names."""
        for plugin in plugins:
            target = self.home / "plugins" / f"{plugin.name.rpartition('-')[0]}.jpi"
            target.write_bytes(plugin.read_bytes())

    def start(self, *options: str) -> None:
        """Start it; nothing else of this process's environment but PATH is passed on."""
        argv = [self.java, *OPTIONS, f"-Djenkins.model.Jenkins.slaveAgentPort={self.port + 1}", *self.options, *options]
        arguments = ["-jar", str(self.war), f"--httpPort={self.port}", f"--webroot={self.sandbox}/war"]
        env = {
            "PATH": os.environ["PATH"],
            "JENKINS_HOME": str(self.home),
            "LIBPROCESS_IP": HOST,
            "LIBPROCESS_PORT": str(self.port + 2),
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, *arguments], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def program(self) -> int:
        """The process id of the Python program under the JVM; 0 if there is none."""
        children = [path.read_text().split() for path in Path(f"/proc/{self.pid}/task").glob("*/children")]
        return next((int(child) for each in children for child in each), 0)

    def exit_code(self, deadline_s: float = 20) -> int:
        assert self._process
        return self._process.wait(PATIENCE * deadline_s)

    def terminate(self) -> int:
        assert self._process
        self._process.terminate()
        return self.exit_code()

    def kill(self) -> None:
        """kill -9 of the JVM, and see it gone."""
        if self._process:
            self._process.kill()
            self._process.wait()

    # --- asking

    def ask(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], str]:
        """Status, headers with lower-case names, and body of a request without credentials."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode()
        finally:
            connection.close()

    @property
    def basic(self) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{ADMIN}:{TOKEN}".encode()).decode()}

    def wait_up(self) -> None:
        try:
            wait_for("Jenkins to be up", lambda: self.ask("GET", "/login")[0] == 200, START_S)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()}") from None

    def client(self) -> Any:
        """python-jenkins."""
        return jenkins.Jenkins(self.url, ADMIN, TOKEN, timeout=20)

    def other_client(self) -> Any:
        """api4jenkins."""
        return api4jenkins.Jenkins(self.url, auth=(ADMIN, TOKEN))

    # --- building

    def build(self, name: str) -> int:
        """Queue a build; the queue item's id."""
        return int(self.client().build_job(name))

    def started(self, item: int, deadline_s: float = 60) -> Json:
        """Wait until a queue item is a build; the build's JSON."""

        def executable() -> Json | None:
            found: Json | None = self.client().get_queue_item(item).get("executable")
            return found

        try:
            found = wait_for(f"item {item} to leave the queue", executable, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()[-3000:]}") from None
        name = found["url"].split("/job/")[1].split("/")[0]
        return {"name": name, **found}

    def finished(self, name: str, number: int, deadline_s: float = 60) -> Json:
        """Wait until a build is over; its JSON."""

        def over() -> Json | None:
            build: Json = self.client().get_build_info(name, number)
            return None if build["building"] else build

        return wait_for(f"{name} #{number} to end", over, deadline_s)

    def run(self, name: str) -> Json:
        """Build a job and wait for its end; the build's JSON."""
        build = self.started(self.build(name))
        return self.finished(name, build["number"])
