from lab.standins.marathon.marathon_standin.appspec import new_app
from lab.standins.marathon.marathon_standin.backoff import Backoff
from tests.unit.standins.marathon.make import app


def test_delays_grow_by_the_factor_up_to_the_limit() -> None:
    backoff, the_app, now, seen = Backoff(), app(backoffSeconds=2, backoffFactor=3, maxLaunchDelaySeconds=20), 0.0, []
    assert backoff.left(the_app, now) == 0
    for _ in range(4):
        backoff.add(the_app, now)
        seen.append(backoff.left(the_app, now))
        now += seen[-1]
        assert backoff.left(the_app, now) == 0
    assert seen == [2, 6, 18, 20]


def test_time_takes_the_delay_down() -> None:
    backoff, the_app = Backoff(), app(backoffSeconds=10)
    backoff.add(the_app, 100)
    assert backoff.left(the_app, 104) == 6


def test_quiet_time_of_delay_and_limit_resets() -> None:
    backoff, the_app = Backoff(), app(backoffSeconds=4, backoffFactor=2, maxLaunchDelaySeconds=60)
    backoff.add(the_app, 0)
    backoff.add(the_app, 4 + 4 + 60)  # not quiet for long enough
    assert backoff.left(the_app, 68) == 8
    backoff.add(the_app, 68 + 8 + 8 + 60 + 1)
    assert backoff.left(the_app, 145) == 4


def test_a_new_version_or_a_word_resets() -> None:
    backoff, the_app = Backoff(), app(backoffSeconds=10)
    backoff.add(the_app, 0)
    changed = new_app({**the_app.spec, "cmd": "other"}, the_app, 2000)
    assert backoff.left(changed, 1) == 0
    backoff.add(the_app, 0)
    scaled = new_app({**the_app.spec, "instances": 7}, the_app, 2000)
    assert backoff.left(scaled, 1) == 9
    assert backoff.reset("/a")
    assert not backoff.reset("/a")
    assert backoff.left(the_app, 1) == 0
