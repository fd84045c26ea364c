"""What the program of the made-up world answers, which is the mount kind "disk" of `tests.plugins.helpers_exec`."""

import json

from orchestrator.model.facts import ExecAnswer, ExecQuestion


def answer_program(question: ExecQuestion) -> ExecAnswer:
    """A disk of the size that is asked for; it fails where that is told by a tag, and knows a tag that there is not."""
    request = json.loads(question.request)
    options, destination = request["options"], request["destination"]
    tags = options.get("tags", [])
    if "broken" in tags:
        return ExecAnswer(5, json.dumps({"code": 5, "msg": "no loop device", "details": "modprobe loop"}))
    if "wrong" in tags:
        return ExecAnswer(0, json.dumps({"mounts": [{"destination": destination, "typ": "ext4", "source": "/dev/x"}]}))
    faults = [
        {"path": ["tags", index], "message": f'there is no tag "{tag}"', "hint": "take it away"}
        for index, tag in enumerate(tags)
        if tag == "unknown"
    ]
    source, size = request["folders"]["scratch"], options["size"]
    return ExecAnswer(
        0,
        json.dumps(
            {
                "mounts": [{"destination": destination, "type": "bind", "source": source, "options": ["bind", "rw"]}],
                "entries": [{"type": "folder", "path": destination}],
                "env": {"DISK_SIZE": str(size), "LANG": "disk"},
                "groups": [6],
                "hooks": [{"stage": "createRuntime", "path": "/usr/bin/true", "args": ["true", str(size)]}],
                "attach": [{"stage": "prepare", "work": {"size": size, "mode": options["mode"]}}],
                "faults": faults,
            }
        ),
    )
