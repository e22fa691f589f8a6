# Debian's i386 packages, by apt from the mirror that this host is configured for,
# signatures checked, in a package state of its own: neither the host's packages nor its
# list of architectures is touched, and no root is needed.
#
# For scripts to source; they get `cache` (where what is fetched stays) and `packages`
# (apt's state in it), and have `set -euo pipefail`.
# shellcheck shell=bash

say() {
    echo "$(basename "$0"): $*" >&2
}

die() {
    say "$*"
    exit 1
}

[ -n "${XDG_CACHE_HOME:-${HOME:-}}" ] ||
    die "set HOME or XDG_CACHE_HOME: where to keep it?"
cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/faumachine
packages=$cache/packages

needs_tools() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null ||
            die "lacks $tool; run tools/install-packages run"
    done
}

# Two runs at a time would be in each other's way: the second waits. Descriptor 9 is not
# for programs that go on in the background.
open_package_state() {
    mkdir -p "$packages"/{lists,archives}/partial
    : >>"$packages/status"
    exec 9>"$cache/lock"
    flock 9
}

# apt with the host's sources, keys, proxies, but a state and an architecture of its own.
own_apt() {
    local program=$1
    shift
    "$program" -o Dir::State="$packages" -o Dir::State::lists=lists \
        -o Dir::State::status="$packages/status" -o Dir::Cache="$packages" \
        -o Dir::Cache::archives=archives -o APT::Architecture=i386 \
        -o APT::Architectures::=i386 -o Acquire::Languages=none \
        -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@" 9>&-
}

# The progress line of apt is for terminals.
quiet=-q
[ -t 2 ] && quiet=

update_lists() {
    say "updating the list of Debian's i386 packages"
    # shellcheck disable=SC2086
    own_apt apt-get $quiet update >&2 ||
        say "not all package lists could be updated; going on with those that were"
}

has_candidate() {
    [ -n "$(own_apt apt-cache show --no-all-versions "$1" 2>/dev/null)" ]
}
