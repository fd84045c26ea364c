"""Who is woken when, without supervisions: the order by itself."""

from attrs import evolve

from orchestrator.core.lifecycle import Event
from orchestrator.core.order import Prospect, Turn
from orchestrator.model.action import Hold, Retune, Start, Stop, Target
from orchestrator.model.bundle import Bundle
from orchestrator.model.life import Life
from orchestrator.model.resources import Resources
from orchestrator.model.spec import FolderRoot, Policy
from orchestrator.tasks.order import Order
from tests.core.helpers_lifecycle import SERVICE, START, drive

TARGET = Target(Bundle("0", {}, FolderRoot(path="/"), readonly=True), Resources(), SERVICE)
BLOCKED, _ = drive(Event.GO)
RUNNING, _ = drive(*START)
IDLE = Life()


class Board:
    """An order, and what it did, in order."""

    def __init__(self, *names: str) -> None:
        self.did: list[str] = []
        self.said: list[str] = []
        self.order = Order(lambda name: self.did.append(f"expect {name}"), self.said.append)
        for name in names:
            self.order.join(name, lambda name=name: self.did.append(f"wake {name}"))  # type: ignore[misc]
        self.order.open()

    def note(self, name: str, life: Life, policy: Policy = SERVICE, *, heard: bool = True) -> None:
        self.order.note(name, life, policy, valid=True, heard=heard)

    def block(self, name: str, *after: str) -> None:
        self.note(name, BLOCKED, evolve(SERVICE, after=after))
        self.order.wait(name)

    def take(self) -> list[str]:
        did, self.did = self.did, []
        return did


def test_who_is_woken_is_expected_first_to_answer_and_is_woken_once() -> None:
    board = Board("web", "db", "aside")
    board.note("aside", RUNNING)
    board.block("web", "db")
    board.take()
    board.note("db", RUNNING)
    assert board.take() == ["expect web", "wake web"]
    assert board.order.turn("web") == Turn(may_start=True)
    board.note("db", RUNNING)
    board.note("aside", IDLE)
    assert board.take() == []


def test_nobody_starts_before_it_is_open_and_then_all_whose_turn_it_is() -> None:
    order = Order(lambda name: None, print)
    woken: list[str] = []
    for name in ("web", "db"):
        order.join(name, lambda name=name: woken.append(name))  # type: ignore[misc]
        order.note(name, BLOCKED, evolve(SERVICE, after=("db",) if name == "web" else ()), valid=True, heard=True)
        order.wait(name)
    assert not order.turn("db").may_start
    woken.clear()
    order.open()
    assert woken == ["db"]
    assert order.turn("db").may_start
    assert not order.turn("web").may_start


def test_a_turn_that_is_given_up_is_none_until_it_is_waited_for_again() -> None:
    board = Board("web")
    board.block("web")
    assert board.order.turn("web").may_start
    board.order.give_up("web")
    assert board.order.turn("web") == Turn()
    board.note("web", IDLE)
    assert not board.order.turn("web").may_start
    board.order.wait("web")
    assert board.order.turn("web").may_start


def test_what_is_told_to_start_is_awaited_before_it_has_heard_of_it() -> None:
    board = Board("web", "db")
    board.note("db", evolve(IDLE, wanted=True, outcome=drive(Event.HALT)[0].outcome))
    board.order.tell("db", Hold(TARGET))
    board.block("web", "db")
    assert board.order.turn("web").may_start, "it is stopped"
    board.order.tell("db", Start(TARGET))
    assert board.order.turn("web").awaited == (("db", Prospect.COMING),)
    board.note("db", IDLE, heard=False)
    assert not board.order.turn("web").may_start
    board.note("db", RUNNING)
    assert board.order.turn("web").may_start


def test_one_that_is_gone_is_waited_for_no_more_and_hears_nothing() -> None:
    board = Board("web", "db")
    board.note("db", BLOCKED)
    board.block("web", "db")
    assert not board.order.turn("web").may_start
    board.take()
    board.order.leave("db")
    assert board.take() == ["expect web", "wake web"]
    board.order.tell("db", Stop())
    assert board.take() == []


def test_one_that_is_gone_holds_up_no_end() -> None:
    board = Board("web", "db")
    board.note("db", RUNNING)
    board.note("web", RUNNING, evolve(SERVICE, after=("db",)))
    for name in ("db", "web"):
        board.order.tell(name, Stop())
    assert board.order.turn("db").behind == ("web",)
    board.order.leave("web")
    assert board.order.turn("db").behind == ()


def test_an_edit_while_it_ends_frees_whom_it_does_not_name_any_more() -> None:
    board = Board("web", "api", "db", "log")
    for name, after in (("db", ()), ("log", ()), ("api", ("db",)), ("web", ("api",))):
        board.note(name, RUNNING, evolve(SERVICE, after=after))
    for name in ("db", "log", "web"):
        board.order.tell(name, Stop())
    assert [board.order.turn(name).behind for name in ("db", "log")] == [("web",), ()]
    board.note("api", RUNNING, evolve(SERVICE, after=("log",)))
    assert [board.order.turn(name).behind for name in ("db", "log")] == [(), ("web",)]


