# Debian and rpm trees for the tests of the packages: made once, kept in the lab's
# cache, and changed only in a layer above, which goes with the test. Sourced after
# tests/lab/lib.sh.
# shellcheck shell=bash

trees=$lab_cache/trees

# bare_tree SUITE: prints the directory of what debootstrap makes, with systemd as its
# init and nothing else. The mirror is the one that this machine's apt uses.
bare_tree() {
    local tree=$trees/$1 mirror work
    mkdir -p "$trees"
    exec 8>"$trees/$1.lock"
    flock -w 900 8 || die "another process has been making $tree for 15 minutes"
    if [[ ! -e $tree ]]; then
        need debootstrap
        mirror=$(apt-cache policy base-files | sed -n 's/^ *[0-9-]* \(http[^ ]*\) .*main.*/\1/p' | head -n 1)
        [[ -n $mirror ]] || die "apt knows no mirror for base-files: run tests/lab/install"
        work=$(mktemp -d "$trees/make.XXXXXX")
        debootstrap --variant=minbase --include=systemd-sysv,dbus,kmod,procps "$1" "$work" "$mirror" \
            >"$trees/$1.log" 2>&1 || { tail -n 5 "$trees/$1.log" >&2; die "debootstrap $1 failed"; }
        rm -rf "$work"/var/cache/apt/archives/*.deb
        chmod 755 "$work"
        mv "$work" "$tree"
    fi
    exec 8>&-
    printf '%s\n' "$tree"
}

# layer TREE: prints a fresh directory with one in it, root, that is TREE with a layer of
# its own, in memory; drop_layer takes it away.
layer() {
    local work
    work=$(mktemp -d "$trees/layer.XXXXXX")
    mount -t tmpfs -o mode=755,size=4G layer "$work"
    mkdir "$work/upper" "$work/work" "$work/root"
    mount -t overlay -o "lowerdir=$1,upperdir=$work/upper,workdir=$work/work" tree "$work/root"
    printf '%s\n' "$work"
}

drop_layer() {
    umount -R "$1" && rmdir "$1"
}

# archives SUITE PACKAGE_FILE: has all packages that apt wants for this one in the cache,
# and the lists that name them, so that the installation itself needs no network. Prints
# the directory: archives, lists.
archives() {
    local cache=$trees/$1-apt tree work sum
    tree=$(bare_tree "$1")
    sum=$(dpkg-deb -f "$2" Depends Recommends | sha256sum)
    if [[ ! -e $cache/sum || $(<"$cache/sum") != "$sum" ]]; then
        mkdir -p "$cache/archives/partial" "$cache/lists/partial"
        work=$(layer "$tree")
        mount --bind "$cache/archives" "$work/root/var/cache/apt/archives"
        mount --bind "$cache/lists" "$work/root/var/lib/apt/lists"
        cp /etc/resolv.conf "$work/root/etc/resolv.conf"
        cp "$2" "$work/root/tmp/package.deb"
        chroot "$work/root" sh -c 'rm -f /etc/apt/apt.conf.d/docker-clean; apt-get -qq update &&
            apt-get -qq -y -o APT::Sandbox::User=root install --download-only /tmp/package.deb' \
            >"$trees/$1-apt.log" 2>&1 </dev/null || { tail -n 5 "$trees/$1-apt.log" >&2; drop_layer "$work"; die "apt cannot download for $1"; }
        drop_layer "$work"
        printf '%s\n' "$sum" >"$cache/sum"
    fi
    printf '%s\n' "$cache"
}
