# The daemon, as the unit that it is shipped as, and a service that begins to listen;
# sourced by `run`.
# shellcheck shell=bash

install_daemon() {
    # Copied, not linked: the unit's file system protection looks at where they are.
    install "$bin/virt-guard" "$bin/virt-guard-hook" /usr/sbin/
    install -m 644 "$here/../../packaging"/virt-guard{,-early}.service /etc/systemd/system/
    systemctl daemon-reload
}

start_daemon() {
    install_daemon
    systemctl start virt-guard.service
}

# When it listens it writes down the time.
begin_to_listen() {
    rm -f /run/late
    systemd-run --quiet --unit=late.service python3 -c 'import socket, time
listening = socket.create_server(("", 8090))
open("/run/late", "w").write(str(time.time()))
time.sleep(600)'
    until_true 5 test -s /run/late
}

# told_of KIND UNIT|any: the daemon has told of it; of what is gone it says no unit. A
# second on a machine of its own, which the daemon's own tests hold it to; here it takes
# a second to look, and then rests ten times as long.
told_of() {
    until_true 6 heard_of "$@" || return 1
    cat /run/heard
}
heard_of() { "$bin/virt-guard" events --json | "$here/heard" "$1" 8090 "$2" "$(</run/late)" >/run/heard; }
in_the_journal() { journalctl --no-pager -u virt-guard.service -o cat | grep 8090; }
counted() { "$bin/virt-guard" status --json >/run/status; grep -A4 '"services"' /run/status; }

# test_daemon: the guest is behind the walls of an engine that the kernel has.
test_daemon() {
    say "the daemon"
    configure_guard auto
    step "it is ready" start_daemon
    step "the guest is guarded" guard_the_guest
    step "status counts what listens" counted
    counted >/run/counted
    step "a service begins to listen" begin_to_listen
    step "it is told of" told_of filtered late.service
    step "in the journal, too" in_the_journal
    step "status counts one more" not eval 'counted | diff -q /run/counted -'
    systemctl stop late.service
    step "and that it is gone" told_of gone any
    step "status counts as before" until_true 2 eval 'counted | diff /run/counted -'
    step "the guest is gone" release_the_guest
    systemctl stop virt-guard.service
}
