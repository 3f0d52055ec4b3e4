"""What listens on the lab's host, as the lab has set it up: by protocol and port, the
units that hold the socket. Of two, the second runs only while somebody needs it."""

FOR_OPERATORS = {
    ("tcp", 22): ["ssh.service"],
    ("tcp", 111): ["rpcbind.socket", "rpcbind.service"],
    ("udp", 111): ["rpcbind.socket", "rpcbind.service"],
    ("tcp", 5432): ["postgresql@15-main.service"],
    ("tcp", 16509): ["libvirtd-tcp.socket", "libvirtd.service"],
    ("tcp", 8000): ["page.service"],
    ("udplite", 9000): ["rare.service"],
    ("sctp", 9000): ["rare.service"],
}
FOR_GUESTS = {
    ("tcp", 53): ["dnsmasq.service"],
    ("udp", 53): ["dnsmasq.service"],
    ("udp", 67): ["dnsmasq.service"],
    ("udp", 547): ["dnsmasq.service"],
}

ADDRESSES = {
    "10.100.0.1",
    "192.0.2.10",
    "198.51.100.1",
    "fd00:100::1",
    "fe80::1",
    "2001:db8:2::10",
    "2001:db8:3::1",
}
# Where a guest reaches what is not reached at all of these: asked from another link by
# IPv4, SCTP answers from the address that is on that link, which is taken for no answer.
REACHED_AT = {("sctp", 9000): ADDRESSES - {"192.0.2.10", "198.51.100.1"}}


def of(services, key):
    """Those of this protocol and port."""
    return [service for service in services if (service["protocol"], service["port"]) == key]
