"""What the things that an agent needs are worth as they were found: facts in, findings out.

Looking is `orchestrator.system.doctor`'s part, showing `orchestrator.cli.doctor`'s. Floor: core.
"""

from collections.abc import Iterable, Iterator

from orchestrator.core.doctor_networks import judge_networks
from orchestrator.model.cgroups import CgroupDriver
from orchestrator.model.checkup import (
    AgentFound,
    CgroupsFound,
    Checkup,
    Finding,
    FolderFound,
    InotifyFound,
    KernelFound,
    Level,
    NixFound,
    RuntimeTrial,
)

OLDEST_KERNEL = (5, 4)
"""Major and minor of the first Linux that the agent runs on."""

FEW_WATCHES = 1000
"""Watches left below which a large directory of definitions may not get all of its own."""

FEW_OPEN_FILES = 4096
"""Descriptors below which a few hundred containers, with two each, and a large runtime's start do not fit."""

_INSTALL_NIX = "apt-get install nix-bin, or see nixos.org"
_INSTALL = "apt-get install crun, or runc where cgroup v1 and v2 are both mounted"

_LIMITS = {
    "memory": ("resources.memory is refused", "boot with cgroup_enable=memory"),
    "swap": ("resources.memory_swap is refused, and a limit of memory does not hold swap", "boot with swapaccount=1"),
    "cpu": ("resources.cpus and resources.cpu_weight are refused", ""),
    "pids": ("resources.pids is refused", ""),
    "io": ("resources.io_weight is refused", "use an I/O scheduler with weights: bfq, or io.cost of cgroup v2"),
}
"""What follows where a controller is missing, and what to do."""


def judge_checkup(checkup: Checkup) -> tuple[Finding, ...]:
    """All findings, those of one subject together."""
    return (
        *_judge_rights(checkup),
        *_judge_runtimes(checkup),
        *_judge_cgroups(checkup.cgroups, checkup.root),
        *_judge_kernel(checkup.kernel),
        *_judge_seccomp(checkup),
        *_judge_inotify(checkup.inotify),
        *_judge_open_files(checkup.open_files),
        *_judge_folders(checkup.state, checkup.run),
        *_judge_agent(checkup.agent, checkup.program_version),
        *_judge_systemd(checkup),
        *_judge_additions(checkup),
    )


def is_well(findings: Iterable[Finding]) -> bool:
    """Whether there is no error among them."""
    return all(finding.level is not Level.ERROR for finding in findings)


def _judge_rights(checkup: Checkup) -> Iterator[Finding]:
    if checkup.root:
        yield Finding("rights", Level.OK, "this is root")
        return
    means = "could not look: whether a runtime runs a container, may make control groups, what other users' agents do"
    yield Finding("rights", Level.NOTE, "this is not root, as the agent must be", means, "sudo orchestrator doctor")


def _judge_runtimes(checkup: Checkup) -> Iterator[Finding]:
    wanted = [trial for trial in checkup.trials if checkup.runtime in ("auto", trial.name, trial.command)]
    taken = next((trial for trial in wanted if _works(trial)), None)
    for trial in checkup.trials:
        yield _judge_trial(trial, needed=taken is None and trial in wanted)
    if checkup.trouble:
        yield Finding("runtime", Level.ERROR, f"could not try: {checkup.trouble}", "an agent could not start either")
    elif taken is not None:
        yield Finding("runtime", Level.OK, f"--runtime {checkup.runtime} takes {taken.name} ({taken.command})")
    elif any(trial.command is not None and not trial.tried for trial in wanted):
        yield Finding("runtime", Level.NOTE, f"could not look: which one --runtime {checkup.runtime} takes")
    else:
        means = "no container can run, and the agent does not start"
        yield Finding("runtime", Level.ERROR, f"--runtime {checkup.runtime} finds none that works", means, _INSTALL)


def _works(trial: RuntimeTrial) -> bool:
    return trial.command is not None and trial.tried and trial.refusal is None


