"""The file by which an operator sets the levels of loggers."""

from pathlib import Path

import pytest

from lab.standins.marathon.marathon_standin.logback import levels


def test_levels_come_from_the_file_that_java_opts_name(tmp_path: Path) -> None:
    file = tmp_path / "logback.xml"
    file.write_text('<configuration><logger name="a.b" level="WARN"/><root level="INFO"/></configuration>')
    assert levels(f"-Xmx64m -Dlogback.configurationFile={file} -Dx=y") == {"a.b": "warn"}
    assert levels("-Xmx64m") == {}


@pytest.mark.parametrize("text", ["<configuration>", '<configuration><logger name="a" level="loud"/></configuration>'])
def test_a_file_that_is_none_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "logback.xml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"logback\.xml: "):
        levels(f"-Dlogback.configurationFile={file}")
