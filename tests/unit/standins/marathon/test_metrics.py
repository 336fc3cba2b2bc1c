from lab.standins.marathon.marathon_standin.metrics import prometheus, snapshot
from tests.unit.standins.marathon.make import Leader, app, offer


def test_a_leaders_metrics() -> None:
    leader = Leader()
    leader.state.put_app(app("/jenkins/a"))
    leader.state.put_app(app("/web"))
    leader.subscribe()
    leader.run_everything(offer())
    metrics = snapshot("m", 9.5, leader.scheduler, 3.0, 2)
    gauges = {name: entry["value"] for name, entry in metrics["gauges"].items()}
    assert gauges["m.apps.active.gauge"] == 2
    assert gauges["m.groups.active.gauge"] == 2  # / and /jenkins
    assert gauges["m.instances.running.gauge"] == 2
    assert gauges["m.http.event-streams.active.gauge"] == 2
    assert gauges["m.uptime.gauge.seconds"] == 9.5
    assert gauges["m.leadership.duration.gauge.seconds"] == 3.0
    counters = {name: entry["count"] for name, entry in metrics["counters"].items()}
    assert counters["m.tasks.launched.counter"] == 2
    assert counters["m.mesos.offers.declined.counter"] == 0
    assert counters["m.mesos.task-updates.task-running.counter"] == 2


def test_a_leader_that_has_not_loaded_its_state_knows_its_uptime_only() -> None:
    metrics = snapshot("marathon", 1.0, None, 0.0, 0)
    assert sorted(metrics["gauges"]) == ["marathon.leadership.duration.gauge.seconds", "marathon.uptime.gauge.seconds"]
    assert metrics["counters"] == {}


def test_prometheus_names() -> None:
    text = prometheus({"gauges": {"m.a-b.gauge": {"value": 1.5}}, "counters": {"m.c.counter": {"count": 2}}})
    assert text == "# TYPE m_a_b_gauge gauge\nm_a_b_gauge 1.5\n# TYPE m_c_counter counter\nm_c_counter 2\n"
