"""The hooks directories of the made-up world."""

import json


def hook(when: object, *stages: str, args: object = None, path: str = "/usr/bin/true", **more: object) -> str:
    """A file."""
    program = {"path": path, **({} if args is None else {"args": args})}
    return json.dumps({"version": "1.0.0", "hook": program, "when": when, "stages": list(stages), **more})


HOOK_FILES: dict[str, dict[str, str]] = {
    "/etc/hooks.d": {
        "02-always.json": hook({"always": True}, "poststop", "prestart", args=["true", "2"]),
        "01-COMMAND.json": hook({"commands": ["^/usr/bin/never$", "/true$"]}, "createRuntime", args=["true", "1"]),
        "03-annotated.json": hook(
            {"annotations": {"^org[.]example[.]": "^(yes|on)$", "gpu": "[[:digit:]]"}}, "startContainer"
        ),
        "04-mounts.json": hook({"hasBindMounts": True}, "createContainer", args=["true", "4"]),
        "05-both.json": hook({"always": True, "commands": ["/false$"]}, "poststart"),
        "06-never.json": hook({"always": False, "hasBindMounts": False}, "poststart"),
        "07-hidden.json": "{",
        "README.txt": "{",
    },
    "/etc/more.d": {"07-hidden.json": hook({"always": True}, "poststop", args=["true", "7"])},
    "/etc/bad.d": {
        "a.json": "[]",
        "b.json": json.dumps({"version": "0.1.0", "hook": "/usr/bin/true", "stage": ["prestart"], "cmd": [".*"]}),
        "c.json": hook({"always": True}, "precreate"),
        "d.json": hook({}, "prestart"),
        "e.json": hook({"commands": ["("], "annotations": {"[": "[[:nonsense:]]"}}),
        "f.json": hook({"always": True}, "prestart", path="/usr/bin/gone"),
        "g.json": hook({"alway": True}, "preStart", extra=1),
        "h.json": hook({"always": True}, "prestart", path="true"),
    },
}
