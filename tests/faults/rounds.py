"""Where the agents are to die, and what is done before: dealt from a seed."""

from random import Random

from attrs import frozen

from tests.faults.points import Plan, list_points
from tests.faults.wishes import DAMAGES, OPERATORS, Verb

PROVOKED_BY = {
    "runtime.update": Verb.UPDATE,
    "runtime.kill_all": Verb.REPLACE,
    "process.send_signal": Verb.REPLACE,
    "disk.hold": Verb.STOP,
    "disk.release": Verb.START,
    "disk.remove_name": Verb.REMOVE,
    "disk.set_aside": Verb.DAMAGE_INSTANCE,
    "generations.set_aside": Verb.DAMAGE_GENERATION,
    "generations.write_pin": Verb.PIN,
    "disk.write_name[invalid]": Verb.ADD_BROKEN,
    "disk.write_name[stopped]": Verb.STOP,
}
"""What is among the deeds of a round so that a point is reached; those of other points are reached by most."""


@frozen
class Round:
    """What one round brings."""

    plan: Plan | None
    """Where the agent is to die; None: at an instant."""
    instant: float
    """Seconds after the first deed, or the agent's start, at which it dies where there is no plan."""
    at_start: bool
    """Whether it dies as it begins, or while it works."""
    deeds: int
    provocation: Verb | None

    def __str__(self) -> str:
        where = f"{self.plan.point} (time {self.plan.count})" if self.plan else f"after {self.instant * 1000:.0f} ms"
        return f"{where}, {'at the start' if self.at_start else 'at work'}"


def deal_rounds(seed: int, count: int) -> list[Round]:
    """The rounds: three of four at a named point, each point as often as every other."""
    deck: list[str] = []
    rounds = []
    chance = Random(f"{seed} rounds")
    for _ in range(count):
        point = None
        if chance.random() < 0.75:
            if not deck:
                deck = list(list_points())
                chance.shuffle(deck)
            point = deck.pop()
        delay = chance.uniform(0.0, 0.03) if point is not None and point.startswith("during") else 0.0
        times = chance.choice((1, 1, 1, 2, 3))
        method = (point or "").partition(" ")[2]
        provocation = PROVOKED_BY.get(method) or PROVOKED_BY.get(method.partition("[")[0])
        rounds.append(
            Round(
                plan=None if point is None else Plan(point, times, delay),
                instant=chance.uniform(0.0, 1.2),
                at_start=_comes_at_start(provocation, chance.random()),
                deeds=chance.randint(2, 7),
                provocation=provocation,
            )
        )
    return rounds


def _comes_at_start(provocation: Verb | None, chance: float) -> bool:
    """Whether an agent dies as it begins."""
    if provocation in DAMAGES:
        return True
    return provocation not in OPERATORS and chance < 0.35
