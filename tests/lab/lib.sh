# shellcheck shell=bash
# What the lab's scripts share: the cache, Debian's kernels, initramfs images,
# bounded waits. Sourced, never run; the caller has set -euo pipefail.

lab_src=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab_cache=${CARGO_TARGET_DIR:-${lab_src%/tests/lab}/target}/lab
# Emulated machines are slower by about this factor; stock-host sets it to 10.
lab_slow=${LAB_SLOW:-1}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit "${die_code:-125}"
}

need() {
    local program
    for program; do
        type -P "$program" >/dev/null || die "$program is missing: run tests/lab/install"
    done
}

# until_true SECONDS COMMAND...: asks until COMMAND succeeds. SECONDS is scaled
# by LAB_SLOW; returns 1 when they are over.
until_true() {
    local end=$((SECONDS + $1 * lab_slow))
    shift
    until "$@"; do
        ((SECONDS <= end)) || return 1
        sleep 0.05
    done
}

# kernel_tree FLAVOUR (amd64, the only one the lab uses): prints the directory of the
# unpacked kernel package: boot/vmlinuz-*, lib/modules/*. Nothing is installed.
# What is cached stays in use until target/ is cleaned, so that runs need no
# network and compare like with like.
kernel_tree() {
    local link=$lab_cache/kernel-$1
    mkdir -p "$lab_cache"
    if [[ ! -e $link ]]; then
        exec 9>"$lab_cache/kernel.lock"
        flock -w 600 9 || die "another process has been downloading a kernel for 10 minutes"
        [[ -e $link ]] || fetch_kernel "$1" "$link" >&2
        exec 9>&-
    fi
    readlink -f "$link"
}

fetch_kernel() {
    local flavour=$1 link=$2 package work
    need apt-get dpkg-deb depmod
    package=$(apt-cache depends "linux-image-$flavour" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    [[ -n $package ]] || die "no package for linux-image-$flavour in apt's lists: run tests/lab/install"
    work=$(mktemp -d "$lab_cache/fetch.XXXXXX")
    # The lists may be older than the archive: then one update and one more try.
    download_package "$work" "$package" ||
        { apt-get -qq update && download_package "$work" "$package"; } ||
        die "cannot download $package"
    dpkg-deb -x "$work"/*.deb "$work/tree"
    depmod -b "$work/tree" "$(ls "$work/tree/lib/modules")"
    unpack_image "$work"/tree/boot/vmlinuz-*
    rm -rf "${lab_cache:?}/$package"
    mv "$work/tree" "$lab_cache/$package"
    rm -rf "$work"
    ln -sfn "$package" "$link"
}

# An emulated processor takes 4 s to unpack xz. Where the kernel is packed that
# way, vmlinux-VERSION is left beside it: same code, entered by its PVH note.
# The offsets are those of the kernel's Documentation/x86/boot.rst; the last four
# bytes of the payload are its unpacked size.
unpack_image() {
    /usr/bin/python3 - "$1" "${1/vmlinuz/vmlinux}" <<'END'
import lzma, struct, sys
image = open(sys.argv[1], "rb").read()
offset, length = struct.unpack_from("<II", image, 0x248)
begin = (image[0x1F1] + 1) * 512 + offset
payload = image[begin : begin + length - 4]
if payload.startswith(b"\xfd7zXZ"):
    open(sys.argv[2], "wb").write(lzma.decompress(payload))
END
}

# kernel_image TREE: the file of the tree to give to QEMU.
kernel_image() {
    local image
    for image in "$1"/boot/vmlinux-* "$1"/boot/vmlinuz-*; do
        [[ ! -s $image ]] || break
    done
    printf '%s\n' "$image"
}

download_package() {
    (cd "$1" && apt-get -qq -o APT::Sandbox::User=root download "$2")
}

# initramfs TREE NAME SOURCE_DIR MODULE...: prints the path of a cpio image with
# busybox, the files of SOURCE_DIR and /modules/*.ko, to be loaded in the order
# of /modules/order. Made again whenever an ingredient changes.
initramfs() {
    local tree=$1 name=$2 source=$3 release sum image work
    shift 3
    need busybox cpio modprobe
    release=$(ls "$tree/lib/modules")
    sum=$(cat "$source"/* /bin/busybox "${BASH_SOURCE[0]}" | sha256sum - <(echo "$release $*") | sha256sum)
    image=$lab_cache/$name-${sum:0:16}.cpio
    if [[ ! -e $image ]]; then
        work=$(mktemp -d "$lab_cache/initramfs.XXXXXX")
        mkdir -p "$work"/root/{bin,dev,etc,modules,proc,sys,tmp}
        cp /bin/busybox "$work/root/bin/"
        busybox --list | while read -r applet; do
            [[ $applet == busybox ]] || ln -s busybox "$work/root/bin/$applet"
        done
        cp "$source"/* "$work/root/"
        copy_modules "$tree" "$release" "$work/root/modules" "$@"
        (cd "$work/root" && find . | cpio --quiet -o -H newc) >"$work/image"
        mv "$work/image" "$image"
        rm -rf "$work"
    fi
    printf '%s\n' "$image"
}

copy_modules() {
    local tree=$1 release=$2 to=$3 path
    shift 3
    modprobe -d "$tree" -S "$release" -a --show-depends "$@" |
        sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' |
        while read -r path; do
            cp "$path" "$to/"
            basename "$path" >>"$to/order"
        done
}
