"""The CDI files of the made-up world: vendors good and bad."""

import json
from typing import Any


def cdi(kind: str, devices: dict[str, Any], version: str = "0.7.0", **more: Any) -> str:  # noqa: ANN401 - JSON data
    """A file with these devices, by name with what each adds."""
    listed = [{"name": name, "containerEdits": edits} for name, edits in devices.items()]
    return json.dumps({"cdiVersion": version, "kind": kind, "devices": listed, **more})


CARD = {
    "deviceNodes": [
        {"path": "/dev/dri/card0", "hostPath": "/dev/card0"},
        {"path": "/dev/made", "type": "u", "major": 240, "minor": 7, "permissions": "rr", "uid": 5, "fileMode": 416},
        {"path": "/dev/seen", "hostPath": "/dev/kvm", "permissions": "none"},
    ],
    "env": ["CARD=0", "LANG=vendor"],
}
COMMON = {
    "env": ["VENDOR_VISIBLE=void", "VENDOR_OPTIONS=a=b"],
    "mounts": [
        {"hostPath": "/srv/app.conf", "containerPath": "/etc/vendor.conf", "options": ["ro", "bind"]},
        {"hostPath": "/srv/current", "containerPath": "/opt/vendor"},
        {"hostPath": "vendorfs", "containerPath": "/opt/fs", "type": "tmpfs", "options": ["size=1m"]},
    ],
    "hooks": [
        {"hookName": "createContainer", "path": "/usr/bin/true", "args": ["true", "--ldconfig"], "env": ["A=b"]},
        {"hookName": "poststop", "path": "/usr/bin/true", "timeout": 5},
    ],
    "additionalGids": [44, 0, 104],
}
FULL_CARD = {"deviceNodes": [{"path": "/dev/dri/card0", "type": "c", "major": 226, "minor": 9}]}

CDI_FILES: dict[str, dict[str, str]] = {
    "/etc/cdi": {
        "vendor.json": cdi("vendor.com/gpu", {"card0": CARD, "card1": {"env": ["CARD=1"]}}, containerEdits=COMMON),
        "one.json": cdi("twice.com/x", {"a": {}}),
        "two.json": cdi("twice.com/x", {"a": {}, "b": {}}),
        "broken.json": '{"cdiVersion": "0.7.0", "kind": "broken.com/x", devices: []}',
        "other.yaml": 'cdiVersion: "0.7.0"\nkind: yaml.com/x\n',
        "unknown.json": cdi("unknown.com/x", {"a": {"enviroment": ["A=b"]}, "b": {"env": ["A"]}}),
        "newer.json": cdi("newer.com/x", {"a": {}}, version="2.0.0"),
        "older.json": cdi("older.com/x", {"a": {"additionalGids": [1]}}, version="0.5.0"),
        "lacking.json": cdi(
            "lacking.com/x",
            {
                "a": {
                    "deviceNodes": [{"path": "/dev/gone"}, {"path": "/dev/sda1", "type": "c"}, {"path": "/srv/dsp"}],
                    "mounts": [{"hostPath": "/gone", "containerPath": "/gone"}],
                    "hooks": [{"hookName": "prestart", "path": "/usr/bin/gone"}],
                    "intelRdt": {"closID": "x"},
                },
                "net": {"netDevices": [{"hostInterfaceName": "eth1", "name": "eth0"}]},
                "usr": {"mounts": [{"hostPath": "/srv/app.conf", "containerPath": "/usr/lib/gone.so"}]},
            },
            version="1.1.0",
        ),
        "preferred.json": cdi("preferred.com/x", {"a": {"env": ["FROM=etc"]}, "b": {"env": ["FROM=etc"]}}),
    },
    "/var/run/cdi": {
        "preferred.json": cdi("preferred.com/x", {"a": {"env": ["FROM=run"]}}),
        "full.json": cdi("full.com/x", {"a": FULL_CARD}),
    },
}
