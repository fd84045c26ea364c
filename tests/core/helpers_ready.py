"""What the config.json of each ready bundle of the made-up world says."""

_PROCESS = '"process": {"args": ["web"], "cwd": "/", "user": {"uid": 7, "gid": 7}}'
_ROOT = '"root": {"path": "rootfs"}'

READY_CONFIGS = {
    f"/srv/bundles/{name}/config.json": text
    for name, text in {
        "web": f"""{{"ociVersion": "1.0.2", {_PROCESS}, "hostname": "ready",
            "root": {{"path": "rootfs", "readonly": true}},
            "mounts": [
                {{"destination": "/data", "type": "bind", "source": "data", "options": ["rbind"]}},
                {{"destination": "/more", "source": "../more/", "options": ["bind", "ro"]}},
                {{"destination": "/srv", "type": "bind", "source": "/srv/data"}},
                {{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}}
            ],
            "linux": {{"resources": {{"memory": {{"swappiness": 0}}, "pids": {{"limit": 5}}}}}},
            "x-unknown": {{"kept": [1]}}}}""",
        "bare": f'{{"ociVersion": "1.0.2", {_PROCESS}, "root": {{"path": "/srv/alpine"}}, "mounts": null}}',
        "terminal": f'{{"process": {{"args": ["sh"], "terminal": true}}, {_ROOT}}}',
        "no-args": f'{{"process": {{"args": []}}, {_ROOT}}}',
        "no-process": f"{{{_ROOT}}}",
        "no-root": f'{{{_PROCESS}, "root": {{}}}}',
        "open": '{\n"process": ',
        "list": "[]",
        "nan": '{"a": NaN}',
        "deep": "[" * 100_000,
        "mounts": f'{{{_PROCESS}, {_ROOT}, "mounts": ["/data"]}}',
        "linux": f'{{{_PROCESS}, {_ROOT}, "linux": 1}}',
        "limits": f'{{"process": {{"args": ["sh"], "rlimits": [{{}}]}}, {_ROOT}}}',
    }.items()
}
READY_CONFIGS["/srv/bundles/current/config.json"] = READY_CONFIGS["/srv/bundles/web/config.json"]
