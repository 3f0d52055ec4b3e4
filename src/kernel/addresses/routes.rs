//! The routes of this network namespace, asked of the kernel by rtnetlink.
//!
//! In: rtnetlink's list. Out: what of each route is asked about here.

use std::io;

use super::family_number;
use crate::kernel::netlink::{Request, Socket, attributes, u32_at};
use crate::net::Family;

/// linux/rtnetlink.h
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_OIF: u16 = 4;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
/// `struct rtmsg`
const RTMSG: usize = 12;
pub(super) const RT_TABLE_MAIN: u8 = 254;
pub(super) const RTN_UNICAST: u8 = 1;
/// Heard in a router advertisement, by the kernel or by a program.
const RTPROT_RA: u8 = 9;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) family: Family,
    pub(super) table: u32,
    protocol: u8,
    kind: u8,
    /// The length of its destination's prefix.
    prefix: u8,
    pub(super) metric: u32,
    /// The number of the interface that it leads to.
    pub(super) interface: Option<u32>,
}

impl Route {
    /// Whether all that has no other route goes this way.
    pub(super) fn is_default(&self) -> bool {
        self.prefix == 0 && self.kind == RTN_UNICAST && self.table == u32::from(RT_TABLE_MAIN)
    }

    /// Whether a router advertised it.
    pub(super) fn is_advertised(&self) -> bool {
        self.protocol == RTPROT_RA
    }
}

/// All routes of both families.
pub(super) fn routes(socket: &mut Socket) -> io::Result<Vec<Route>> {
    let messages = socket.dump(&Request::new(RTM_GETROUTE, &[0; RTMSG]))?;
    Ok(messages.iter().filter(|message| message.kind == RTM_NEWROUTE).filter_map(|found| route(&found.body)).collect())
}

/// Those of multicast and of labels are told in the same list, as other families.
fn route(message: &[u8]) -> Option<Route> {
    let [number, prefix, _, _, table, protocol, _, kind] = *message.first_chunk()?;
    let family = Family::BOTH.into_iter().find(|family| family_number(*family) == number)?;
    let mut route = Route { family, table: table.into(), protocol, kind, prefix, metric: 0, interface: None };
    for (kind, value) in attributes(message.get(RTMSG..)?) {
        match kind {
            RTA_TABLE => route.table = u32_at(value, 0)?,
            RTA_PRIORITY => route.metric = u32_at(value, 0)?,
            RTA_OIF => route.interface = u32_at(value, 0),
            // Of several ways the first: `struct rtnexthop`, its interface after four bytes.
            RTA_MULTIPATH => route.interface = route.interface.or(u32_at(value, 4)),
            _ => {}
        }
    }
    Some(route)
}

#[cfg(test)]
impl Route {
    /// A default route that leads nowhere.
    pub(super) fn default_of(family: Family) -> Self {
        let table = RT_TABLE_MAIN.into();
        Self { family, table, protocol: 0, kind: RTN_UNICAST, prefix: 0, metric: 0, interface: None }
    }
}
