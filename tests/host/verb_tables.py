"""Every verb in every situation in which it cannot do its work: how it ends, and what it says on stderr.

Tried in `tests.host.test_verbs`.
"""

import re

from orchestrator.cli.main import VERBS
from tests.host.verb_calls import Row

NOBODY = "no agent is running (run directory {run})"
LISTENS = "no agent listens at {run}/control.sock: start it with `orchestrator run`"
RAN_ONCE = re.compile(r"agent [^\n]+ with runc [^\n]+\n(?!Traceback)(.*\n)*", re.MULTILINE)
"""What `run --once` says when all went well."""

CHECKS = (
    Row("check {scratch}/new.toml"),
    Row("check --json {scratch}/new.toml"),
    Row("build {scratch}/new.toml -o {scratch}/bundle"),
    Row("schema"),
    Row("completion bash"),
    Row("plugins bind"),
    Row("plugins --json"),
)
"""What goes by what it is given alone."""

UNASKED = (
    Row("start --all --json", 1, LISTENS),
    Row("stop web", 1, LISTENS),
    Row("restart web", 1, LISTENS),
    Row("kill web HUP", 1, LISTENS),
    Row("shutdown", 1, LISTENS),
)
"""What is asked of the agent, where there is none."""

NO_GENERATION = "there is no generation ({state}/generations): has an agent ever run?"
UNKEPT = (
    Row("history", 1, NO_GENERATION),
    Row("history --json", 1, NO_GENERATION),
    Row("diff 1", 1, NO_GENERATION),
    Row("diff 1 2 --json", 1, NO_GENERATION),
    Row("rollback", 1, NO_GENERATION),
    Row("rollback --resume", 1, NO_GENERATION),
)
"""What goes by generations, where there is none."""

EMPTY = (
    Row("volumes"),
    *CHECKS,
    *UNASKED,
    *UNKEPT,
    Row("schema --reference"),
    Row("completion zsh"),
    Row("completion fish"),
    Row("start web", 1, LISTENS),
    Row("stop --all --no-wait", 1, LISTENS),
    Row("shutdown --no-wait", 1, LISTENS),
    Row("run --once --runtime runc", 0, RAN_ONCE),
    Row("check"),
    Row("plan", 0, f"{NOBODY}: comparing with the state files"),
    Row("plan --json", 0, f"{NOBODY}: comparing with the state files"),
    Row("status", 0, f"{NOBODY}\nthere is no container"),
    Row("status --json", 0, NOBODY),
    Row("status web", 1, f'there is no container "web": {NOBODY}'),
    Row("status web --json", 1, f'there is no container "web": {NOBODY}'),
    Row("logs web", 1, "there is no log of web ({state}/logs/web.log): has it ever run?"),
    Row("logs -f web", 1, "there is no log of web ({state}/logs/web.log): has it ever run?"),
    Row("logs --previous web", 1, "no instance of web before the last one is known"),
    Row("logs --all", 1, "there are no logs ({state}/logs): has an agent ever run?"),
    Row("events", 1, "there is no event log ({state}/events.log): has an agent ever run?"),
    Row("events --json web", 1, "there is no event log ({state}/events.log): has an agent ever run?"),
    Row("show web", 1, f'{NOBODY}: from the files\nthere is no container "web" in {{config}}'),
    Row("show web --spec", 1, f'{NOBODY}: from the files\nthere is no container "web" in {{config}}'),
    Row("show web --config", 1, f'{NOBODY}: from the files\nthere is no container "web" in {{run}}'),
    Row("exec web -- true", 125, 'there is no container "web"'),
    Row("doctor --runtime runc"),
    Row("doctor --runtime runc --json"),
)