def _judge_trial(trial: RuntimeTrial, *, needed: bool) -> Finding:
    """needed: none that was asked for works."""
    if trial.command is None:
        return Finding("runtime", Level.NOTE, f"{trial.name}: {trial.refusal or 'not installed'}")
    said = f"{trial.name}: {trial.command}" + (f" ({trial.version})" if trial.version else "")
    if not trial.tried:
        return Finding("runtime", Level.NOTE, f"{said}, not tried")
    if trial.refusal is None:
        return _judge_driver(trial, f"{said} runs a container")
    level = Level.ERROR if needed else Level.WARNING
    mend = _mend_refusal(trial.refusal)
    return Finding("runtime", level, f"{said} refuses: {trial.refusal}", "it cannot be used on this host", mend)


def _judge_driver(trial: RuntimeTrial, runs: str) -> Finding:
    if trial.driver is CgroupDriver.SYSTEMD:
        return Finding("runtime", Level.OK, f"{runs}, its control groups made by systemd")
    if trial.passed_over:
        means = "it makes them itself, beside systemd, which is process 1 and may come in their way"
        mend = "see that systemd answers on /run/dbus/system_bus_socket: apt-get install dbus"
        found = f"{runs}, but not with control groups made by systemd: {trial.passed_over}"
        return Finding("runtime", Level.WARNING, found, means, mend)
    return Finding("runtime", Level.OK, runs)


def _mend_refusal(refusal: str) -> str:
    if "hybrid" in refusal:
        return "boot with systemd.unified_cgroup_hierarchy=1, or use runc"
    return ""


def _judge_cgroups(found: CgroupsFound | str, root: bool) -> Iterator[Finding]:
    subject = "cgroups"
    if isinstance(found, str):
        yield Finding(subject, Level.ERROR, found, "the agent does not start", "mount /proc and /sys")
        return
    match sorted(found.versions):
        case []:
            means, mend = "no container can run", "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
            yield Finding(subject, Level.ERROR, "no hierarchy is mounted", means, mend)
            return
        case [1, 2]:
            means = "runtimes limit by v1, and crun refuses such a host"
            mend = "boot with systemd.unified_cgroup_hierarchy=1 for v2 alone"
            yield Finding(subject, Level.NOTE, "hybrid: v1 and v2 are both mounted", means, mend)
        case [version]:
            yield Finding(subject, Level.OK, f"v{version}")
    there = [name for name in _LIMITS if name in found.controllers]
    yield Finding(subject, Level.OK, f"controllers: {', '.join(there) or 'none'}")
    for name, (means, mend) in _LIMITS.items():
        if name not in found.controllers:
            yield Finding(subject, Level.WARNING, f"no limit by {name}", means, mend)
    for point in found.read_only if root else ():
        means, mend = "no container can run", "mount it writable; inside a container: delegate a group to it"
        yield Finding(subject, Level.ERROR, f"{point} cannot be written to", means, mend)


def _judge_kernel(found: KernelFound) -> Iterator[Finding]:
    subject = "kernel"
    if found.version < OLDEST_KERNEL:
        oldest = ".".join(map(str, OLDEST_KERNEL))
        means = "it lacks what the agent needs"
        yield Finding(subject, Level.ERROR, f"Linux {found.release}", means, f"boot Linux {oldest} or later")
    else:
        yield Finding(subject, Level.OK, f"Linux {found.release}")
    if found.pidfds:
        yield Finding(subject, Level.OK, "processes are held by pidfd_open(2)")
    else:
        means, mend = "the end of a container cannot be seen", "allow pidfd_open, or boot Linux 5.4 or later"
        yield Finding(subject, Level.ERROR, "pidfd_open(2) is refused", means, mend)
    means = "how a container ended is known even if another agent had started it"
    if found.exit_info:
        yield Finding(subject, Level.OK, "PIDFD_GET_INFO tells exits", means)
    elif found.exit_info is None:
        yield Finding(subject, Level.NOTE, "could not look: whether PIDFD_GET_INFO tells exits")
    else:
        means = "the exit of a container that an earlier agent started stays unknown"
        yield Finding(subject, Level.NOTE, "PIDFD_GET_INFO tells no exits", means, "boot Linux 6.15 or later")
    if found.missing_namespaces:
        names = ", ".join(found.missing_namespaces)
        means, mend = "no container can run", "boot a kernel that is built with them"
        yield Finding(subject, Level.ERROR, f"namespaces are missing: {names}", means, mend)
    else:
        yield Finding(subject, Level.OK, "all namespaces that a container gets (user namespaces are not needed)")
    if not found.overlayfs:
        yield Finding(subject, Level.NOTE, "no overlayfs", "not needed by this version")


