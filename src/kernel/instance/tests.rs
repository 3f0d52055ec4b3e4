//! What libvirt 9.0 made of filters at a port, as the save programs printed it.

use super::*;
use crate::facts::nwfilter::{Entry, Filter};

const IP: &str = "*filter\n-A INPUT -j libvirt-host-in\n-A FORWARD -j libvirt-in\n-A FORWARD -j libvirt-out\n\
    -A FORWARD -j libvirt-in-post\n:FI-vnet7 - [0:0]\n-A FI-vnet7 -j DROP\n-A FO-vnet7 -p tcp -m tcp --dport 80 -j ACCEPT\n\
    -A HI-vnet7 -j DROP\n-A libvirt-host-in -m physdev --physdev-in vnet7 -g HI-vnet7\n\
    -A libvirt-in -m physdev --physdev-in vnet7 -g FI-vnet7\n-A libvirt-in-post -m physdev --physdev-in vnet7 -j ACCEPT\n\
    -A libvirt-out -m physdev --physdev-out vnet7 --physdev-is-bridged -g FO-vnet7\nCOMMIT\n";
const ETHERNET: &str = "*nat\n-A PREROUTING -i vnet7 -j libvirt-I-vnet7\n:I-vnet7-mac ACCEPT\n\
    -A I-vnet7-mac -j DROP\n-A libvirt-I-vnet7 -j I-vnet7-mac\n-A libvirt-I-vnet7 -p IPv4 -j ACCEPT\n";

fn needs(rules: &str) -> Needs {
    let filter = Filter::parse(format!("<filter name='x'>{rules}</filter>").as_bytes(), "x.xml").unwrap();
    let mut needs = Needs::default();
    for entry in &filter.entries {
        if let Entry::Rule(rule) = entry {
            needs.add(rule);
        }
    }
    needs
}

fn listing(ethernet: &str, ip: &str) -> Listing {
    let mut listing = Listing::default();
    listing.add_saved(ethernet, |_| Some(Table::EbtablesNat));
    listing.add_saved(ip, |_| Some(Table::Filter(Family::V4)));
    listing
}

const TCP: &str = "<rule action='drop' direction='inout'><tcp/></rule>";
const MAC: &str = "<rule action='drop' direction='out'><mac/></rule>";

#[test]
fn what_stands_lacks_nothing() {
    let needs = needs(&format!("{TCP}{MAC}"));
    assert!(needs.missing("vnet7", &listing(ETHERNET, IP)).is_empty());
    // vnet70's are not vnet7's, nor the other way.
    assert_eq!(needs.missing("vnet", &listing(ETHERNET, IP)).len(), 2 + 4 + 3);
}

#[test]
fn each_line_that_somebody_takes_is_missed() {
    let needs = needs(&format!("{TCP}{MAC}"));
    for (index, line) in IP.lines().enumerate().filter(|(_, line)| line.starts_with("-A")) {
        let rest: Vec<_> = IP.lines().enumerate().filter(|(at, _)| *at != index).map(|(_, line)| line).collect();
        assert!(!needs.missing("vnet7", &listing(ETHERNET, &rest.join("\n"))).is_empty(), "{line}");
    }
    let without = |line: &str| ETHERNET.replace(line, "");
    for line in ["-A PREROUTING -i vnet7 -j libvirt-I-vnet7\n", "-A I-vnet7-mac -j DROP\n"] {
        assert_eq!(needs.missing("vnet7", &listing(&without(line), IP)).len(), 1, "{line}");
    }
}

#[test]
fn a_layer_without_rules_needs_nothing() {
    let nothing = Listing::default();
    assert!(needs("").missing("vnet7", &nothing).is_empty());
    assert_eq!(needs(MAC).missing("vnet7", &nothing).len(), 2);
    let families: Vec<_> = needs("<rule action='accept' direction='in'><tcp-ipv6/></rule>").missing("vnet7", &nothing);
    assert!(families.iter().all(|line| line.starts_with("ip6tables: ")), "{families:?}");
}