NO_CONFIG = "cannot read the directory {config}: no such file or directory"
MISSING = (
    Row("volumes", 1, f"cannot tell which volumes are used: {NO_CONFIG}"),
    *CHECKS,
    *UNASKED,
    *UNKEPT,
    Row("run --once --runtime runc", 1, re.compile(rf"{RAN_ONCE.pattern}.*config: no such file or directory(.*\n)*")),
    Row("check", 1, NO_CONFIG),
    Row("plan --json", 1, f"{NOBODY}: comparing with the state files\n{NO_CONFIG}"),
    Row("status", 0, "no agent is running (run directory {run}, which is missing)\nthere is no container"),
    Row("status --json", 0, "no agent is running (run directory {run}, which is missing)"),
    Row("logs web", 1, "there is no log of web ({state}/logs/web.log): has it ever run?"),
    Row("events -f", 1, "there is no event log ({state}/events.log): has an agent ever run?"),
    Row("show web", 1, f"{NOBODY}: from the files\n{NO_CONFIG}"),
    Row("exec web -- true", 125, 'there is no container "web"'),
    Row("doctor --runtime runc --json"),
)

KILLED = (
    Row("volumes"),
    *CHECKS,
    *UNASKED,
    Row("check"),
    Row("plan", 0, f"{NOBODY}: comparing with the state files"),
    Row("plan --json", 0, f"{NOBODY}: comparing with the state files"),
    Row("status", 0, NOBODY),
    Row("status --json", 0, NOBODY),
    Row("status web", 0, NOBODY),
    Row("logs web"),
    Row("logs --all"),
    Row("events --json"),
    Row("events web"),
    Row("show web", 0, f"{NOBODY}: from the files"),
    Row("show web --spec", 0, f"{NOBODY}: from the files"),
    Row("show web --config", 0, f"{NOBODY}: from the files"),
    Row("exec web -- true"),
    Row("history"),
    Row("history --json"),
    Row("diff 1"),
    Row("diff 1 1 --json"),
    Row("diff 9", 1, "there is no generation 9 (there is 1 only)"),
    Row("rollback", 1, "there is no generation before 1, which is live"),
    Row("rollback 1", 0, f"{NOBODY}: written down for the next one"),
    Row("rollback --resume", 0, f"{NOBODY}: written down for the next one"),
    Row("rollback --resume", 1, "no generation is pinned: the directory is followed"),
    Row("doctor --runtime runc --json"),
    Row("run --once --runtime runc", 0, RAN_ONCE),
)
"""A socket that nobody listens on any more, and a container that goes on: the last row ends it."""

UNHEARD = (
    Row("volumes"),
    *CHECKS,
    Row("run --runtime runc", 1, "another agent (pid {pid}) has {run}"),
    Row("check"),
    Row("status"),
    Row("status web --json"),
    Row("logs web"),
    Row("events web --json"),
    Row("exec web -- true"),
    Row("history --json"),
    Row("diff 1"),
    Row("doctor --runtime runc", 1),
)
"""What goes on while an agent hangs."""

QUIET = re.compile("\n")
"""A line end alone: on a terminal it comes after what the terminal shows of the key."""
GOES_ON = "interrupted: the agent goes on with what it has begun"
WAITING = (
    Row("plan", 130, QUIET),
    Row("show web", 130, QUIET),
    Row("start web", 130, GOES_ON),
    Row("stop --all", 130, GOES_ON),
    Row("restart web --no-wait", 130, GOES_ON),
    Row("kill web HUP", 130, QUIET),
    Row("rollback 1", 130, GOES_ON),
    Row("rollback --resume", 130, GOES_ON),
    Row("shutdown", 130, GOES_ON),
)
"""What waits for an agent that hangs, until it is interrupted."""

