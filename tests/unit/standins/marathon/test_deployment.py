from lab.standins.marathon.marathon_standin.appspec import App, new_app
from lab.standins.marathon.marathon_standin.deployment import Deployment, advanced, deployment_of
from tests.unit.standins.marathon.make import app, instance

V = "2020-01-01T00:00:00.000Z"
A = app("/a", instances=1)


def steps(before: App | None, after: App | None, running: bool = False) -> list[list[str]]:
    made = deployment_of({"/a": (before, after, running)}, V)
    return [[action.kind for action in step] for step in made.steps]


def test_steps_of_each_change() -> None:
    assert steps(None, A) == [["StartApplication"], ["ScaleApplication"]]
    assert steps(None, A, running=True) == [["RestartApplication"]]  # leftovers of a deleted namesake
    assert steps(A, new_app({**A.spec, "instances": 2}, A, 2000)) == [["ScaleApplication"]]
    assert steps(A, new_app({**A.spec, "cmd": "x"}, A, 2000)) == [["RestartApplication"]]
    assert steps(A, new_app(A.spec, A, 2000, restart=True)) == [["RestartApplication"]]
    assert steps(A, A) == []
    assert steps(A, None) == [["StopApplication"]]


def test_several_apps_start_before_any_scales() -> None:
    b = app("/b")
    made = deployment_of({"/b": (None, b, False), "/a": (None, A, False)}, V)
    assert [[(a.kind, a.app_id) for a in step] for step in made.steps] == [
        [("StartApplication", "/a"), ("StartApplication", "/b")],
        [("ScaleApplication", "/a"), ("ScaleApplication", "/b")],
    ]
    assert made.app_ids == ["/a", "/b"]
    assert Deployment.from_json(made.to_json()) == made


def test_start_and_scale() -> None:
    made = deployment_of({"/a": (None, A, False)}, V)
    waiting = advanced(made, {"/a": A}, {}, 0)
    assert waiting is not None
    assert [a.kind for a in waiting.current_actions] == ["ScaleApplication"]
    assert waiting.step == 2
    assert advanced(waiting, {"/a": A}, {"/a": [instance(1, A, state="TASK_STAGING")]}, 0) == waiting
    assert advanced(waiting, {"/a": A}, {"/a": [instance(1, A)]}, 0) is None


def test_restart_is_done_when_the_old_ones_are_gone() -> None:
    newer = new_app({**A.spec, "cmd": "x"}, A, 2000)
    made = deployment_of({"/a": (A, newer, True)}, V)
    assert advanced(made, {"/a": newer}, {"/a": [instance(1, A)]}, 0) == made
    assert advanced(made, {"/a": newer}, {"/a": [instance(2, newer)]}, 0) is None


def test_stop_is_done_when_no_task_is_left() -> None:
    made = deployment_of({"/a": (A, None, True)}, V)
    assert advanced(made, {}, {"/a": [instance(1, A, goal="Stopped")]}, 0) == made
    assert advanced(made, {}, {}, 0) is None


def test_nothing_to_do_is_done() -> None:
    assert advanced(deployment_of({"/a": (A, A, True)}, V), {"/a": A}, {}, 0) is None
