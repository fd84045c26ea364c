"""The directory that changes: what is wished of each name, how it is edited, and what may be seen of it afterwards.

Touches nothing: every choice comes from the random numbers that are handed in, and what was done is noted here.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from random import Random

from attrs import define, evolve, field, frozen

from tests.host.agent_process import definition

MEBIBYTES = (48, 64, 80)
PATIENCE = ("400ms", "500ms", "600ms")

OFTEN = {"period": "500ms", "timeout": "20s"}
"""How an application is probed: patiently, since the machine may be busy."""

KEY = "key"
"""The file among the marks that some have as a secret."""

BEGIN = """\
exec 9>>/marks/"$0".lock
flock -n 9 || echo "second $0 $1" >> /marks/lives
echo "began $0 $1" >> /marks/lives
"""
"""What every application does first: it takes a lock that another life of its name would hold."""


class Role(Enum):
    """How an application behaves."""

    SERVICE = "trap 'exit 0' TERM; sleep 100000 & wait"
    STUBBORN = "trap '' TERM; while :; do sleep 100000; done"
    NOTIFYING = "trap 'exit 0' TERM; systemd-notify --ready; sleep 100000 & wait"
    HEALTHY = "trap 'exit 0' TERM; sleep 100001 & wait"
    LISTENING = "trap 'exit 0' TERM; sleep 100002 & wait"
    CRASHER = "sleep 0.1; exit 1"
    ONESHOT = "sleep 0.1"
    FAILING = "exit 3"

    @property
    def stays(self) -> bool:
        """Whether it runs until it is ended."""
        return self in (Role.SERVICE, Role.STUBBORN, Role.NOTIFYING, Role.HEALTHY, Role.LISTENING)

    @property
    def rolls_back(self) -> bool:
        """Whether an edit that does not become ready gives way to what ran before."""
        return self in (Role.NOTIFYING, Role.HEALTHY)


@frozen(kw_only=True)
class Wish:
    """What one file says."""

    role: Role
    version: int
    """Another one is another bundle."""
    memory: int = 0
    patience: int = 0
    remark: int = 0
    broken: bool = False
    writable: bool = False
    secret: bool = False
    """It has something mounted by a kind that does its part on the host."""

    def text(self, name: str, marks: Path) -> str:
        """The definition. marks: a folder that the applications write to."""
        restart: dict[str, object] = {"delay": PATIENCE[self.patience], "max_delay": "1500ms", "jitter": 0.0}
        if self.role is Role.FAILING:
            restart["on_failure"] = "stop"
        more: dict[str, object] = {}
        if self.role is Role.NOTIFYING:
            more = {"ready": "notify", "start_timeout": "8s"}
        elif self.role is Role.HEALTHY:
            more = {"ready": "healthy", "health": {"type": "exec", "args": ["sleep", "0.05"], **OFTEN}}
        elif self.role is Role.LISTENING:
            # Not two at a time, as every application of this harness.
            more = {"sockets": {"web": {"stream": f"{marks}/{name}.sock"}}, "exclusive": True}
        secret = {"/run/key": {"type": "secret", "file": str(marks / KEY)}}
        text = definition(
            ["/bin/sh", "-c", BEGIN + self.role.value, name, str(self.version), str(marks)],
            type="service" if self.role is not Role.ONESHOT else "oneshot",
            readonly=not self.writable,
            restart=restart,
            stop={"timeout": "300ms"},
            resources={"memory": f"{MEBIBYTES[self.memory]}M"},
            mounts={"/marks": {"source": str(marks)}, **(secret if self.secret else {})},
            **more,
        )
        return f"# {self.remark}\n{text}{'nonsense = true' if self.broken else ''}\n"


class Verb(Enum):
    """What is done to a name, by an edit, an operator, or fate."""

    REPLACE = "replace"
    UPDATE = "update"
    RETUNE = "retune"
    REMARK = "remark"
    BREAK = "break"
    MEND = "mend"
    MEND_OTHERWISE = "mend otherwise"
    REMOVE = "remove"
    ADD = "add"
    ADD_BROKEN = "add broken"
    FLICKER = "flicker"
    """Away and back within the grace."""
    STOP = "stop"
    START = "start"
    RESTART = "restart"
    CRASH = "crash"
    """The application is killed."""
    DAMAGE_NAME = "damage the file of the name"
    DAMAGE_INSTANCE = "damage the file of the instance"
    DAMAGE_GENERATION = "damage the newest generation"
    PIN = "pin the newest generation and resume"


OPERATORS = frozenset({Verb.STOP, Verb.START, Verb.RESTART, Verb.PIN})
"""Those that need an agent."""
DAMAGES = frozenset({Verb.DAMAGE_NAME, Verb.DAMAGE_INSTANCE, Verb.DAMAGE_GENERATION})
"""Those that need that there is none."""
OF_ALL = frozenset({Verb.DAMAGE_GENERATION, Verb.PIN})
"""Those that are done to no name."""


@define
class Account:
    """A name: what is wished of it, and what may have happened to it since it was looked at last."""

    wish: Wish
    there: bool = True
    """Whether there is a file of it."""
    held: bool | None = False
    """Whether an operator has stopped it; None: either, since the answer was lost."""
    runs: int | None = None
    """The version that ran when it was looked at."""
    disturbed: bool = True
    """What ran may have ended since."""
    begun: int = 1
    """How often its application may have begun since."""
    good: int = 1
    """The version that its file had last when it was in order."""
    versions: set[int] = field(factory=set)
    """Those that may run while its file is broken."""

    refused: set[int] = field(factory=set)
    """Those that may have come back, since what was to follow them was killed before it was ready."""

    @property
    def fitting(self) -> set[int]:
        """The versions that may run."""
        return (self.versions if self.wish.broken else {self.wish.version}) | self.refused

    def note_crash(self) -> None:
        """What runs was killed. It may be an edit that is still tried, so that what ran before comes back."""
        self.disturb()
        if self.wish.role.rolls_back and self.runs not in (None, self.wish.version):
            self.refused.add(self.runs)
            self.begun += 1

    def note_look(self, runs: int | None, accepted: int | None, *, held: bool) -> None:
        """All is as it should be now. runs, accepted: the versions that run and that the newest generation has."""
        self.runs, self.held = runs, held
        self.disturbed, self.begun = False, 0
        if runs == self.wish.version:
            self.refused.clear()
        self.versions = {self.good, *(version for version in (runs, accepted) if version is not None)}

    def disturb(self, begun: int = 1) -> None:
        """What runs may end, and so often another may begin."""
        self.disturbed = True
        self.begun += begun

    def note_kill(self) -> None:
        """An agent was killed. How something ended that nobody saw is not known, so it may have to be done again."""
        if not self.wish.role.stays:
            self.begun += 1

    def edit(self, verb: Verb) -> None:
        """Another wish, and what may follow from it."""
        wish = self.wish
        match verb:
            case Verb.REPLACE | Verb.MEND_OTHERWISE | Verb.ADD | Verb.ADD_BROKEN:
                self.wish = evolve(wish, version=wish.version + 1, broken=verb is Verb.ADD_BROKEN)
                self.disturb()
                self.refused.clear()
                if not self.there:
                    # Within the grace a stop outlives its file.
                    self.there, self.held = True, None if self.held else self.held
            case Verb.UPDATE:
                self.wish = evolve(wish, memory=(wish.memory + 1) % len(MEBIBYTES))
            case Verb.RETUNE:
                self.wish = evolve(wish, patience=(wish.patience + 1) % len(PATIENCE))
            case Verb.REMARK:
                self.wish = evolve(wish, remark=wish.remark + 1)
            case Verb.BREAK:
                self.wish = evolve(wish, broken=True)
            case Verb.MEND:
                self.wish = evolve(wish, broken=False)
                if self.runs != wish.version:
                    self.disturb()
            case Verb.REMOVE:
                self.there = False
                self.disturb(0)
        if not self.wish.broken:
            self.good = self.wish.version
            self.versions.add(self.good)


@frozen
class Deed:
    """Something that is done to a name."""

    verb: Verb
    name: str
    pause: float
    """Seconds until the next one."""

    def __str__(self) -> str:
        return f"{self.verb.value} {self.name}".rstrip()


STEADY = tuple(f"steady{letter}" for letter in "abcd")
"""Those that nobody touches: they run from the first agent to the last."""


def first_accounts() -> dict[str, Account]:
    """What the directory begins with."""
    roles = {
        **dict.fromkeys(STEADY, Role.SERVICE),
        **{f"service{letter}": Role.SERVICE for letter in "abcdefgh"},
        **{f"stubborn{letter}": Role.STUBBORN for letter in "abc"},
        **{f"notifying{letter}": Role.NOTIFYING for letter in "ab"},
        **{f"healthy{letter}": Role.HEALTHY for letter in "ab"},
        **{f"listening{letter}": Role.LISTENING for letter in "ab"},
        **{f"crasher{letter}": Role.CRASHER for letter in "abc"},
        **{f"oneshot{letter}": Role.ONESHOT for letter in "abc"},
        "failing": Role.FAILING,
    }
    writable = ("steadya", "servicea", "stubborna", "crashera", "oneshota")
    secret = ("steadyb", "serviceb", "servicec", "stubbornb", "notifyinga", "crasherb", "oneshotb")
    return {
        name: Account(Wish(role=role, version=1, writable=name in writable, secret=name in secret))
        for name, role in roles.items()
    }


def choose_deeds(
    accounts: Mapping[str, Account], chance: Random, count: int, first: Verb | None, *, agent: bool
) -> Iterator[Deed]:
    """The next deeds; each is to be noted before the next one is asked for. first: one that is to be among them.
    agent: whether there is one to ask."""
    verbs = [verb for verb in Verb if verb not in (DAMAGES if agent else OPERATORS)]
    for number in range(count):
        verb = first if number == 0 and first is not None else chance.choice(verbs)
        names = sorted(name for name, account in accounts.items() if name not in STEADY and _is_fit(account, verb))
        pause = chance.choice((0.0, 0.0, 0.01, 0.05, 0.15))
        if verb in OF_ALL:
            # Without the newest generation the last good definition of what is broken would be an older one.
            fits = verb is Verb.PIN or not any(each.there and each.wish.broken for each in accounts.values())
            names = [""] if fits else []
        if names:
            yield Deed(verb, chance.choice(names), pause)


def _is_fit(account: Account, verb: Verb) -> bool:
    """Whether that can be done to a name, and what follows from it is known."""
    wish = account.wish
    if verb in DAMAGES:
        return True
    if not account.there:
        return verb in (Verb.ADD, Verb.ADD_BROKEN)
    if wish.broken:
        return verb in (Verb.MEND, Verb.MEND_OTHERWISE, Verb.REMOVE)
    match verb:
        case Verb.ADD | Verb.ADD_BROKEN | Verb.MEND | Verb.MEND_OTHERWISE:
            return False
        case Verb.CRASH:
            return wish.role.stays and account.held is False
        case Verb.STOP | Verb.FLICKER:
            return account.held is False
        case Verb.START:
            return account.held is True
        case Verb.RESTART | Verb.UPDATE:
            return wish.role.stays
        case _:
            return True