ONLY = "only root and the agent's own user may talk to it ({run}/control.sock)"
STATES = "cannot read the state files in {run}/names: Permission denied"
AGENT = "cannot read {run}/agent.json: Permission denied"
GENERATIONS = "cannot read {state}/generations: Permission denied"
STRANGERS = (
    Row("volumes", 1, "cannot read {run}/agent.json: Permission denied"),
    Row("plugins"),
    Row("check"),
    Row("check --json {scratch}/new.toml"),
    Row("schema"),
    Row("completion bash"),
    Row("doctor --runtime runc --json"),
    Row("run --once --runtime runc", 1, "cannot open the lock {run}/lock: Permission denied"),
    Row("build {scratch}/new.toml -o {scratch}/bundle", 1, re.compile(".*/bundle: Permission denied .*\n")),
    Row("plan", 1, AGENT),
    Row("plan --json", 1, AGENT),
    Row("status", 1, STATES),
    Row("status web --json", 1, STATES),
    Row("logs web", 1, "cannot read {run}/names/web.json: Permission denied"),
    Row("logs --all", 1, STATES),
    Row("events", 1, "cannot read the event log ({state}/events.log): Permission denied"),
    Row("show web", 1, AGENT),
    Row("show web --config", 1, AGENT),
    Row("exec web -- true", 125, STATES),
    Row("history", 1, GENERATIONS),
    Row("diff 1", 1, GENERATIONS),
    Row("rollback", 1, AGENT),
    Row("start web", 1, ONLY),
    Row("start --all --json", 1, ONLY),
    Row("stop web", 1, ONLY),
    Row("restart web", 1, ONLY),
    Row("kill web HUP", 1, ONLY),
    Row("shutdown", 1, ONLY),
)

WBE = 'there is no container "wbe" (did you mean "web"?)'
ZZZ = 'there is no container "zzz"'
UNKNOWN = (
    Row("status wbe --json", 1, WBE),
    Row("status zzz", 1, ZZZ),
    Row("status web wbe zzz", 1, 'there is no container "wbe", "zzz" (did you mean "web"?)'),
    Row("logs wbe", 1, 'there is no log of wbe ({state}/logs/wbe.log): did you mean "web"?'),
    Row("logs web zzz", 1, "there is no log of zzz ({state}/logs/zzz.log): has it ever run?"),
    Row("events wbe --json", 1, 'there is no event of "wbe" (did you mean "web"?)'),
    Row("events web zzz", 1, 'there is no event of "zzz"'),
    Row("show wbe", 1, WBE),
    Row("show zzz --spec", 1, ZZZ),
    Row("show wbe --config", 1, WBE),
    Row("show ../web", 1, 'there is no container "../web": a name has no slash'),
    Row("exec wbe -- true", 125, WBE),
    Row("exec zzz -- true", 125, ZZZ),
    Row("kill wbe HUP", 1, WBE),
    *(
        row
        for verb in ("start", "stop", "restart")
        for row in (
            Row(f"{verb} wbe --json", 1, WBE),
            Row(f"{verb} web wbe zzz", 1, f"{WBE}\n{ZZZ}"),
            Row(f"{verb} zzz --no-wait", 1, ZZZ),
        )
    ),
)

USAGE = (
    *(
        Row(f"{verb} --nonesuch", 2, re.compile(f"orchestrator: No such option '--nonesuch'.*{verb} --help\\)\n"))
        for verb in VERBS
    ),
    *(
        Row(words, 2, re.compile(f"orchestrator: [^\n]+ \\(see orchestrator {words.split()[0]} --help\\)\n"))
        for words in (
            "run --once x",
            "run --once --config /x --state /x --run /y",
            "run --exit-policy go",
            "plan a b",
            "build",
            "build x",
            "status --since 1m",
            "logs",
            "logs --all web",
            "logs web -n -1",
            "logs web --since then",
            "logs web --previous -f",
            "events -n some",
            "show",
            "show a b",
            "show a --part",
            "exec",
            "exec web",
            "exec web --timeout 5 -- true",
            "exec web -e =x -- true",
            "start",
            "start --all web",
            "stop",
            "stop web --all",
            "restart",
            "kill",
            "kill web",
            "kill web 9",
            "kill web HUB",
            "history web",
            "diff",
            "diff web",
            "diff 0",
            "diff 1 2 3",
            "rollback web",
            "rollback 1 2",
            "rollback 1 --resume",
            "shutdown web",
            "schema web",
            "completion",
            "completion tcsh",
            "doctor web",
            "doctor --runtime=",
            "status --run=",
            "check --state=",
        )
    ),
)
