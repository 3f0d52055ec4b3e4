# What guests reach of the host with and without walls; sourced by `run`.
# shellcheck shell=bash

# Knocked at from the guest and from the operator's side: WANTED ADDRESS... -- SERVICE...
guest_finds() { in_guest "$here/knock" "$@"; }
operator_finds() { in_operator "$here/knock" "$@"; }
guest_reaches_all() {
    guest_finds open "${everywhere[@]}" -- "$@" && guest_finds open "${by_sctp[@]}" -- sctp
}
leases() { in_guest busybox udhcpc -i eth0 -n -q -f -t 3 -T 5 -s /bin/true && in_guest "$here/lease"; }

# audit CODE STATE: exits with CODE and tells of the services as `told` says. Again
# and again if need be: systemd may be too busy to say within 30 s whose a socket is.
audit() { until_true 9 audited "$@" || { cat /run/told; return 1; }; }
audited() {
    exit_is "$1" "$bin/virt-guard" services audit --json >/run/audit && "$here/told" "$2" </run/audit >/run/told
}

# probe CODE open|shut WALLS [OPTION]...: exits with CODE and has found what `proven` says.
probe() {
    exit_is "$1" "$bin/virt-guard" services probe --json "${@:4}" >/run/probe && "$here/proven" "$2" "$3" </run/probe
}

# With nothing of ours in the kernel: else what follows would prove nothing.
without_walls() {
    say "without virt-guard"
    step "a guest reaches every service at every address" guest_reaches_all "${services[@]}"
    step "it gets addresses" leases
    step "the audit lists each with its unit; the operator's as exposed" audit 1 exposed
    step "the probe reaches what the guest does" probe 1 open none --html "$pages/open.html"
    cp /run/probe "$pages/open.json"
}

# with_walls ENGINE
with_walls() {
    say "with virt-guard, $1"
    configure_guard "$1"
    step "the guest is guarded" guard_the_guest
    step "it reaches no service of the operator's, at no address" \
        guest_finds shut "${everywhere[@]}" -- "${for_operators[@]}" sctp
    step "it reaches name service" guest_finds open "${everywhere[@]}" -- "${for_guests[@]}"
    step "it gets addresses" leases
    step "the operator reaches everything" operator_finds open "${of_management[@]}" -- "${services[@]}" sctp
    step "the audit says the same" audit 0 filtered
    step "the probe proves it" probe 0 shut standing --html "$pages/$1.html"
    cp /run/probe "$pages/$1.json"
    step "without its own walls the probe reaches everything" probe 1 open aside --without-walls
    step "the guest is gone" release_the_guest
}
