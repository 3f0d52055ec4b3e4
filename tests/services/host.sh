# A host with services that listen on all its interfaces, a guest that is not theirs,
# and the operator who needs them; sourced by what runs in `stock-host --systemd`.
#
#   namespace operator          the host                          namespace guest
#   eth0 192.0.2.20 ─────────── mgmt0    192.0.2.10
#        2001:db8:2::20                  2001:db8:2::10
#                               storage0 198.51.100.1
#                                        2001:db8:3::1
#                               br100    10.100.0.1
#                                 │      fd00:100::1
#                                 └─ vnet7 ─────────────────────── eth0 10.100.0.50
#                                                                       fd00:100::50
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# All of the host's addresses, as the guest names them.
everywhere=(10.100.0.1 fd00:100::1 fe80::1%eth0 192.0.2.10 2001:db8:2::10 198.51.100.1 2001:db8:3::1)
of_management=(192.0.2.10 2001:db8:2::10)

# Names of the programs that knock; what guests may use, and what is none of theirs.
for_guests=(dns dns-tcp)
for_operators=(ssh rpcbind rpcbind-tcp postgresql libvirt page lite)
services=("${for_guests[@]}" "${for_operators[@]}")

# Asked from another link by IPv4, SCTP answers from the address that is on that link, which
# nobody takes for an answer: where it is reached all the same.
by_sctp=(10.100.0.1 fd00:100::1 fe80::1%eth0 2001:db8:2::10 2001:db8:3::1)

in_guest() { ip netns exec guest "$@"; }
in_operator() { ip netns exec operator "$@"; }

make_network() {
    ip link add br100 type bridge forward_delay 0
    ip link set br100 address 52:54:00:00:00:01 addrgenmode none up
    give_addresses br100 10.100.0.1/24 fd00:100::1/64 fe80::1/64
    ip link add storage0 type dummy
    ip link set storage0 up
    give_addresses storage0 198.51.100.1/24 2001:db8:3::1/64
    make_neighbour operator mgmt0 192.0.2.10 2001:db8:2::10 192.0.2.20/24 2001:db8:2::20/64
    give_addresses mgmt0 192.0.2.10/24 2001:db8:2::10/64
    make_neighbour guest vnet7 10.100.0.1 fd00:100::1 10.100.0.50/24 fd00:100::50/64 fe80::50/64
    ip -n guest link set eth0 address "$guest_mac"
    ip link set vnet7 master br100
}

# give_addresses INTERFACE ADDRESS...: in namespace $in, if set; usable at once.
give_addresses() {
    local address
    for address in "${@:2}"; do
        case $address in
            *:*) ip ${in:+-n "$in"} address add "$address" dev "$1" nodad ;;
            *) ip ${in:+-n "$in"} address add "$address" dev "$1" ;;
        esac
    done
}

# make_neighbour NAMESPACE INTERFACE GATEWAY4 GATEWAY6 ADDRESS...
make_neighbour() {
    ip netns add "$1"
    ip link add "$2" type veth peer name eth0 netns "$1"
    ip link set "$2" addrgenmode none up
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 addrgenmode none up
    in=$1 give_addresses eth0 "${@:5}"
    ip -n "$1" route add default via "$3"
    ip -n "$1" route add default via "$4"
}

# Each as Debian ships it, but told to listen to everybody.
configure_services() {
    cat >/etc/dnsmasq.d/lab.conf <<'CONF'
no-resolv
no-hosts
no-ping
dhcp-authoritative
host-record=host.lab,10.100.0.1
dhcp-range=10.100.0.60,10.100.0.99,255.255.255.0,1h
dhcp-range=fd00:100::60,fd00:100::99,1h
CONF
    # The second line is for the sake of a slow machine.
    printf "listen_addresses = '*'\nfsync = off\n" >/etc/postgresql/15/main/conf.d/lab.conf
    sed -i '/^auth_tcp/d; $a auth_tcp = "none"' /etc/libvirt/libvirtd.conf
    mkdir -p /srv/page
    echo 'a page' >/srv/page/index.html
    cat >/etc/systemd/system/page.service <<'UNIT'
[Unit]
Description=A page of the operator's

[Service]
ExecStart=/usr/bin/python3 -m http.server --bind :: --directory /srv/page 8000
UNIT
    cat >/etc/systemd/system/rare.service <<UNIT
[Unit]
Description=What few services speak

[Service]
Type=notify
ExecStart=$here/rare
UNIT
    systemctl daemon-reload
}

# libvirtd would start by itself, and be at its busiest while the audit asks systemd.
units=(ssh.service dnsmasq.service rpcbind.socket rpcbind.service
    postgresql@15-main.service libvirtd-tcp.socket libvirtd.service page.service rare.service)

start_services() {
    configure_services
    systemctl start "${units[@]}"
    until_true 5 listens 8000
    until_true 5 listens 5432
}

listens() { ss -Hltn "sport = $1" | grep -q .; }

# --- virt-guard ---------------------------------------------------------------

guest_mac=52:54:00:00:00:50
guest_xml="<domain type='qemu'>
  <name>web1</name>
  <uuid>11111111-2222-3333-4444-555555555555</uuid>
  <devices>
    <interface type='bridge'>
      <mac address='$guest_mac'/>
      <source bridge='br100'/>
      <target dev='vnet7'/>
      <model type='virtio'/>
    </interface>
  </devices>
</domain>"

# configure_guard ENGINE
configure_guard() {
    mkdir -p /etc/virt-guard
    printf 'engine = "%s"\n[bridges."br100"]\n' "$1" >/etc/virt-guard/virt-guard.toml
}

# hook OPERATION SUBOPERATION: as libvirt calls it.
hook() { "$bin/virt-guard-hook" qemu web1 "$1" "$2" - <<<"$guest_xml"; }

guard_the_guest() {
    hook prepare begin && hook start begin && hook started begin
}

release_the_guest() {
    hook stopped end && hook release end
}
