# Steps that are tried and reported one by one; sourced by what runs inside
# libvirt-lab. Nothing stops at a step that fails: the last line counts them.
# shellcheck shell=bash

bin=${VIRT_GUARD_BIN:?the directory of the programs}
failed=0 steps=0

say() { printf '\n== %s\n' "$*"; }

# step DESCRIPTION COMMAND...: the command must succeed. Its last lines are shown.
step() {
    local what=$1 output
    shift
    steps=$((steps + 1))
    if output=$("$@" 2>&1); then
        printf '   ok    %s\n' "$what"
    else
        failed=$((failed + 1))
        printf '   FAIL  %s\n         %s\n' "$what" "$*"
    fi
    [[ -z $output ]] || tail -n "${lines:-2}" <<<"$output" | sed 's/^/         | /'
}

finish() {
    printf '\n%d passed, %d failed\n' "$((steps - failed))" "$failed"
    ((failed == 0))
}

# not COMMAND...: fails if the command succeeds.
not() { ! "$@"; }

# exit_is CODE COMMAND...: the command must exit with just this.
exit_is() {
    local code=$1 status=0
    shift
    "$@" || status=$?
    ((status == code))
}

# until_true SECONDS COMMAND...: tries again and again.
until_true() {
    local end=$((SECONDS + $1 * ${LAB_SLOW:-1}))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

guest() { lab-guest exec "$1" --timeout 20 "$2"; }
in_order() { "$bin/virt-guard" check; }
state_is() { [[ $(virsh domstate "$1") == "$2" ]]; }

# Connections are tried for 2 s: a dropped packet gets no answer.
guest_reaches() { guest "$1" "nc -w 2 $2 $3 </dev/null"; }
# shellcheck disable=SC2016 # expanded by the inner bash
fetch='exec 3<>"/dev/tcp/$1/$2" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && grep -q "200 OK" <&3'
reaches() { timeout 3 bash -c "$fetch" - "$1" "$2"; }
lan_reaches() { lab-lan timeout 3 bash -c "$fetch" - "$1" "$2"; }
lan_connects() { lab-lan busybox nc -w 2 "$1" "$2" </dev/null; }
serve() { guest "$1" 'mkdir -p /srv; echo hello >/srv/index.html; httpd -p 80 -h /srv; httpd -p 8080 -h /srv'; }

# What an agent's restart, a firewall's reload or a clumsy hand does.
flush_everything() {
    local tool table
    for tool in iptables ip6tables; do
        for table in filter mangle; do
            "$tool" -t "$table" -F
            "$tool" -t "$table" -X
        done
    done
    ebtables -t nat -F
    nft flush ruleset
} >/dev/null 2>&1

# The host of the demo and the tests: an uplink, group web, the guests' services.
prepare_host() {
    mkdir -p /etc/virt-guard/policy.d
    cat >/etc/virt-guard/virt-guard.toml <<'TOML'
[bridges."br100"]
uplinks = ["eth1"]
TOML
    cat >/etc/virt-guard/policy.d/web.toml <<'TOML'
[[group]]
name = "web"
ingress = [ { protocol = "tcp", ports = "80" } ]

[[guest]]
match = "web*"
groups = ["web"]
addresses = ["10.100.0.11", "fd00:100::11"]
TOML
    lab-service start dhcp-dns
    lab-service start tcp 22 SSH-2.0-stand-in
    lab-hooks install "$bin/virt-guard-hook"
}
