//! Every protocol, every attribute and every form of a value, read.

use std::net::IpAddr;

use super::super::protocol::NAMES;
use super::*;
use crate::net::Family;

const WHOLE: &str = "<?xml version='1.0'?>
<!-- as virsh nwfilter-dumpxml prints one -->
<filter name='no-spoof' chain='ipv4-ip' priority='-710'>
  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
  <filterref filter='other'>
    <parameter name='DNS' value='10.0.0.1'/>
    <parameter name='DNS' value='10.0.0.2'/>
  </filterref>
  <rule action='return' direction='out' priority='100'>
    <ip srcipaddr='$IP' protocol='udp'/>
    <ip match='no' dstipaddr='10.0.0.0' dstipmask='255.0.0.0' comment='x'/>
  </rule>
  <rule action='drop' direction='inout' statematch='false'/>
</filter>
";

#[test]
fn a_whole_filter_is_read_in_order_with_its_places() {
    let filter = parse(WHOLE).unwrap();
    assert_eq!((filter.name.as_str(), filter.chain.as_str(), filter.priority), ("no-spoof", "ipv4-ip", -710));
    assert_eq!(filter.place.to_string(), "f.xml:3:1");
    let [Entry::Include(include), Entry::Rule(first), Entry::Rule(last)] = &filter.entries[..] else {
        panic!("{filter:?}")
    };
    assert_eq!((include.filter.as_str(), include.parameters["DNS"].len()), ("other", 2));
    assert_eq!((first.action, first.direction, first.priority), (Action::Return, RuleDirection::Out, 100));
    assert_eq!((first.protocol, first.state_match, first.place.line), (FilterProtocol::Ip, true, 9));
    let [positive, negative] = &first.conditions[..] else { panic!("{first:?}") };
    let variable = Variable { name: "IP".to_owned(), access: Access::Iterator(0) };
    assert_eq!(
        positive.attributes,
        [(Attribute::SrcIpAddr, Term::Variable(variable)), (Attribute::Protocol, Term::Value(Datum::Number(17)))]
    );
    assert_eq!((positive.negated, negative.negated, negative.place.line), (false, true, 11));
    assert_eq!(negative.attributes[1], (Attribute::DstIpMask, Term::Value(Datum::Prefix(8))));
    assert_eq!(negative.attributes[2], (Attribute::Comment, Term::Value(Datum::Text("x".to_owned()))));
    assert_eq!((last.action, last.direction, last.priority), (Action::Drop, RuleDirection::InOut, 500));
    assert_eq!((last.protocol, last.state_match, last.conditions.len()), (FilterProtocol::None, false, 0));
}

#[test]
fn a_filter_that_says_little_has_the_defaults() {
    let filter = parse("<filter name='f'/>").unwrap();
    assert_eq!((filter.chain.as_str(), filter.priority, filter.entries.len()), ("root", 0, 0));
    assert_eq!(parse("<filter name='f' chain='rarp-x'/>").unwrap().priority, -400);
    assert_eq!(parse("<filter name='f' chain='root' priority='1000'/>").unwrap().priority, 1000);
    for (text, expected) in [("1", true), ("TRUE", true), ("0", false), ("False", false)] {
        let xml = with(&format!("<rule action='accept' direction='out' priority='-1000' statematch='{text}'/>"));
        assert_eq!((rule(&xml).state_match, rule(&xml).priority), (expected, -1000), "{text}");
    }
}

#[test]
fn every_action_and_direction_is_read() {
    for action in ["drop", "accept", "reject", "return", "continue"] {
        for direction in ["in", "out", "inout"] {
            let rule = rule(&with(&format!("<rule action='{action}' direction='{direction}'/>")));
            assert_eq!((rule.action.to_string(), rule.direction.to_string()), (action.into(), direction.into()));
        }
    }
}

/// The attributes of each protocol, spelled out: the table is compared with this.
const ARP: &str = "srcmacaddr srcmacmask dstmacaddr dstmacmask comment hwtype protocoltype opcode arpsrcmacaddr \
                   arpdstmacaddr arpsrcipaddr arpsrcipmask arpdstipaddr arpdstipmask gratuitous";
const STP: &str = "comment srcmacaddr srcmacmask type flags root-priority root-priority-hi root-address \
                   root-address-mask root-cost root-cost-hi sender-priority sender-priority-hi sender-address \
                   sender-address-mask port port-hi age age-hi max-age max-age-hi hello-time hello-time-hi \
                   forward-delay forward-delay-hi";
