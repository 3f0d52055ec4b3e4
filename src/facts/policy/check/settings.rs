//! The tables and keys that only `virt-guard.toml` has.
//!
//! In: their raw shape. Out: the settings of the [`Policy`]; what is not
//! written keeps its default.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::super::raw::{OneOrMany, RawBridge, RawDaemon, RawDefaults, RawHost, RawNat, RawSettings, Scalar};
use super::super::source::Source;
use super::super::{
    BridgePolicy, DaemonPolicy, EtherTypes, FactError, GuestDefaults, HostAllow, HostPolicy, Marks, NatPolicy, Placed,
    Policy, UnknownPorts, Uplinks,
};
use super::anti_spoofing;
use crate::net::{BridgePattern, EtherType};

/// The tag of stacked VLANs before 802.1ad, which switches still send.
const OLD_QINQ: u16 = 0x9100;

/// Reads the settings into `policy`.
///
/// # Errors
/// The first value that is none.
pub fn read(source: &Source, raw: &RawSettings, policy: &mut Policy) -> Result<(), FactError> {
    policy.engine = raw.engine.unwrap_or(policy.engine);
    if let Some(mark) = &raw.mark {
        policy.marks = marks(source, mark)?;
    }
    if let Some(seconds) = &raw.deadline_seconds {
        policy.deadline = deadline(source, seconds)?;
    }
    if let Some(table) = &raw.bridges {
        policy.bridges = bridges(source, table)?;
    }
    if let Some(table) = &raw.host {
        policy.host = host(source, table)?;
    }
    if let Some(table) = &raw.guests {
        policy.guests = guests(source, table)?;
    }
    if let Some(table) = &raw.daemon {
        policy.daemon = daemon(source, table)?;
    }
    if let Some(table) = &raw.nat {
        policy.nat = nat(table);
    }
    Ok(())
}

fn nat(raw: &RawNat) -> NatPolicy {
    let default = NatPolicy::default();
    NatPolicy { interface: raw.interface.clone(), announce: raw.announce.unwrap_or(default.announce) }
}

fn daemon(source: &Source, raw: &RawDaemon) -> Result<DaemonPolicy, FactError> {
    let mut daemon = DaemonPolicy::default();
    if let Some(raw) = &raw.check_seconds {
        let seconds = up_to_an_hour(raw).filter(|seconds| *seconds > 0);
        daemon.check_every = seconds.map(Duration::from_secs).ok_or_else(|| {
            source.error(raw.span(), format!("invalid check-seconds {}, expected 1 to 3600", raw.get_ref()))
        })?;
    }
    if let Some(raw) = &raw.services_seconds {
        let seconds = up_to_an_hour(raw).ok_or_else(|| {
            let message = format!("invalid services-seconds {}, expected 1 to 3600, or 0 for never", raw.get_ref());
            source.error(raw.span(), message)
        })?;
        daemon.services_within = Some(Duration::from_secs(seconds)).filter(|within| !within.is_zero());
    }
    if let Some(raw) = &raw.metrics {
        let path = PathBuf::from(raw.get_ref());
        if !path.is_absolute() || path.extension().is_none_or(|ending| ending != "prom") {
            let message = format!("invalid metrics {:?}, expected an absolute path that ends in .prom", raw.get_ref());
            return Err(source.error(raw.span(), message));
        }
        daemon.metrics = Some(path);
    }
    Ok(daemon)
}

/// A number of seconds, if it is one of an hour at most.
fn up_to_an_hour(raw: &Spanned<i64>) -> Option<u64> {
    u64::try_from(*raw.get_ref()).ok().filter(|seconds| *seconds <= 3600)
}

fn marks(source: &Source, raw: &Spanned<i64>) -> Result<Marks, FactError> {
    let number = *raw.get_ref();
    let mask = u32::try_from(number).ok();
    mask.and_then(Marks::new).ok_or_else(|| {
        let written = mask.map_or_else(|| number.to_string(), |mask| format!("{mask:#010x}"));
        let message = format!("invalid mark {written}, expected five adjacent bits of 32, such as 0x1f000000");
        source.error(raw.span(), message)
    })
}

fn deadline(source: &Source, raw: &Spanned<i64>) -> Result<Duration, FactError> {
    let seconds = u64::try_from(*raw.get_ref()).ok().filter(|seconds| (1..=300).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        source.error(raw.span(), format!("invalid deadline-seconds {}, expected 1 to 300", raw.get_ref()))
    })
}

