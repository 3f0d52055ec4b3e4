//! Random filters: what is written is what is read, and nothing makes it panic.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use proptest::sample::select;

use super::super::check::{NEEDED, RANGES};
use super::super::protocol::NAMES;
use super::super::words::{ARP_OPERATIONS, ETHER_TYPES, IP_PROTOCOLS};
use super::*;
use crate::net::Mac;

/// A value as text, and what it is read as.
type Written = (String, Datum);

fn decimal_or_hex(range: std::ops::RangeInclusive<u32>) -> BoxedStrategy<Written> {
    (range, any::<bool>())
        .prop_map(|(number, hex)| {
            let text = if hex { format!("{number:#x}") } else { number.to_string() };
            (text, Datum::Number(number))
        })
        .boxed()
}

fn or_named(names: &'static [(&'static str, u32)], range: std::ops::RangeInclusive<u32>) -> BoxedStrategy<Written> {
    let named = select(names).prop_map(|(name, number)| (name.to_uppercase(), Datum::Number(number)));
    prop_oneof![named, decimal_or_hex(range)].boxed()
}

/// A mask of `bits` with its number of ones, and as `print` writes it.
fn mask(bits: u8, print: fn(u128) -> String) -> BoxedStrategy<Written> {
    (0..=bits, any::<bool>())
        .prop_map(move |(ones, long)| {
            let mask = u128::MAX.checked_shl(u32::from(128 - ones)).unwrap_or(0);
            (if long { print(mask) } else { ones.to_string() }, Datum::Prefix(ones))
        })
        .boxed()
}

fn print_v4(mask: u128) -> String {
    Ipv4Addr::from(u32::try_from(mask >> 96).unwrap()).to_string()
}

fn print_v6(mask: u128) -> String {
    Ipv6Addr::from(mask).to_string()
}

fn mac_mask() -> BoxedStrategy<Written> {
    (0..=48_u32)
        .prop_map(|ones| {
            let bytes = u64::MAX.checked_shl(64 - ones).unwrap_or(0).to_be_bytes();
            let mask = Mac::new(*bytes.first_chunk().unwrap());
            (mask.to_string(), Datum::Mac(mask))
        })
        .boxed()
}

/// The words of `list` that are chosen by the bits of a number, at least one.
fn chosen<T: Copy + std::fmt::Debug + 'static>(
    list: &'static [(&'static str, T)],
) -> impl Strategy<Value = (String, Vec<T>)> {
    (1..1_usize << list.len()).prop_map(move |bits| {
        let chosen = list.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
        let (words, values): (Vec<_>, Vec<_>) = chosen.map(|(_, it)| *it).unzip();
        (words.join(","), values)
    })
}

fn tcp_flags() -> BoxedStrategy<Written> {
    const FLAGS: [(&str, u8); 6] = [("FIN", 1), ("SYN", 2), ("rst", 4), ("PSH", 8), ("ack", 16), ("URG", 32)];
    let bits = |flags: &[u8]| flags.iter().fold(0, |bits, flag| bits | flag);
    (chosen(&FLAGS), any::<bool>())
        .prop_map(move |((words, flags), none)| {
            let (text, set) = if none { ("NONE", 0) } else { (words.as_str(), bits(&flags)) };
            (format!("{words}/{text}"), Datum::Flags { mask: bits(&flags), flags: set })
        })
        .boxed()
}

fn states() -> BoxedStrategy<Written> {
    use StateName::{Established, Invalid, New, Related};
    const STATES: [(&str, StateName); 4] =
        [("NEW", New), ("established", Established), ("Related", Related), ("INVALID", Invalid)];
    chosen(&STATES).prop_map(|(text, states)| (text, Datum::States(states.into_iter().collect()))).boxed()
}

fn written(kind: Kind) -> BoxedStrategy<Written> {
    const ENDS: [(&str, SetEnd); 2] = [("src", SetEnd::Source), ("dst", SetEnd::Destination)];
    match kind {
        Kind::U8 => decimal_or_hex(0..=0xff),
        Kind::U16 => decimal_or_hex(0..=0xffff),
        Kind::U32 => decimal_or_hex(0..=u32::MAX),
        Kind::EtherType => or_named(&ETHER_TYPES, 0x600..=0xffff),
        Kind::VlanId => decimal_or_hex(0..=4095),
        Kind::EncapProtocol => or_named(&ETHER_TYPES, 0x3c..=0xffff),
        Kind::IpProtocol => or_named(&IP_PROTOCOLS, 0..=0xff),
        Kind::ArpOperation => or_named(&ARP_OPERATIONS, 0..=0xffff),
        Kind::Mac => any::<[u8; 6]>().prop_map(Mac::new).prop_map(|mac| (mac.to_string(), Datum::Mac(mac))).boxed(),
        Kind::MacMask => mac_mask(),
        Kind::Ipv4 => any::<Ipv4Addr>().prop_map(|it| (it.to_string(), Datum::Ip(it.into()))).boxed(),
        Kind::Ipv4Mask => mask(32, print_v4),
        Kind::Ipv6 => any::<Ipv6Addr>().prop_map(|it| (it.to_string(), Datum::Ip(it.into()))).boxed(),
        Kind::Ipv6Mask => mask(128, print_v6),
        Kind::Dscp => decimal_or_hex(0..=63),
        Kind::TcpFlags => tcp_flags(),
        Kind::SetName => "[a-z0-9_.:+][a-z0-9_.:+-]{0,30}".prop_map(|it| (it.clone(), Datum::Set(it))).boxed(),
        Kind::SetFlags => chosen(&ENDS).prop_map(|(text, ends)| (text, Datum::SetEnds(ends))).boxed(),
        Kind::States => states(),
        Kind::Bool => select(&[("true", true), ("no", false)][..])
            .prop_map(|(text, it)| (text.to_owned(), Datum::Bool(it)))
            .boxed(),
        Kind::Text => "[^$\\p{C}]{0,256}".prop_map(|it| (it.clone(), Datum::Text(it))).boxed(),
    }
}

