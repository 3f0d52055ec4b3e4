//! Guests by number, and the XML that libvirt gives the hook about them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use virt_guard::facts::Domain;
use virt_guard::net::{Family, Mac};

/// Guest number N: `webN` at port `vnetN` with the addresses that end in N.
#[derive(Debug, Clone)]
pub struct Guest {
    /// 1 to 65535.
    pub number: u16,
    /// The domain's name.
    pub name: String,
    /// The number that its addresses end in.
    last: u16,
    /// What stands in the XML for each interface.
    interfaces: String,
}

/// Text as the content of an element.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut xml, c| {
        match c {
            '<' | '>' | '&' | '\'' | '"' | '\n' | '\r' | '\t' => {
                let _ = write!(xml, "&#{};", u32::from(c));
            }
            _ => xml.push(c),
        }
        xml
    })
}

impl Guest {
    /// A guest with one tap on the lab's bridge.
    pub fn new(number: u16) -> Self {
        let name = format!("web{number}");
        let mut guest = Self { number, name, last: number, interfaces: String::new() };
        guest.interfaces = guest.tap();
        guest
    }

    /// The same under another name.
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// The same with the addresses of guest `number`.
    pub fn with_addresses_of(mut self, number: u16) -> Self {
        self.last = number;
        self.interfaces = self.tap();
        self
    }

    /// The same with this XML in place of its interface, after its MAC address.
    pub fn attached(mut self, kind: &str, content: &str) -> Self {
        self.interfaces = format!("<interface type='{kind}'><mac address='{}'/>{content}</interface>", self.mac());
        self
    }

    fn tap(&self) -> String {
        format!(
            "<interface type='bridge'><mac address='{}'/><source bridge='br100'/><target dev='{}'/>\
             <filterref filter='pinned'><parameter name='IP' value='{}'/></filterref></interface>",
            self.mac(),
            self.port(),
            Ipv4Addr::from(self.address())
        )
    }

    /// The guest's MAC address.
    pub fn mac(&self) -> Mac {
        let [high, low] = self.number.to_be_bytes();
        Mac::new([0x52, 0x54, 0, 0, high, low])
    }

    /// The guest's address, within 10.100.0.0/16.
    pub fn address(&self) -> [u8; 4] {
        let [high, low] = self.last.to_be_bytes();
        [10, 100, high, low]
    }

    /// The guest's address of `family`: fd00:100::N beside 10.100.0.N.
    pub fn address_of(&self, family: Family) -> IpAddr {
        match family {
            Family::V4 => Ipv4Addr::from(self.address()).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0, self.last).into(),
        }
    }

    /// The host's end of its interface.
    pub fn port(&self) -> String {
        format!("vnet{}", self.number)
    }

    /// Its UUID.
    pub fn uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.number)
    }

    /// The XML on the hook's standard input.
    pub fn xml(&self) -> String {
        format!(
            "<domain type='kvm'>\n  <name>{}</name>\n  <uuid>{}</uuid>\n  <devices>\n    {}\n  </devices>\n</domain>\n",
            escaped(&self.name),
            self.uuid(),
            self.interfaces
        )
    }

    /// The guest as the library knows it.
    pub fn domain(&self) -> Domain {
        Domain::parse(self.xml(), "domain XML").expect("a domain")
    }
}