def test_who_waits_for_each_other_to_end_is_let_end_once_nobody_else_ends() -> None:
    board = Board("a", "b", "c")
    for name, after in (("a", "b"), ("b", "a"), ("c", "b")):
        board.note(name, RUNNING, evolve(SERVICE, after=(after,)))
    for name in "abc":
        board.order.tell(name, Stop())
    board.note("a", RUNNING, evolve(SERVICE, after=("b",)))
    assert [board.order.turn(name).behind for name in "abc"] == [("b",), ("a", "c"), ()]
    board.note("c", IDLE, evolve(SERVICE, after=("b",)))
    assert [board.order.turn(name).behind for name in "abc"] == [(), (), ()]


def test_one_that_waits_for_many_to_end_is_not_woken_by_each() -> None:
    many = [f"n{number:03}" for number in range(100)]
    board = Board("db", *many)
    board.note("db", RUNNING)
    for name in many:
        board.note(name, RUNNING, evolve(SERVICE, after=("db",)))
    for name in ("db", *many):
        board.order.tell(name, Stop())
    board.take()
    for name in reversed(many):
        assert board.order.turn("db").behind
        board.order.leave(name)
    assert board.order.turn("db").behind == ()
    assert 0 < board.take().count("wake db") < 10


def test_whether_one_is_down() -> None:
    board = Board("db")
    assert not board.order.is_down("db")
    board.order.tell("db", Hold(TARGET))
    assert board.order.is_down("db")
    assert not board.order.is_down("nobody")


# Starts that wait for each other


def test_of_starts_that_wait_for_each_other_one_goes_on_and_says_so_and_the_others_keep_their_order() -> None:
    board = Board("api", "db", "web", "slow", "aside")
    board.note("slow", BLOCKED)
    board.block("aside", "db")
    board.block("web", "api")
    board.block("api", "db", "slow")
    assert board.said == []
    board.block("db", "web")
    board.note("db", BLOCKED, evolve(SERVICE, after=("web",)))
    assert board.said == ["api: starts without waiting for db to be ready: api, db and web wait for each other"]
    assert not board.order.turn("api").may_start
    assert [name for name, _ in board.order.turn("api").awaited] == ["slow"]
    board.note("slow", RUNNING)
    assert board.order.turn("api").may_start
    assert [board.order.turn(name).may_start for name in ("db", "web", "aside")] == [False] * 3
    board.order.give_up("api")
    board.note("api", RUNNING, evolve(SERVICE, after=("db", "slow")))
    assert board.order.turn("web").may_start
    assert not board.order.turn("db").may_start
    # The next time it waits again.
    board.note("api", BLOCKED, evolve(SERVICE, after=("db",)))
    board.order.wait("api")
    assert [name for name, _ in board.order.turn("api").awaited] == ["db"]


def test_what_is_required_is_waited_for_rather_than_what_is_only_come_after() -> None:
    board = Board("a", "b")
    board.note("a", BLOCKED, evolve(SERVICE, requires=("b",)))
    board.order.wait("a")
    board.block("b", "a")
    board.note("b", BLOCKED, evolve(SERVICE, after=("a",)))
    assert board.said == ["b: starts without waiting for a to be ready: a and b wait for each other"]
    assert (board.order.turn("a").may_start, board.order.turn("b").may_start) == (False, True)


def test_an_order_that_is_turned_round_is_no_circle_on_the_way() -> None:
    board = Board("a", "b", "c")
    policies = {"a": evolve(SERVICE, after=("b", "c")), "b": evolve(SERVICE, after=("c",))}
    board.note("c", BLOCKED)
    for name, policy in policies.items():
        board.note(name, BLOCKED, policy)
        board.order.wait(name)
    retuned = evolve(TARGET, policy=SERVICE)
    for name in ("a", "b"):
        board.order.tell(name, Retune(retuned))
    board.note("b", BLOCKED, evolve(SERVICE, after=("a", "c")))
    board.note("a", BLOCKED, evolve(SERVICE, after=("c",)))
    assert board.said == []
    assert [name for name, _ in board.order.turn("b").awaited] == ["a", "c"]


def test_circles_from_before_the_first_plan_are_seen_when_it_was_told() -> None:
    said: list[str] = []
    order = Order(lambda name: None, said.append)
    for name, other in (("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")):
        order.join(name, lambda: None)
        order.note(name, BLOCKED, evolve(SERVICE, requires=(other,)), valid=True, heard=True)
        order.wait(name)
        order.note(name, BLOCKED, evolve(SERVICE, requires=(other,)), valid=True, heard=True)
    assert said == []
    order.open()
    assert sorted(said) == [
        "a: starts without waiting for b to be ready: a and b wait for each other",
        "c: starts without waiting for d to be ready: c and d wait for each other",
    ]
    assert [order.turn(name).may_start for name in "abcd"] == [True, False, True, False]


def test_those_that_share_with_each_other_wait_without_end_and_hold_up_nobody() -> None:
    """What is in force may be of different times. None of them could be the first."""
    board = Board("a", "b", "web")
    for name, other in (("a", "b"), ("b", "a")):
        board.note(name, BLOCKED, evolve(SERVICE, requires=(other,), shares_network_of=other))
        board.order.wait(name)
    board.block("web", "a")
    board.order.give_up("web")
    board.order.wait("web")
    assert not any(board.order.turn(name).may_start for name in ("a", "b"))
    assert board.said == []