/// Attributes of one element, each there or not.
type Attributes = Vec<(Attribute, Written)>;

fn attributes(protocol: FilterProtocol) -> BoxedStrategy<Attributes> {
    let each = protocol.rows().map(|(attribute, kind)| {
        prop::option::of(written(kind)).prop_map(move |it| it.map(|written| (attribute, written)))
    });
    each.collect::<Vec<_>>().prop_map(move |each| sensible(protocol, each.into_iter().flatten().collect())).boxed()
}

/// The attributes without those that the others contradict.
fn sensible(within: FilterProtocol, mut all: Attributes) -> Attributes {
    use Attribute::{DstPortEnd, DstPortStart, IcmpCode, IcmpCodeEnd, IcmpType, IcmpTypeEnd, Protocol};
    use Attribute::{SrcPortEnd, SrcPortStart};
    let protocol = find(&all, Protocol).cloned();
    let is = |numbers: &[u32]| protocol.as_ref().is_some_and(|it| numbers.iter().any(|n| *it == Datum::Number(*n)));
    let ethernet = within.is_ethernet();
    let ports = [SrcPortStart, SrcPortEnd, DstPortStart, DstPortEnd];
    let icmp = [IcmpType, IcmpTypeEnd, IcmpCode, IcmpCodeEnd];
    all.retain(|(attribute, _)| !ethernet || !ports.contains(attribute) || is(&[6, 17, 33, 132]));
    all.retain(|(attribute, _)| !ethernet || !icmp.contains(attribute) || is(&[58]));
    // Twice, because what is needed may have gone itself.
    for (dependent, other) in NEEDED.iter().chain(&RANGES).chain(&NEEDED).chain(&RANGES) {
        let keep = match (find(&all, *other), find(&all, *dependent)) {
            (None, _) => false,
            (Some(Datum::Number(start)), Some(Datum::Number(end))) if RANGES.contains(&(*dependent, *other)) => {
                start <= end
            }
            (Some(Datum::Ip(start)), Some(Datum::Ip(end))) => start <= end,
            _ => true,
        };
        all.retain(|(attribute, _)| keep || attribute != dependent);
    }
    all
}

fn find(all: &Attributes, attribute: Attribute) -> Option<&Datum> {
    all.iter().find(|(known, _)| *known == attribute).map(|(_, (_, datum))| datum)
}

fn element(protocol: FilterProtocol, attributes: &Attributes) -> String {
    let attributes: Vec<_> =
        attributes.iter().map(|(it, (text, _))| format!(" {it}='{}'", quick_xml::escape::escape(text))).collect();
    format!("<{protocol}{}/>", attributes.concat())
}

/// A protocol with attributes of its element.
fn any_element() -> impl Strategy<Value = (FilterProtocol, Attributes)> {
    select(&NAMES[..]).prop_flat_map(|(_, protocol)| (Just(protocol), attributes(protocol)))
}

proptest! {
    #[test]
    fn every_value_comes_back((protocol, attributes) in any_element()) {
        let xml = ruled(&element(protocol, &attributes));
        let filter = parse(&xml);
        prop_assert!(filter.is_ok(), "{xml}: {filter:?}");
        let rule = rule(&xml);
        prop_assert_eq!(rule.protocol, protocol);
        let expected: Vec<_> = attributes.into_iter().map(|(it, (_, datum))| (it, Term::Value(datum))).collect();
        prop_assert_eq!(&rule.conditions[0].attributes, &expected);
    }

    #[test]
    fn no_mutation_of_a_filter_makes_it_panic(
        (protocol, attributes) in any_element(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..12_usize), 1..6),
    ) {
        let include = "<filterref filter='g'><parameter name='A' value='1'/></filterref>";
        let rule = ruled(&element(protocol, &attributes));
        let mut xml = rule.replace("</filter>", &format!("{include}</filter>")).into_bytes();
        for (index, byte, removed) in edits {
            let start = index.index(xml.len());
            let end = xml.len().min(start + removed);
            xml.splice(start..end, [byte]);
        }
        if let Ok(filter) = Filter::parse(&xml, "f.xml") {
            prop_assert!(!filter.name.is_empty());
        }
    }

    #[test]
    fn no_text_makes_a_value_panic((_, protocol) in select(&NAMES[..]), text in "\\PC{0,40}|[0-9A-Fa-fx.:/,@$\\[\\]]{0,20}") {
        for (_, kind) in protocol.rows() {
            let _ = kind.parse(&text);
        }
        let _ = text.parse::<Variable>();
        let _ = text.parse::<ChainName>();
    }
}
