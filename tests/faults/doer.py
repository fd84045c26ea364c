"""Does to the containers and their files what is to be done, and notes in the accounts what may follow from it."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.faults.faulty_agent import FaultyAgent
from tests.faults.looks import find_applications, find_generations, read_accepted
from tests.faults.wishes import DAMAGES, OPERATORS, Account, Deed, Verb

GRACE = 0.6
"""Seconds that a file may be away while nothing is to follow from it; well below the agent's own."""
NO_GENERATION = 10**9


class Doer:
    """Does deeds."""

    def __init__(self, agent: FaultyAgent, accounts: Mapping[str, Account], note: Callable[[str], None]) -> None:
        """note: is told what is done."""
        self._agent = agent
        self._accounts = accounts
        self._note = note
        self.done = Counter[str]()
        """How often each verb was."""
        self.pinned = False
        """A generation may be pinned, since an answer was lost."""

    def do(self, deed: Deed) -> None:
        """Do it, note in its account what may follow, and pause."""
        self._note(str(deed))
        self.done[deed.verb.value] += 1
        if deed.verb is Verb.PIN:
            self._pin()
        elif deed.verb is Verb.DAMAGE_GENERATION:
            # There may be none, where each agent so far died before it wrote one, or the only one was damaged before.
            for newest in find_generations(self._agent.layout)[-1:]:
                newest.write_text("damaged")
            for name, version in read_accepted(self._agent.layout).items():
                self._accounts[name].versions.add(version)
        else:
            self._do_to(self._accounts[deed.name], deed)
        time.sleep(deed.pause)

    def _do_to(self, account: Account, deed: Deed) -> None:
        if deed.verb in OPERATORS:
            self._operate(deed, account)
        elif deed.verb is Verb.CRASH:
            account.note_crash()
            for each in find_applications(self._agent.marks):
                if each.name == deed.name:
                    os.kill(each.pid, signal.SIGKILL)
        elif deed.verb in DAMAGES:
            self._damage(deed)
        elif deed.verb is Verb.FLICKER:
            self._flicker(deed.name, account)
        else:
            account.edit(deed.verb)
            self.write(deed.name)

    def _pin(self) -> None:
        """Pin what is followed now, so that nothing follows from it, and go back to the directory."""
        for account in self._accounts.values():
            if not account.there:
                account.disturb()  # within its grace it is still followed, so it may come back for a moment
        # Every edit so far is seen to; what is followed is written down before a number is found to be none.
        if self._ask("plan") == 200 and self._ask("rollback", {"generation": NO_GENERATION}) == 409:
            self.pinned = True
            for name, version in read_accepted(self._agent.layout).items():
                account = self._accounts[name]
                if account.there and account.wish.broken and account.runs != version:
                    # Its file was broken before what runs became a generation: what is pinned has the version before.
                    account.versions.add(version)
                    account.disturb()
            self._ask("rollback", {"generation": int(find_generations(self._agent.layout)[-1].stem)})
            self.resume()

    def resume(self) -> None:
        """Let the agent follow the directory again."""
        status = self._ask("resume", {})
        assert status in (204, 409, None), f"resume: {status}"
        self.pinned = status is None

    def _ask(self, verb: str, body: object = None) -> int | None:
        status = self._agent.ask(verb, body)
        self._note(f"answer {status}")
        return status

    def _operate(self, deed: Deed, account: Account) -> None:
        status = self._ask(deed.verb.value, {"names": [deed.name], "wait": False})
        if status is not None and status >= 400:
            # Of what was edited just now it may not know yet.
            assert status in (404, 409), f"{deed}: {status}"
            return
        account.disturb(0 if deed.verb is Verb.STOP else 1)
        held = deed.verb is Verb.STOP
        account.held = held if status is not None or account.held == held else None

    def _damage(self, deed: Deed) -> None:
        """What runs is found again. What rests is not known to have been done, and is done once more."""
        layout = self._agent.layout
        paths = [Path(layout.name_state(deed.name))]
        if deed.verb is Verb.DAMAGE_INSTANCE:
            paths = list(Path(layout.instances).glob(f"{deed.name}-*.json"))
        for path in paths:
            if path.exists():
                path.write_text("damaged")
        account = self._accounts[deed.name]
        if not account.wish.role.stays:
            account.disturb()

    def _flicker(self, name: str, account: Account) -> None:
        path = self._agent.config / f"{name}.toml"
        away = path.with_name(f".{name}.away")
        began = time.monotonic()
        path.rename(away)
        time.sleep(0.1)
        away.rename(path)
        if time.monotonic() > began + GRACE:
            account.disturb()

    def write(self, name: str) -> None:
        """Put the file of a name in place, or take it away, as its account says."""
        account = self._accounts[name]
        if account.there:
            self._agent.define(name, account.wish.text(name, self._agent.marks))
        else:
            (self._agent.config / f"{name}.toml").unlink()