def _judge_seccomp(checkup: Checkup) -> Iterator[Finding]:
    subject = "seccomp"
    if not checkup.kernel.seccomp:
        means, mend = "containers are not kept from any system call", "boot a kernel with CONFIG_SECCOMP_FILTER"
        yield Finding(subject, Level.ERROR, "the kernel has no filters of system calls", means, mend)
    if checkup.profile_trouble:
        means = "the agent does not start: another filter in its place would be a surprise"
        mend = "mend the file, or put that of the package golang-github-containers-common in its place"
        yield Finding(subject, Level.ERROR, checkup.profile_trouble, means, mend)
    elif checkup.profile is None:
        means, mend = "it denies less than the usual profile", "apt-get install golang-github-containers-common"
        yield Finding(subject, Level.NOTE, "no profile on this host: the built-in list", means, mend)
    else:
        yield Finding(subject, Level.OK, f"profile {checkup.profile}")


def _judge_inotify(found: InotifyFound) -> Iterator[Finding]:
    for noun, most, used, least in (
        ("instances", found.most_instances, found.instances, 2),
        ("watches", found.most_watches, found.watches, FEW_WATCHES),
    ):
        if most is None:
            yield Finding("inotify", Level.WARNING, f"the limit of {noun} cannot be read", "is /proc mounted?")
            continue
        said = f"{most} {noun} for a user" + ("" if used is None else f", {used} in use by this one")
        if most - (used or 0) >= least:
            yield Finding("inotify", Level.OK, said)
        else:
            means = "edits may be seen up to five seconds late"
            mend = f"sysctl fs.inotify.max_user_{noun}={max(most * 2, least * 8)}, for good in /etc/sysctl.d"
            yield Finding("inotify", Level.WARNING, said, means, mend)


def _judge_open_files(limit: int) -> Iterator[Finding]:
    if limit < 0 or limit >= FEW_OPEN_FILES:
        shown = "any number of" if limit < 0 else f"{limit}"
        yield Finding("open files", Level.OK, f"the agent may have {shown} descriptors")
    else:
        means = "the agent needs two for each container"
        mend = "ulimit -Hn 524288 before it is started; under systemd LimitNOFILE=1024:524288"
        yield Finding("open files", Level.WARNING, f"the agent may have {limit} descriptors", means, mend)


def _judge_folders(state: FolderFound, run: FolderFound) -> Iterator[Finding]:
    subject = "directories"
    shown = _show_folder("state", state)
    if state.collapses is None:
        yield Finding(subject, Level.NOTE, f"{shown}; could not look: whether logs can be cut in place")
    elif state.collapses:
        yield Finding(subject, Level.OK, f"{shown}; logs are cut by collapsing blocks")
    else:
        means = "a log has a hole in place of its head: it looks larger than it is"
        mend = "put it on ext4 or xfs if that matters"
        yield Finding(subject, Level.NOTE, f"{shown}; FALLOC_FL_COLLAPSE_RANGE is refused", means, mend)
    if state.tmpfs:
        means = "bundles, logs and writable roots are gone after a boot"
        yield Finding(subject, Level.WARNING, f"{shown}, on tmpfs", means, "choose another with --state")
    shown = _show_folder("run", run)
    if run.tmpfs:
        yield Finding(subject, Level.OK, f"{shown}, on tmpfs")
    else:
        means = "what it holds outlives a boot, though the containers do not"
        yield Finding(subject, Level.WARNING, f"{shown}, not on tmpfs", means, "choose one below /run with --run")


