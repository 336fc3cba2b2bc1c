from lab.standins.marathon.marathon_standin.resources import Purse, reservation_role
from tests.unit.standins.marathon.make import ports, scalar


def test_reservation_role_before_and_since_refinement() -> None:
    assert reservation_role(scalar("cpus", 1)) == "*"
    assert reservation_role(scalar("cpus", 1, "marathon")) == "marathon"
    assert reservation_role({"name": "cpus", "role": "marathon"}) == "marathon"
    assert reservation_role({"name": "cpus", "role": "*"}) == "*"
    assert reservation_role({"reservations": [{"role": "eng"}, {"role": "eng/ci"}]}) == "eng/ci"


def test_scalars_come_from_the_accepted_roles_reserved_first() -> None:
    purse = Purse([scalar("cpus", 1), scalar("cpus", 1, "marathon"), scalar("cpus", 8, "other")])
    taken = purse.take_scalar("cpus", 1.5, ["*", "marathon"])
    assert taken is not None
    assert [(reservation_role(r), r["scalar"]["value"]) for r in taken] == [("marathon", 1.0), ("*", 0.5)]
    assert all(r["allocation_info"] == {"role": "marathon"} for r in taken)
    assert purse.take_scalar("cpus", 0.6, ["*", "marathon"]) is None
    assert purse.take_scalar("cpus", 0.5, ["*"]) is not None


def test_a_refusal_takes_nothing() -> None:
    purse = Purse([scalar("mem", 100)])
    assert purse.take_scalar("mem", 101, ["*"]) is None
    assert purse.take_scalar("mem", 100, ["*"]) is not None


def test_thousandths_add_up() -> None:
    purse = Purse([scalar("cpus", 0.3)])
    for _ in range(3):
        assert purse.take_scalar("cpus", 0.1, ["*"]) is not None
    assert purse.take_scalar("cpus", 0.001, ["*"]) is None


def test_nothing_wanted_takes_no_resource() -> None:
    assert Purse([scalar("disk", 10)]).take_scalar("disk", 0, ["*"]) == []


def test_ports_are_chosen_or_fixed() -> None:
    purse = Purse([ports(31000, 31002)])
    found = purse.take_ports([0, 31002, 0], ["*"], lambda free: free[0])
    assert found is not None
    numbers, resources = found
    assert numbers == [31000, 31002, 31001]  # a fixed one is not given away to a random one
    assert [r["ranges"]["range"] for r in resources] == [[{"begin": n, "end": n}] for n in numbers]
    assert purse.take_ports([0], ["*"], lambda free: free[0]) is None


def test_ports_of_other_roles_are_not_used() -> None:
    purse = Purse([ports(31000, 31001, "other"), ports(32000, 32000, "marathon")])
    found = purse.take_ports([0], ["marathon"], lambda free: free[0])
    assert found is not None
    assert found[0] == [32000]
    assert purse.take_ports([31000], ["marathon"], lambda free: free[0]) is None


def test_volumes_revocable_and_labelled_resources_are_left_alone() -> None:
    labelled = {**scalar("cpus", 4), "reservations": [{"role": "marathon", "labels": {"labels": [{"key": "x"}]}}]}
    # An empty message is how v1 JSON says "revocable".
    special = [{**scalar("cpus", 4), "revocable": {}}, {**scalar("disk", 9), "disk": {"volume": {}}}, labelled]
    assert not Purse(special).has_role(["*", "marathon"])
