# What the builds of the studies' guests share: programs for i386, Debian's kernel with an
# initial RAM disk of BusyBox and what a study adds, disks. The same sources and packages
# give the same files, byte for byte. Nothing is mounted, and no root is needed.
#
# For scripts to source, which have `set -euo pipefail`, and call `begin` first.
# shellcheck shell=bash

common=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=$common/../../tools
PATH=$PATH:/sbin:/usr/sbin

die() {
    echo "${here##*/}: $*" >&2
    exit 1
}

# begin SCRIPT [FOLDER]: sets `here`, the study's folder; `out`, where to build; `work`, a
# folder for the time being, with an empty `root` in it.
begin() {
    here=$(cd "$(dirname "$1")" && pwd)
    out=${2:-$here/out}
    mkdir -p "$out"
    out=$(cd "$out" && pwd)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/root"
}

# compile FILE ARGUMENTS…: a static program for i386.
compile() {
    local file=$1
    shift
    gcc -m32 -march=i686 -O2 -g -static -fno-pie -no-pie -fno-stack-protector \
        -Wall -Wextra -Werror -o "$file" "$@" ||
        die "cannot compile for i386; run tools/install-packages test"
}

# add FILE PATH: into the initial RAM disk.
add() {
    install -D -m 755 "$1" "$work/root/$2"
}

# All that has been added, and common/init, which runs the study's `guest`.
make_guest() {
    local kernel
    kernel=$("$tools/fetch-guest")
    add "$common/init" init
    add "$here/guest" study
    find "$work/root" -exec touch -h -d @0 {} +
    cp "$kernel/vmlinuz" "$out/vmlinuz"
    cp "$kernel/initrd.gz" "$out/initrd.gz"
    (cd "$work/root" && find . | LC_ALL=C sort |
        cpio --quiet --reproducible -o -H newc -R 0:0) | gzip -9 -n >>"$out/initrd.gz"
}

# make_disk FILE MEBIBYTES: with an empty ext4 file system.
make_disk() {
    local uuid=f00d0000-0000-4000-8000-000000000001
    rm -f "$1"
    truncate -s "$2M" "$1"
    E2FSPROGS_FAKE_TIME=946684800 mke2fs -q -F -t ext4 -b 1024 -m 0 -L study -U $uuid \
        -E lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0,hash_seed=$uuid "$1"
}