def _show_folder(noun: str, found: FolderFound) -> str:
    missing = "" if found.asked == found.path else " (missing as yet)"
    return f"{noun} directory {found.path}{missing}"


def _judge_agent(found: AgentFound, version: str) -> Iterator[Finding]:
    subject = "agent"
    if found.unreadable:
        yield Finding(subject, Level.WARNING, found.unreadable, "whether an agent runs cannot be told")
        return
    if found.pid is None:
        yield Finding(subject, Level.NOTE, f"none runs in {found.run}", "nothing is started, restarted or stopped")
        return
    if found.version == version:
        yield Finding(subject, Level.OK, f"process {found.pid}, version {found.version}")
    else:
        means = "the commands may speak another language than the agent"
        mend = "restart the agent: systemctl restart orchestrator"
        said = f"process {found.pid} has version {found.version}, this program {version}"
        yield Finding(subject, Level.WARNING, said, means, mend)
    if not found.refusal:
        yield Finding(subject, Level.OK, f"{found.control} answers")
    elif found.denied:
        yield Finding(subject, Level.NOTE, f"could not look: {found.control}: {found.refusal}")
    else:
        means = "commands that ask the agent fail"
        mend = "restart the agent: systemctl restart orchestrator"
        yield Finding(subject, Level.ERROR, f"{found.control} does not answer: {found.refusal}", means, mend)


def _judge_systemd(checkup: Checkup) -> Iterator[Finding]:
    if not checkup.systemd:
        means = "something else must start the agent, and start it again"
        yield Finding("systemd", Level.NOTE, "process 1 is not systemd", means)
    elif checkup.unit is None:
        mend = "cp contrib/orchestrator.service /etc/systemd/system/; systemctl enable --now orchestrator"
        yield Finding("systemd", Level.NOTE, "the unit is not installed", "no agent starts at boot", mend)
    else:
        yield Finding("systemd", Level.OK, f"unit {checkup.unit}")
    if checkup.journal:
        yield Finding("systemd", Level.OK, "the journal takes output")
    else:
        means, mend = 'log = "journal" does not work', "systemctl start systemd-journald"
        yield Finding("systemd", Level.NOTE, "the journal's socket is not there", means, mend)


def _judge_additions(checkup: Checkup) -> Iterator[Finding]:
    yield from judge_networks(checkup.networks)
    yield from _judge_nix(checkup.nix)


def _judge_nix(nix: NixFound) -> Iterator[Finding]:
    if nix.asks is None and not nix.is_there:
        means = "closures and definitions in Nix cannot be used; nothing else needs it"
        yield Finding("Nix", Level.NOTE, "not installed", means, _INSTALL_NIX)
        return
    if not nix.is_there:
        yield Finding("Nix", Level.NOTE, f"there is no store {nix.store} yet", "nix makes it with the first build")
    elif not nix.database:
        yield Finding("Nix", Level.OK, f"store {nix.store}")
    elif nix.asks is not None:
        means = f"{nix.asks} is asked of each closure, which takes a tenth of a second"
        yield Finding("Nix", Level.NOTE, f"the database of {nix.store} is not read: {nix.database}", means)
    else:
        means = "what a closure needs cannot be known"
        found = f"the database of {nix.store} is not read: {nix.database}"
        yield Finding("Nix", Level.WARNING, found, means, _INSTALL_NIX)
    if nix.is_there and not nix.keeps:
        means = "a collection of garbage may delete what runs"
        yield Finding("Nix", Level.WARNING, f"{nix.roots} cannot be written to", means, "run the agent as its owner")
    if nix.builds is None:
        yield Finding("Nix", Level.NOTE, "no nix-build", "definitions in Nix cannot be built", _INSTALL_NIX)
