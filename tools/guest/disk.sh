# A raw disk image that boots by GRUB, without mounting anything and without root.
#
# For scripts to source, which have `die` and `set -euo pipefail`.
# shellcheck shell=bash

PATH=$PATH:/sbin:/usr/sbin
grub=/usr/lib/grub/i386-pc

needs_disk_tools() {
    local tool
    for tool in grub-mkimage mke2fs sfdisk; do
        command -v "$tool" >/dev/null ||
            die "lacks $tool; run tools/install-packages test"
    done
    [ -f $grub/boot.img ] || die "lacks $grub/boot.img; run tools/install-packages test"
}

# make_bootable_disk IMAGE MEBIBYTES ROOT CONFIG OPTIONS OF MKE2FS…
#
# Writes IMAGE anew: a partition table, GRUB's two stages with the commands in the file
# CONFIG, and one partition with the files of the folder ROOT. CONFIG finds the partition
# as (hd0,msdos1).
make_bootable_disk() {
    local image=$1 mebibytes=$2 root=$3 config=$4
    shift 4
    local core=$image.core first_sector=2048
    grub-mkimage -O i386-pc -d $grub -p '(hd0,msdos1)/boot/grub' -c "$config" \
        -o "$core" biosdisk part_msdos ext2 linux echo serial terminal normal
    [ "$(stat -c %s "$core")" -le $(((first_sector - 1) * 512)) ] ||
        die "GRUB's core does not fit in front of the first partition"
    rm -f "$image"
    truncate -s $((mebibytes + 1))M "$image"
    printf 'start=%d, size=%d, type=83, bootable\n' \
        $first_sector $((mebibytes * 2048 - first_sector)) | sfdisk --quiet "$image"
    mke2fs -q "$@" -d "$root" -E offset=$((first_sector * 512)) "$image" \
        $(((mebibytes * 2048 - first_sector) / 2))k
    # The boot sector keeps the partition table (from byte 440 on); the core follows it.
    dd if=$grub/boot.img of="$image" bs=440 count=1 conv=notrunc status=none
    dd if="$core" of="$image" bs=512 seek=1 conv=notrunc status=none
    rm -f "$core"
}
