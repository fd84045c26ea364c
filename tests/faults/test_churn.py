"""Edit after edit over real containers: neither memory nor descriptors grow. The short form of what contrib/faults
does; ten thousand events in virtual time are in tests/tasks/test_churn.py."""

from pathlib import Path

import pytest

from tests.faults.churn import GROWTH, Churn
from tests.host.agent_process import AgentProcess


@pytest.mark.real
def test_nothing_grows_over_hundreds_of_edits(tmp_path: Path) -> None:
    with AgentProcess(tmp_path, "runc") as agent:
        churn = Churn(agent.start(), 20260131)
        before = churn.run(50)
        after = churn.run(150)
        assert after.watches == before.watches
        assert after.memory - before.memory < GROWTH
        assert agent.end() == 0
