"""A system that is shut down: the agent stops its containers, each after those that come after it."""

import pytest

from tests.host.agent_process import definition
from tests.systemd.machine import Machine

pytestmark = pytest.mark.real


def test_containers_end_in_the_reverse_of_their_order(machine: Machine) -> None:
    # Whoever is to end first takes longest: at the same time they would end the other way round.
    for name, after, seconds in (("base", [], 0), ("middle", ["base"], 0.5), ("top", ["middle"], 1)):
        script = f"trap 'sleep {seconds}; echo {name} >> /srv/ends; exit 0' TERM; sleep 100000 & wait"
        machine.define(name, definition(script, after=after, mounts={"/srv": {"source": "/srv"}}))
    machine.systemctl("start", "orchestrator")
    for name in ("base", "middle", "top"):
        machine.wait_running(name)
    machine.power_off()
    assert (machine.outside / "ends").read_text().split() == ["top", "middle", "base"]
