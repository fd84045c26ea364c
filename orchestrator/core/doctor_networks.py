"""What is there for networks beside `none` and `host`, and what follows from what is not. A part of
`orchestrator.core.doctor`. Floor: core."""

from collections.abc import Iterator

from orchestrator.model.checkup import Finding, Level, NetworksFound

_SUBJECT = "networks"
_PACKAGES = {"ip": "iproute2", "iptables": "iptables"}


def judge_networks(found: NetworksFound) -> Iterator[Finding]:
    """Nothing of it is an error: a host whose containers want no such network needs none of it."""
    means = 'network = "bridge" cannot be used, nor what else takes them; nothing else needs it'
    if found.folders:
        said = ", ".join(f"{count} in {folder}" for folder, count in found.folders)
        yield Finding(_SUBJECT, Level.OK, f"CNI plugins: {said}")
    if found.missing_plugins:
        names = ", ".join(found.missing_plugins)
        said = f"no CNI plugin{'s' if len(found.missing_plugins) > 1 else ''} {names} in {', '.join(found.looked)}"
        yield Finding(_SUBJECT, Level.NOTE, said, means, "apt-get install containernetworking-plugins")
    for name in found.missing_programs:
        yield Finding(_SUBJECT, Level.NOTE, f"{name} is not installed", means, f"apt-get install {_PACKAGES[name]}")
    if found.missing_programs:
        return
    if found.lacking is None:
        yield Finding(_SUBJECT, Level.NOTE, "could not look: what the kernel has for them")
    elif found.lacking:
        mend = "boot a kernel with them: CONFIG_BRIDGE, CONFIG_VETH, CONFIG_NF_NAT, CONFIG_NETFILTER_XT_…"
        said = f"the kernel lacks: {', '.join(found.lacking)}"
        level = Level.NOTE if found.missing_plugins else Level.WARNING
        yield Finding(_SUBJECT, level, said, means, mend)
    else:
        yield Finding(_SUBJECT, Level.OK, "the kernel has bridges, veth pairs and address translation")