type RawBridges = Spanned<BTreeMap<Spanned<String>, RawBridge>>;

/// The bridges, the most specific first. toml refuses a name that is there twice.
fn bridges(source: &Source, raw: &RawBridges) -> Result<Vec<BridgePolicy>, FactError> {
    if raw.get_ref().is_empty() {
        let message = "[bridges] names no bridge, so none would be guarded; leave it out for br100 and virbr*";
        return Err(source.error(raw.span(), message));
    }
    let bridges = raw.get_ref().iter().map(|(name, raw)| bridge(source, name, raw));
    let mut bridges: Vec<_> = bridges.collect::<Result<_, _>>()?;
    bridges.sort_by_key(|bridge| bridge.pattern.specificity());
    Ok(bridges)
}

fn bridge(source: &Source, name: &Spanned<String>, raw: &RawBridge) -> Result<BridgePolicy, FactError> {
    let Placed { value: pattern, place } = source.value::<BridgePattern>(name)?;
    let uplinks = match &raw.uplinks {
        Some(names) => Uplinks::Listed(source.values(names)?.into_iter().map(|name| name.value).collect()),
        None => Uplinks::Detected,
    };
    let unknown_ports = raw.unknown_ports.unwrap_or(UnknownPorts::Drop);
    Ok(BridgePolicy { pattern, uplinks, unknown_ports, place: Some(place) })
}

fn host(source: &Source, raw: &RawHost) -> Result<HostPolicy, FactError> {
    let Some(services) = &raw.allow else { return Ok(HostPolicy::default()) };
    let services = source.values(services)?.into_iter();
    Ok(HostPolicy {
        allow: services.map(|Placed { value, place }| HostAllow { service: value, place: Some(place) }).collect(),
    })
}

fn guests(source: &Source, raw: &RawDefaults) -> Result<GuestDefaults, FactError> {
    let default = GuestDefaults::default();
    Ok(GuestDefaults {
        anti_spoofing: anti_spoofing(source, raw.anti_spoofing.as_ref())?.unwrap_or(default.anti_spoofing),
        groups: source.values(&raw.groups)?,
        filters: source.values(&raw.filters)?,
        router_advertisements: raw.router_advertisements.unwrap_or(default.router_advertisements),
        dhcp_server: raw.dhcp_server.unwrap_or(default.dhcp_server),
        ethertypes: raw.ethertypes.as_ref().map_or(Ok(default.ethertypes), |raw| ethertypes(source, raw))?,
        metadata_groups: raw.metadata_groups.unwrap_or(default.metadata_groups),
        reject: raw.reject.unwrap_or(default.reject),
        unguardable: raw.unguardable.unwrap_or(default.unguardable),
        mid_stream: raw.mid_stream.unwrap_or(default.mid_stream),
    })
}

fn ethertypes(source: &Source, raw: &Spanned<OneOrMany>) -> Result<EtherTypes, FactError> {
    match raw.get_ref() {
        OneOrMany::One(Scalar::Text(text)) if text == "any" => Ok(EtherTypes::Any),
        OneOrMany::One(other) => {
            let message = format!("invalid ethertypes {:?}, expected \"any\" or a list", other.to_string());
            Err(source.error(raw.span(), message))
        }
        OneOrMany::Many(items) => {
            let types: Result<BTreeSet<_>, _> = items.iter().map(|item| ethertype(source, item)).collect();
            types.map(EtherTypes::Only)
        }
    }
}

fn ethertype(source: &Source, raw: &Spanned<Scalar>) -> Result<EtherType, FactError> {
    let text = match raw.get_ref() {
        Scalar::Text(text) => text.clone(),
        Scalar::Number(number) => {
            u16::try_from(*number).map_or_else(|_| number.to_string(), |number| format!("{number:#x}"))
        }
    };
    let ether_type: EtherType = text.parse().map_err(|error| source.error(raw.span(), error))?;
    if matches!(ether_type, EtherType::VLAN | EtherType::QINQ) || ether_type.number() == OLD_QINQ {
        let message = format!("ethertype {text} is a VLAN tag, and tagged frames are never passed; leave it out");
        return Err(source.error(raw.span(), message));
    }
    Ok(ether_type)
}