const MACS: &str = "srcmacaddr srcmacmask dstmacaddr dstmacmask comment";
const ADDRESSES: &str = "srcipaddr srcipmask dstipaddr dstipmask";
const PORTS: &str = "srcportstart srcportend dstportstart dstportend";
const IP_LAYER: &str = "srcmacaddr srcipaddr srcipmask dstipaddr dstipmask srcipfrom srcipto dstipfrom dstipto dscp \
                        connlimit-above state ipset ipsetflags comment";

fn expected(name: &str) -> String {
    match name {
        "mac" => format!("{MACS} protocolid"),
        "vlan" => format!("{MACS} vlanid encap-protocol"),
        "stp" => STP.to_owned(),
        "arp" | "rarp" => ARP.to_owned(),
        "ip" => format!("{MACS} {ADDRESSES} protocol {PORTS} dscp"),
        "ipv6" => format!("{MACS} {ADDRESSES} protocol {PORTS} type code typeend codeend"),
        "tcp" => format!("{IP_LAYER} {PORTS} option flags"),
        "tcp-ipv6" => format!("{IP_LAYER} {PORTS} option"),
        "udp" | "udp-ipv6" | "sctp" | "sctp-ipv6" => format!("{IP_LAYER} {PORTS}"),
        "icmp" | "icmpv6" => format!("{IP_LAYER} type code"),
        _ => IP_LAYER.to_owned(),
    }
}

#[test]
fn every_protocol_takes_its_attributes_and_no_other() {
    for (name, protocol) in NAMES {
        let rows: Vec<_> = protocol.rows().map(|(attribute, _)| attribute.to_string()).collect();
        assert_eq!(rows.join(" "), expected(name), "{name}");
        assert_eq!(rule(&ruled(&format!("<{name}/>"))).protocol, protocol);
    }
}

/// What an attribute of this kind may be, once.
fn sample(kind: Kind, family: Family) -> &'static str {
    match (kind, family) {
        (Kind::U8 | Kind::U16 | Kind::U32 | Kind::VlanId | Kind::Dscp, _) => "0x3F",
        (Kind::EtherType | Kind::EncapProtocol, _) => "IPv6",
        (Kind::IpProtocol, Family::V4) => "TCP",
        (Kind::IpProtocol, Family::V6) => "58",
        (Kind::ArpOperation, _) => "inarp_request",
        (Kind::Mac, _) => "52:54:0:0:0:1",
        (Kind::MacMask, _) => "ff:ff:fe:00:00:00",
        (Kind::Ipv4, _) => "10.0.0.1",
        (Kind::Ipv4Mask, _) => "255.255.128.0",
        (Kind::Ipv6, _) => "FE80::1",
        (Kind::Ipv6Mask, _) => "ffff:c000::",
        (Kind::TcpFlags, _) => "syn,ACK/SYN",
        (Kind::SetName, _) => "my-set_1",
        (Kind::SetFlags, _) => "src,DST",
        (Kind::States, _) => "new,ESTABLISHED",
        (Kind::Bool, _) => "yes",
        (Kind::Text, _) => "text",
    }
}

#[test]
fn every_attribute_is_read_as_a_value_and_as_a_variable() {
    for (name, protocol) in NAMES {
        let family = if protocol.kind_of(Attribute::IcmpTypeEnd).is_some() { Family::V6 } else { Family::V4 };
        let ports = protocol == FilterProtocol::Ipv6;
        let rows: Vec<_> =
            protocol.rows().filter(|(attribute, _)| !(ports && attribute.to_string().contains("port"))).collect();
        let element = |text: &dyn Fn(Kind) -> String| {
            let attributes: Vec<_> = rows.iter().map(|(it, kind)| format!("{it}='{}'", text(*kind))).collect();
            format!("<{name} {}/>", attributes.join(" "))
        };
        let values = rule(&ruled(&element(&|kind| sample(kind, family).to_owned())));
        let read: Vec<_> = rows.iter().map(|(it, kind)| (*it, value(sample(*kind, family), *kind))).collect();
        assert_eq!(values.conditions[0].attributes, read, "{name}");
        let variable =
            |kind: Kind| if kind == Kind::IpProtocol { sample(kind, family).into() } else { "$X[@2]".into() };
        let variables = rule(&ruled(&element(&variable)));
        let count = |rule: &FilterRule| {
            rule.conditions[0].attributes.iter().filter(|(_, term)| matches!(term, Term::Variable(_))).count()
        };
        let named = usize::from(protocol.kind_of(Attribute::Protocol).is_some());
        assert_eq!(count(&variables), rows.len() - named, "{name}");
        for (attribute, kind) in protocol.rows() {
            assert_eq!(protocol.kind_of(attribute), Some(kind));
        }
    }
    assert_eq!(FilterProtocol::None.kind_of(Attribute::Comment), None);
    assert_eq!(FilterProtocol::Icmp(Family::V4).kind_of(Attribute::Type), None);
}

