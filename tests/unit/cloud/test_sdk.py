"""What is loaded of openstacksdk, in a process of its own each."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_adapter_loads_neither_the_api_of_every_service_nor_novaclient() -> None:
    code = "import clusterctl.cloud.openstack, sys; print({'openstack.connection', 'novaclient'} & sys.modules.keys())"
    assert run(code) == "set()"


def test_the_package_is_whole_for_whoever_else_wants_it() -> None:
    code = (
        "import clusterctl.cloud.openstack, openstack, openstack.config, sys; from openstack import exceptions; "
        "print(openstack.connect.__module__, openstack.connection.Connection.__name__, openstack.config.__name__, "
        "exceptions.SDKException.__name__, sys.modules['openstack'] is openstack)"
    )
    assert run(code) == "openstack Connection openstack.config SDKException True"


def test_an_attribute_that_the_package_lacks_is_an_attribute_error() -> None:
    code = "import clusterctl.cloud, openstack; print(hasattr(openstack, 'none_such'), hasattr(openstack, 'connect'))"
    assert run(code) == "False True"


def test_a_package_that_is_loaded_already_stays_as_it_is() -> None:
    assert run("import openstack as before, clusterctl.cloud, openstack; print(openstack is before)") == "True"
