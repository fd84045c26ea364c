# shellcheck shell=bash
# What contrib/test and contrib/quickstart share: to become root, to install what is missing, to make .venv.
# Sourced by them with `set -euo pipefail` on and the root of the checkout as the working directory.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    say "$@"
    exit 1
}

# Start this script anew as root, unless it is root already. Proxies and pip's settings go along.
become_root() {
    [ "$(id -u)" -eq 0 ] && return
    command -v sudo >/dev/null || die "needs root: run it as root, or install sudo"
    local keep=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY
    local name
    for name in "${!PIP_@}" "${!ORCHESTRATOR_@}"; do keep+=",$name"; done
    exec sudo --preserve-env="$keep" -- "$PWD/contrib/${0##*/}" "$@"
}

# Run a command as the owner of the checkout, so that what it makes there is not root's.
as_owner() {
    local owner home
    owner=$(stat -c %U .)
    if [ "$owner" = root ] || [ "$owner" = UNKNOWN ]; then
        "$@"
    else
        home=$(getent passwd "$owner" | cut -d: -f6)
        runuser -u "$owner" -- env HOME="$home" USER="$owner" LOGNAME="$owner" "$@"
    fi
}

# install_packages PACKAGE…: with apt-get; its output is shown only when it fails.
install_packages() {
    [ $# -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "install these first, there is no apt-get here: $*"
    say "installing $*"
    local output
    if [ -z "${package_lists_are_fresh:-}" ]; then
        output=$(apt-get update -q 2>&1) || die "apt-get update failed: $output"
        package_lists_are_fresh=yes
    fi
    output=$(DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" 2>&1) || {
        say "apt-get install $* failed: $output"
        return 1
    }
}

# Does this machine mount cgroup v2 beside v1? crun before 1.9 refuses to work there, runc works.
has_hybrid_cgroups() { [ -d /sys/fs/cgroup/unified ]; }

python_is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Print the first Python that is new enough; the distribution's own comes first.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && python_is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# make_venv EXTRA: .venv with this package in it, editable; EXTRA is one of its extras or empty. Done again only when
# pyproject.toml has changed since, when the checkout has moved, or when the Python below it has gone.
make_venv() {
    local extra=$1 stamp=.venv/installed${1:+-$1} python version
    if ! python_is_new_enough .venv/bin/python; then
        command -v python3 >/dev/null || install_packages python3 || exit 1
        python=$(find_python) || die "needs Python 3.11 or later; found: $(python3 --version 2>&1)"
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            # Debian and Ubuntu keep the means to make a venv in a package of its own for each version.
            version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
            install_packages "python$version-venv" || exit 1
        fi
        say "making .venv with $python"
        as_owner "$python" -m venv --clear .venv
    fi
    # With the extra for tests in it, there is all that is needed without one.
    if [ ! -e "$stamp" ]; then stamp=.venv/installed-test; fi
    if [ "$(cat "$stamp" 2>/dev/null)" != "$PWD" ] || [ pyproject.toml -nt "$stamp" ]; then
        stamp=.venv/installed${extra:+-$extra}
        say "installing the package and what it needs into .venv"
        as_owner .venv/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 \
            --editable ".${extra:+[$extra]}"
        # As the owner too, with the time of now: newer than pyproject.toml.
        # shellcheck disable=SC2016 # $1 and $2 are of the inner shell
        as_owner sh -c 'printf "%s\n" "$1" >"$2"' sh "$PWD" "$stamp"
    fi
}
