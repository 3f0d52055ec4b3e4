//! What others tell of guests: leases of DHCP, libvirt's filters.

use std::fs;

use crate::daemon::{Daemon, differences, eventually};
use crate::stage::bench::Bench;
use crate::stage::guest::Guest;

/// Where a dnsmasq that is not libvirt's has its leases, and until when this is one.
const LEASES: &str = "var/lib/misc";
const LATE: u64 = 4_000_000_000;

/// A guest whose filter asks for its address, which nobody knows yet: all but DHCP
/// is closed. Then a lease tells.
pub fn lease(bench: &mut Bench) {
    let guest =
        Guest::new(7).attached("bridge", "<source bridge='br100'/><target dev='vnet7'/><filterref filter='pinned'/>");
    let folder = bench.root().join(LEASES);
    fs::create_dir_all(&folder).expect("a place for leases");
    let wire = bench.plug(&guest);
    bench.go("start", &guest);
    let daemon = Daemon::start(bench);
    bench.assert_not_open(&guest, &wire);
    assert!(bench.look(&guest, &wire).passed.is_empty(), "the address is not known yet");
    let address = std::net::Ipv4Addr::from(guest.address());
    fs::write(folder.join("dnsmasq.leases"), format!("{LATE} {} {address} web7 *\n", guest.mac())).expect("a lease");
    eventually("a lease opens the guest", || bench.look(&guest, &wire).lost.is_empty());
    let mut seen = bench.look(&guest, &wire);
    // The filter is about IPv4, and nobody has told an address of IPv6.
    seen.leaked.remove("a foreign IPv6 address");
    assert!(seen.guarded(), "not guarded: {seen}");
    assert_eq!(differences(bench), "");
    daemon.stop();
}

/// A filter of the policy's folder becomes stricter, and then is what it was.
pub fn changed(bench: &mut Bench) {
    let ([guest, _], [wire, _other]) = bench.two_running();
    let daemon = Daemon::start(bench);
    let path = bench.root().join("etc/virt-guard/nwfilter/pinned-arp.xml");
    let before = fs::read_to_string(&path).expect("a filter");
    let strict = "<filter name='pinned-arp' chain='root'><rule action='drop' direction='inout'><all/></rule></filter>";
    fs::write(&path, strict).expect("a strict filter");
    eventually("a strict filter is followed", || bench.look(&guest, &wire).closed());
    fs::write(&path, before).expect("the filter as it was");
    eventually("the filter as it was is followed", || bench.look(&guest, &wire).guarded());
    assert_eq!(differences(bench), "");
    daemon.stop();
}
