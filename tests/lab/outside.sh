# The world outside of libvirt-lab's host, and connections of web1 that go on and
# on; sourced after steps.sh. All of it vanishes with the lab.
# shellcheck shell=bash

# eth0 is the host's way out, 203.0.113.1 and 2001:db8:113::1; behind it a host
# (…200) that has no way to the guests but by addresses of these networks.
make_outside() {
    local here
    here=$(readlink /proc/self/ns/net)
    unshare --net sleep infinity </dev/null >/dev/null 2>&1 &
    outside_pid=$!
    until_true 5 is_apart "$here" || return 1
    ip link add eth0 type veth peer name out0 netns "$outside_pid"
    ip link set eth0 up
    ip address add 203.0.113.1/24 dev eth0
    ip address add 2001:db8:113::1/64 dev eth0 nodad
    outside ip link set lo up
    outside ip link set out0 up
    outside ip address add 203.0.113.200/24 dev out0
    outside ip address add 2001:db8:113::200/64 dev out0 nodad
}

is_apart() {
    local there
    there=$(readlink "/proc/$outside_pid/ns/net") && [[ $there != "$1" ]]
}

outside() { nsenter --net="/proc/$outside_pid/ns/net" -- "$@"; }
outside_reaches() { outside timeout $((2 + ${LAB_SLOW:-1})) bash -c "$fetch" - "$1" "$2"; }
eth0_has() { ip -brief address show dev eth0 | grep -F " $1/"; }

# What each end of a connection runs: says its name five times a second, and keeps
# what it hears. Neither waits for the other.
# shellcheck disable=SC2016 # expanded by the shell that runs it
talk='while echo "$1"; do sleep 0.2; done & exec cat >>"$2"'
talks=/run/talks

# The guest listens on tcp/80, instead of its web server.
guest_listens() {
    mkdir -p "$talks"
    guest web1 "killall httpd 2>/dev/null; : >/tmp/heard; echo '$talk' >/tmp/talk
        nc -ll -p 80 -e sh /tmp/talk guest /tmp/heard >/dev/null 2>&1 &"
    # A guest in emulation on a busy machine takes its time.
    until_true 10 guest web1 'pidof nc >/dev/null && netstat -tln | grep -q ":80 "'
}

# begins NAME WHO ADDRESS PORT: who is no guest, outside or lab-lan, connects to it.
begins() {
    local name=$1 who=$2
    "$who" busybox nc "$3" "$4" -e sh -c "$talk" talk "$name" "$talks/$name" </dev/null >/dev/null 2>&1 &
    is_held "$name" "$who" "$4"
}

# guest_begins NAME ADDRESS PORT: the guest connects to one outside who listens.
guest_begins() {
    local name=$1
    outside busybox nc -l -p "$3" -e sh -c "$talk" talk "$name" "$talks/$name" </dev/null >/dev/null 2>&1 &
    until_true 5 listens_outside "$3" || return 1
    guest web1 "nc $2 $3 -e sh /tmp/talk guest /tmp/heard >/dev/null 2>&1 &"
    is_held "$name" outside "$3"
}

listens_outside() { outside ss -tlnH sport = ":$1" | grep -q .; }

# Both talk; the port that only this connection has is noted, by which to find it.
is_held() {
    until_true 5 both_hear "$1" || return 1
    "$2" ss -tnH state established "( sport = :$3 or dport = :$3 )" |
        grep -oE ':[0-9]+( |$)' | tr -d ': ' | grep -vx "$3" >"$talks/$1.port"
}

# How many lines have been heard from each other: here, at the guest.
heard() {
    echo "$(cat "$talks/$1" 2>/dev/null | wc -l) $(guest web1 "grep -c '^$1\$' /tmp/heard")"
}

both_hear() {
    local before after
    read -r -a before <<<"$(heard "$1")"
    sleep 1
    read -r -a after <<<"$(heard "$1")"
    echo "heard in a second: $((after[0] - before[0])) lines here, $((after[1] - before[1])) at the guest"
    ((after[0] > before[0] && after[1] > before[1]))
}

# stay_silent SECONDS NAME...: for so long nothing is heard at either end of these.
stay_silent() {
    local seconds=$1 before after name
    shift
    before=$(for name; do heard "$name"; done)
    sleep "$seconds"
    after=$(for name; do heard "$name"; done)
    paste -d ' ' <(printf '%s\n' "$@") <(echo "$before") <(echo "$after") |
        awk '{print $1 ": heard " $2 " lines here and " $3 " at the guest, then " $4 " and " $5}'
    [[ $after == "$before" ]]
}

# sends_in_vain here|guest NAME...: that end of each has sent what nobody has
# acknowledged, and will send it again and again.
sends_in_vain() {
    local where=$1 name bytes status=0
    shift
    for name; do
        bytes=$("sockets_$where" | grep -E ":$(<"$talks/$name.port")( |\$)" | awk '{print $2}')
        echo "$name: ${bytes:-no} bytes in vain"
        ((${bytes:-0} > 0)) || status=1
    done
    return "$status"
}

# Bytes received and sent that wait, and both ends.
sockets_here() { outside ss -tnH state established; }
sockets_guest() { guest web1 'netstat -tn | sed -n "/ESTABLISHED/s/^tcp//p"'; }

# flows_show NAME...: each is listed, with the rule of group web that admits it.
# What was tried in vain before is listed too, so the exit code says nothing here.
flows_show() {
    local list name
    list=$("$bin/virt-guard" flows list web1)
    for name; do
        grep -E ":$(<"$talks/$name.port") .* admitted .*: group web " <<<"$list" || return 1
    done
}
