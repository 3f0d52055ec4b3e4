# Services pinned away from guests by their own files and by systemd; sourced by `run`.
# shellcheck shell=bash

# As the operator names them.
pinned=(ssh rpcbind postgresql libvirtd page)

pin() { "$bin/virt-guard" services pin "$@"; }
unpin() { "$bin/virt-guard" services unpin "$@"; }

# All of /etc: names, kinds, modes, owners, where links lead to, contents.
etc_now() {
    find /etc -xdev -printf '%p %y %m %u:%g %l\n' | sort
    find /etc -xdev -type f -print0 | sort -z | xargs -0 sha256sum
}
etc_is_as_before() { etc_now | diff /run/etc-before -; }
no_pins() { [[ ! -d /var/lib/virt-guard/pins || -z $(ls -A /var/lib/virt-guard/pins) ]]; }

# refused CODE ARG...: virt-guard says why, in one line, exits with CODE and leaves all
# as it was.
refused() {
    local code=$1 status=0
    shift
    "$bin/virt-guard" services "$@" >/run/out 2>/run/said || status=$?
    cat /run/said
    ((status == code)) || { printf 'exit code %d, not %d\n' "$status" "$code"; return 1; }
    [[ $(grep -c . /run/said) == 1 && ! -s /run/out ]] || { echo "not one line"; cat /run/out; return 1; }
    no_pins && etc_is_as_before
}

pins_that_cannot_be() {
    say "what cannot be pinned"
    step "a unit that is not there" refused 2 pin no-such-thing.service
    step "to an address of another host" refused 2 pin ssh --to 203.0.113.77
    step "to an interface that is not there" refused 2 pin ssh --to no0
    step "to the guests' own bridge" refused 2 pin ssh --to br100
    step "what is not pinned cannot be given back" refused 2 unpin ssh
    echo 'Nonsense yes' >/etc/ssh/sshd_config.d/lab.conf
    etc_now >/run/etc-before
    step "a file that sshd cannot read" refused 3 pin ssh
    rm /etc/ssh/sshd_config.d/lab.conf
    etc_now >/run/etc-before
    mount --bind /etc /etc
    mount -o remount,ro,bind /etc
    step "files that cannot be written" refused 3 pin ssh
    umount /etc
    step "it all still answers" guest_finds open 10.100.0.1 -- "${services[@]}"
}

pins_that_stand() {
    local name
    say "pinned, without walls"
    for name in "${pinned[@]}"; do
        step "$name is pinned, and proven" pin "$name"
    done
    step "a guest reaches none of them, at no address" guest_finds shut "${everywhere[@]}" -- "${for_operators[@]}"
    step "the operator reaches them all" operator_finds open "${of_management[@]}" -- "${for_operators[@]}"
    step "guests still have name service and addresses" \
        eval 'guest_finds open 10.100.0.1 fd00:100::1 -- "${for_guests[@]}" && leases'
    step "a dry run changes nothing" eval 'etc_now >/run/etc-pinned; pin ssh --dry-run; etc_now | diff /run/etc-pinned -'
    step "all are given back" unpin --all
    step "every file in /etc is what it was" etc_is_as_before
    step "guests reach them again" guest_finds open "${everywhere[@]}" -- "${for_operators[@]}"
}

# Nobody says yes: not to the one that waits, nor to one whose command was killed.
pins_unconfirmed() {
    say "pinned, and not confirmed"
    step "page is pinned for five seconds" pin_and_wait
    step "and given back" until_true 5 etc_is_as_before
    step "page is pinned, and the command killed" pin_and_kill
    step "and given back" until_true 5 etc_is_as_before
    step "nothing of it is noted any more" no_pins
}

pin_and_wait() { timeout 60 "$bin/virt-guard" services pin page --confirm-within 5s </dev/null || true; }
pin_and_kill() {
    "$bin/virt-guard" services pin page --confirm-within 20s </dev/null >/run/out 2>&1 &
    local pid=$!
    until_true 6 is_pinned page
    kill -KILL "$pid"
    is_pinned page
}
is_pinned() { "$bin/virt-guard" services pins --json | grep -q "\"$1\""; }

test_pins() {
    etc_now >/run/etc-before
    pins_that_cannot_be
    pins_that_stand
    pins_unconfirmed
}
