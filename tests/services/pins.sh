# Services pinned away from guests by their own files and by systemd; sourced by `run`.
# shellcheck shell=bash

# As the operator names them.
pinned=(ssh rpcbind postgresql libvirtd page rare)

pin() { "$bin/virt-guard" services pin "$@"; }
unpin() { "$bin/virt-guard" services unpin "$@"; }

# Names, kinds, modes, owners, where links lead to, contents; of /etc, if nothing else
# is named.
files_now() {
    local where=("${@:-/etc}")
    find "${where[@]}" -xdev -printf '%p %y %m %u:%g %l\n' | sort
    find "${where[@]}" -xdev -type f -print0 | sort -z | xargs -0 sha256sum
}
etc_is_as_before() { files_now | diff /run/etc-before -; }

# Of the files that pins change, which is faster.
touched=(/etc/{ssh,systemd,default,postgresql,libvirt,dnsmasq.d})
touched_now() { files_now "${touched[@]}"; }
touched_are_as_before() { touched_now | diff /run/touched-before -; }
no_pins() { [[ ! -d /var/lib/virt-guard/pins || -z $(ls -A /var/lib/virt-guard/pins) ]]; }

# refused CODE ARG...: virt-guard says why, once, exits with CODE and leaves all as it
# was. What a service's own checker says may have several lines.
refused() {
    local code=$1 status=0
    shift
    touched_now >/run/touched-before
    "$bin/virt-guard" services "$@" >/run/out 2>/run/said || status=$?
    cat /run/said
    ((status == code)) || { printf 'exit code %d, not %d\n' "$status" "$code"; return 1; }
    [[ $(grep -c '^virt-guard: ' /run/said) == 1 ]] || { echo "not one error"; return 1; }
    no_pins && touched_are_as_before
}

pins_that_cannot_be() {
    say "what cannot be pinned"
    step "a unit that is not there" refused 2 pin no-such-thing.service
    step "to an address of another host" refused 2 pin ssh --to 203.0.113.77
    step "to an interface that is not there" refused 2 pin ssh --to no0
    step "to the guests' own bridge" refused 2 pin ssh --to br100
    step "what is not pinned cannot be given back" refused 2 unpin ssh
    echo 'Nonsense yes' >/etc/ssh/sshd_config.d/lab.conf
    step "a file that sshd cannot read" refused 3 pin ssh
    rm /etc/ssh/sshd_config.d/lab.conf
    mount --bind /etc /etc
    mount -o remount,ro,bind /etc
    step "files that cannot be written" refused 3 pin ssh
    umount /etc
    step "it all still answers" guest_finds open 10.100.0.1 -- "${services[@]}"
}

pins_that_stand() {
    local name
    say "pinned, without walls"
    step "a dry run shows what it would change, and does not" dry_run
    for name in "${pinned[@]}"; do
        step "$name is pinned, and proven" pin "$name"
    done
    step "a guest reaches none of them, at no address" guest_finds shut "${everywhere[@]}" -- "${for_operators[@]}" sctp
    step "the operator reaches them all" operator_finds open "${of_management[@]}" -- "${for_operators[@]}" sctp
    step "guests still have name service and addresses: no wall is in the way" \
        eval 'guest_finds open 10.100.0.1 fd00:100::1 -- "${for_guests[@]}" && leases'
    step "all are given back" unpin --all
    step "every file in /etc is what it was" etc_is_as_before
    step "guests reach them again" guest_reaches_all "${for_operators[@]}"
}

dry_run() {
    touched_now >/run/touched-before
    pin ssh --dry-run | grep ListenAddress && no_pins && touched_are_as_before
}

# Nobody says yes: not to the one that waits, nor to one whose command was killed.
pins_unconfirmed() {
    say "pinned, and not confirmed"
    # Its units are in /etc here, and no pin's.
    install_daemon
    touched_now >/run/touched-before
    step "page is pinned for five seconds" pin_and_wait
    step "and given back" until_true 5 given_back
    step "page is pinned, and the command killed" pin_and_kill
    step "and given back" until_true 5 given_back
    step "page is pinned, the command killed, its watcher too" pin_and_kill_both
    step "the daemon gives it back" until_true 6 given_back
    systemctl stop virt-guard.service
}

pin_and_wait() { timeout 60 "$bin/virt-guard" services pin page --confirm-within 5s </dev/null || true; }
# The note of it goes after the files.
given_back() { touched_are_as_before && no_pins; }
# At a terminal, where it waits for an answer.
pin_and_kill() {
    local command="$bin/virt-guard services pin page --confirm-within 20s"
    { sleep 200 | script -qc "echo \$\$ >/run/pinning; exec $command" /dev/null; } >/run/out 2>&1 &
    until_true 9 is_proven && kill -KILL "$(</run/pinning)" && is_proven || { cat /run/out; return 1; }
}
pin_and_kill_both() {
    pin_and_kill && systemctl kill --signal=KILL 'virt-guard-pins-*' && start_daemon
}
is_proven() { "$bin/virt-guard" services pins --json | grep -q '"proven": true'; }

test_pins() {
    files_now >/run/etc-before
    pins_that_cannot_be
    pins_that_stand
    pins_unconfirmed
}