#[test]
fn values_are_read_in_every_form_libvirt_takes() {
    use Datum::{Flags, Number, Prefix, Set, SetEnds, States, Text};
    let states = |states: &[StateName]| States(states.iter().copied().collect());
    for (kind, text, datum) in [
        (Kind::U8, "255", Number(255)),
        (Kind::U16, "0080", Number(80)),
        (Kind::U16, "0XfffF", Number(0xffff)),
        (Kind::U32, "4294967295", Number(u32::MAX)),
        (Kind::EtherType, "RARP", Number(0x8035)),
        (Kind::EtherType, "0x88cc", Number(0x88cc)),
        (Kind::EtherType, "1536", Number(0x600)),
        (Kind::EncapProtocol, "0x3c", Number(0x3c)),
        (Kind::VlanId, "4095", Number(4095)),
        (Kind::IpProtocol, "IcmpV6", Number(58)),
        (Kind::IpProtocol, "0x84", Number(132)),
        (Kind::ArpOperation, "Reply_Reverse", Number(4)),
        (Kind::ArpOperation, "65535", Number(0xffff)),
        (Kind::Mac, "52:54:00:AB:cd:1", Datum::Mac("52:54:00:ab:cd:01".parse().unwrap())),
        (Kind::MacMask, "00:00:00:00:00:00", Datum::Mac("0:0:0:0:0:0".parse().unwrap())),
        (Kind::Ipv4, "0.0.0.0", Datum::Ip(IpAddr::from([0, 0, 0, 0]))),
        (Kind::Ipv4Mask, "0.0.0.0", Prefix(0)),
        (Kind::Ipv4Mask, "255.255.255.255", Prefix(32)),
        (Kind::Ipv4Mask, "24", Prefix(24)),
        (Kind::Ipv6Mask, "ffff::", Prefix(16)),
        (Kind::Ipv6Mask, "128", Prefix(128)),
        (Kind::Dscp, "63", Number(63)),
        (Kind::TcpFlags, "ALL/NONE", Flags { mask: 0x3f, flags: 0 }),
        (Kind::TcpFlags, "syn, ack,urg/syn , ack", Flags { mask: 0x32, flags: 0x12 }),
        (Kind::SetName, "a.b:c-d+e_f", Set("a.b:c-d+e_f".into())),
        (Kind::SetFlags, "src,dst, SRC", SetEnds(vec![SetEnd::Source, SetEnd::Destination, SetEnd::Source])),
        (Kind::States, "None", states(&[])),
        (Kind::States, "INVALID,related", states(&[StateName::Related, StateName::Invalid])),
        (Kind::Bool, "0", Datum::Bool(false)),
        (Kind::Text, "", Text(String::new())),
    ] {
        assert_eq!(kind.parse(text), Ok(datum), "{kind:?} {text:?}");
    }
    assert_eq!(Kind::Text.parse(&"\u{e9}".repeat(300)), Ok(Text("\u{e9}".repeat(256))));
}

#[test]
fn remarks_and_what_is_somebody_elses_change_nothing() {
    let xml = "<filter xmlns:x='urn:x' name='f' comment='c' x:chain='mac'>
      <rule action='drop' direction='in' comment='c' x:statematch='0'>
        <ip protocol='tcp' x:match='no' comment='c'/>
        <ip comment='d'/>
      </rule></filter>";
    let rule = rule(xml);
    assert!(rule.state_match && !rule.conditions[0].negated);
    assert_eq!(parse(xml).unwrap().chain, ChainName::default());
    assert!(
        parse(&with("<filterref filter='g' comment='c'><parameter name='A' value='1' comment='c'/></filterref>"))
            .is_ok()
    );
}

#[test]
fn the_protocol_of_ports_may_stand_in_another_element() {
    for content in [
        "<ip protocol='tcp'/><ip match='no' dstportstart='80'/>",
        "<ipv6 match='no' srcportstart='1' srcportend='9'/><ipv6 protocol='33'/>",
        "<ipv6 match='no' type='1' code='2' codeend='2'/><ipv6 protocol='icmpv6'/>",
    ] {
        assert_eq!(rule(&ruled(content)).conditions.len(), 2, "{content}");
    }
}
