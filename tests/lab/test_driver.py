"""The pure parts of the lab's driver."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from oslab import api, aptcache, cache, config, facts, limits, settings

DEB822 = """\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
"""
ONE_LINE = """\
# deb http://off.example/debian bookworm main
deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian bookworm main
deb http://mirror.example/debian-security/ bookworm-security main
"""


class TestSettings:
    def test_defaults(self) -> None:
        lab = settings.from_environment({})
        assert (lab.state, lab.cache) == (Path("/var/lib/clusterctl-lab"), Path("/var/cache/clusterctl"))
        assert (lab.gateway, lab.network, lab.link_host) == ("10.50.0.1", "10.50.0.0/22", "10.51.0.1")

    def test_a_second_lab_shares_nothing_with_the_first(self) -> None:
        one, two = settings.from_environment({}), settings.from_environment({"CLUSTERCTL_LAB_INDEX": "1"})
        for name in ("state", "name", "gateway", "network", "link_host", "link_lab", "veth_host", "data", "key"):
            assert getattr(one, name) != getattr(two, name), name

    def test_names_of_interfaces_fit_the_kernel(self) -> None:
        assert len(settings.from_environment({"CLUSTERCTL_LAB_INDEX": "9"}).veth_host) <= 15

    @pytest.mark.parametrize("index", ["x", "-1", "10", ""])
    def test_bad_index(self, index: str) -> None:
        with pytest.raises(settings.LabError, match="0 to 9"):
            settings.from_environment({"CLUSTERCTL_LAB_INDEX": index})


class TestRender:
    def test_values_and_snippets(self) -> None:
        template = "url = sql://u:@password@@127.0.0.1/x\n@client nova placement@\nend\n"
        text = config.render(template, {"password": "pw"}, {"client": "[@1@]\nuser = @2@\nkey = @password@\n"})
        assert text == "url = sql://u:pw@127.0.0.1/x\n[nova]\nuser = placement\nkey = pw\nend\n"

    def test_shell_stays_as_it_is(self) -> None:
        text = 'exec "$@" "${args[@]}" "${@:2}" root@host\n'
        assert config.render(text, {}, {}) == text

    def test_unknown_name(self) -> None:
        with pytest.raises(settings.LabError, match="@nothing@ is not a value"):
            config.render("a @nothing@ b", {"ip": "1"}, {})

    def test_every_file_of_the_lab_renders(self) -> None:
        values = config.values_of(settings.from_environment({}), kvm=False, images="x")
        snippets = {path.name: path.read_text() for path in (config.CONFIG / "snippets").iterdir()}
        for path in (config.CONFIG / "root").rglob("*"):
            if path.is_file():
                assert "@ip@" not in config.render(path.read_text(), values, snippets), path


class TestCache:
    def test_digest_follows_content_name_and_mode(self, tmp_path: Path) -> None:
        file = tmp_path / "tree" / "a"
        file.parent.mkdir()
        file.write_text("1")
        seen = {cache.digest([tmp_path / "tree"])}
        file.write_text("2")
        seen.add(cache.digest([tmp_path / "tree"]))
        file.chmod(0o755)
        seen.add(cache.digest([tmp_path / "tree"]))
        file.rename(file.with_name("b"))
        seen.add(cache.digest([tmp_path / "tree"]))
        seen.add(cache.digest([tmp_path / "tree"], extra="x"))
        assert len(seen) == 5

    def builder(self, path: Path, body: str) -> Path:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    @pytest.fixture(autouse=True)
    def sources(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cache, "machine_sources", lambda: Path("/nowhere"))

    def test_entry_is_built_once(self, tmp_path: Path) -> None:
        build = self.builder(tmp_path / "build", 'date +%N > "$1/made"')
        first = cache.entry(tmp_path / "c", "kind", [build], build)
        stamp = (first / "made").read_text()
        assert (cache.entry(tmp_path / "c", "kind", [build], build) / "made").read_text() == stamp

    def test_cut_off_attempts_go(self, tmp_path: Path) -> None:
        build = self.builder(tmp_path / "build", 'touch "$1/made"')
        partial = tmp_path / "c" / f"kind-{cache.digest([build])}.partial"
        partial.mkdir(parents=True)
        (partial / "half").touch()
        made = cache.entry(tmp_path / "c", "kind", [build], build)
        assert [p.name for p in made.iterdir()] == ["made"]
        assert not partial.exists()

    def test_a_failed_build_says_why_and_leaves_no_entry(self, tmp_path: Path) -> None:
        build = self.builder(tmp_path / "build", "echo no mirror; exit 7")
        with pytest.raises(settings.LabError, match=r"exit 7(.|\n)*no mirror"):
            cache.entry(tmp_path / "c", "kind", [build], build)
        assert not [p for p in (tmp_path / "c").glob("kind-*") if p.is_dir() and p.suffix != ".partial"]

    def test_only_entries_long_unused_are_pruned(self, tmp_path: Path) -> None:
        for name in ("kind-old", "kind-new", "other-old"):
            (tmp_path / name).mkdir()
        now = (tmp_path / "kind-old").stat().st_mtime + 15 * 86400
        os.utime(tmp_path / "kind-new", (now, now))
        cache.prune(tmp_path, "kind", now)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["kind-new", "other-old"]


class TestLimits:
    @pytest.mark.parametrize(("found", "left"), [("128\n", "2048\n"), ("8192\n", "8192\n")])
    def test_inotify_is_raised_and_never_lowered(self, tmp_path: Path, found: str, left: str) -> None:
        path = tmp_path / "max_user_instances"
        path.write_text(found)
        limits.raise_inotify(path)
        assert path.read_text() == left

    def test_a_limit_that_cannot_be_raised_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "max_user_instances"
        path.write_text("128\n")

        def refuse(_path: Path, _text: str) -> int:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(Path, "write_text", refuse)
        with pytest.raises(settings.LabError, match="below 2048 and can't be raised"):
            limits.raise_inotify(path)


class TestMirrors:
    @pytest.mark.parametrize("text", [DEB822, ONE_LINE])
    def test_both_styles(self, text: str) -> None:
        assert aptcache.mirrors(text) == {
            "debian": "http://mirror.example/debian",
            "debian-security": "http://mirror.example/debian-security",
        }

    def test_none(self) -> None:
        with pytest.raises(settings.LabError, match="no mirror"):
            aptcache.mirrors("# nothing\n")


class TestHealth:
    SINCE = datetime(2026, 1, 1, 12, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("stamp", "answer"),
        [
            ("2026-01-01T12:00:00.000000", True),
            ("2026-01-01 12:00:01", True),
            ("2026-01-01T11:59:59.000000", False),
            (None, False),
        ],
    )
    def test_fresh(self, stamp: str | None, answer: bool) -> None:
        assert api.fresh(stamp, self.SINCE) is answer


def test_exports_are_shell(tmp_path: Path) -> None:
    lab = settings.Settings(tmp_path / "a b", tmp_path / "cache")
    lines = facts.exports(lab).splitlines()
    assert f"export OS_CLIENT_CONFIG_FILE='{tmp_path}/a b/clouds.yaml'" in lines
    assert "export LAB_ZONE_DEFAULT=container" in lines
