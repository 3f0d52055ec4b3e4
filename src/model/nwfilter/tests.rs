//! Filters compiled, and what their walls say of packets: each test is a sentence
//! of libvirt's documentation or a measurement of its driver.

use std::fs;
use std::path::Path;

use super::*;
use crate::facts::Place;
use crate::model::evaluate::{Decision, Members, evaluate};
use crate::model::packet::{Arp, ArpAddresses, ConnState, Head, IpPacket, Packet, Payload, Transport, Vlan};
use crate::net::Protocol;

const MAC: &str = "52:54:00:00:00:07";

/// Filters, each by its content; the first is the one that the interface names.
fn compiled(filters: &[(&str, &str)], parameters: &[(&str, &str)]) -> Result<FilterWalls, String> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/libvirt/nwfilter");
    fs::create_dir_all(&folder).unwrap();
    for (name, content) in filters {
        let (attributes, content) = content.split_once('|').unwrap_or(("", content));
        let xml = format!("<filter name='{name}' {attributes}>\n{content}</filter>");
        fs::write(folder.join(format!("{name}.xml")), xml).unwrap();
    }
    compile_in(root.path(), filters[0].0, parameters)
}

fn compile_in(root: &Path, name: &str, parameters: &[(&str, &str)]) -> Result<FilterWalls, String> {
    let mut reference = FilterRef {
        filter: name.to_owned(),
        parameters: Values::new(),
        place: Place { file: "domain XML".into(), line: 9, column: 1 },
    };
    for (name, value) in parameters {
        reference.parameters.entry((*name).to_owned()).or_default().push((*value).to_owned());
    }
    let filters = Filters { library: &Library::new(root), references: &[reference] };
    compile_filters(&filters, MAC.parse().unwrap(), &[], Verdict::Reject).map_err(|error| error.to_string())
}

fn one(content: &str) -> FilterWalls {
    compiled(&[("f", content)], &[]).unwrap()
}

fn decide(compiled: &FilterWalls, direction: Direction, packet: &Packet) -> Decision {
    evaluate(&compiled.walls, &Members::default(), direction, packet)
}

fn passes(compiled: &FilterWalls, direction: Direction, packet: &Packet) -> bool {
    decide(compiled, direction, packet).verdict == Verdict::Accept
}

fn frame(payload: Payload) -> Packet {
    Packet {
        source_mac: MAC.parse().unwrap(),
        destination_mac: "52:54:00:00:00:99".parse().unwrap(),
        payload,
        state: ConnState::New,
        is_reply: false,
        connections: 1,
    }
}

fn tcp(source: (&str, u16), destination: (&str, u16)) -> Packet {
    frame(Payload::Ip(IpPacket {
        source: source.0.parse().unwrap(),
        destination: destination.0.parse().unwrap(),
        transport: Transport::Ports {
            protocol: Protocol::TCP,
            source: source.1,
            destination: destination.1,
            head: Head::opening(Protocol::TCP),
        },
        dscp: 0,
        extension_headers: false,
    }))
}

fn in_state(mut packet: Packet, state: ConnState, is_reply: bool) -> Packet {
    (packet.state, packet.is_reply) = (state, is_reply);
    packet
}

fn arp(sender: &str) -> Packet {
    let addresses = ArpAddresses {
        sender_mac: MAC.parse().unwrap(),
        sender_ip: sender.parse().unwrap(),
        target_mac: Mac::new([0; 6]),
        target_ip: "10.0.0.9".parse().unwrap(),
    };
    frame(Payload::Arp(Arp { hardware: 1, protocol: 0x0800, operation: 1, addresses: Some(addresses) }))
}

const GUEST: (&str, u16) = ("10.0.0.1", 40000);
const WEB: (&str, u16) = ("10.0.0.2", 80);

#[test]
fn what_is_accepted_out_lets_its_answers_in_and_nothing_else() {
    let filter = one("<rule action='accept' direction='out'><tcp dstportstart='80'/></rule>\
         <rule action='drop' direction='inout' priority='1000'><all/></rule>");
    let answer = tcp(WEB, GUEST);
    assert!(passes(&filter, Direction::Out, &tcp(GUEST, WEB)));
    assert!(passes(&filter, Direction::In, &in_state(answer, ConnState::Established, true)));
    assert!(!passes(&filter, Direction::In, &answer));
    assert!(!passes(&filter, Direction::In, &in_state(answer, ConnState::Established, false)), "not its connection");
}

#[test]
fn a_drop_of_one_direction_is_mirrored_without_a_state() {
    let filter = one("<rule action='drop' direction='out'><tcp dstportstart='80'/></rule>");
    assert!(!passes(&filter, Direction::Out, &tcp(GUEST, WEB)));
    assert!(!passes(&filter, Direction::In, &in_state(tcp(WEB, GUEST), ConnState::Established, true)));
    assert!(passes(&filter, Direction::In, &tcp(GUEST, WEB)));
}

#[test]
fn a_named_state_is_asked_for_in_one_direction_only() {
    let filter = one("<rule action='accept' direction='out'><tcp state='ESTABLISHED'/></rule>\
         <rule action='drop' direction='inout' priority='1000'><all/></rule>");
    assert!(passes(&filter, Direction::Out, &in_state(tcp(GUEST, WEB), ConnState::Established, true)));
    assert!(!passes(&filter, Direction::Out, &tcp(GUEST, WEB)));
    assert!(!passes(&filter, Direction::In, &in_state(tcp(WEB, GUEST), ConnState::Established, true)));
}

#[test]
fn an_accept_of_frames_does_not_end_the_ip_layer() {
    let filter = one("<rule action='accept' direction='out' priority='1'><ip/></rule>\
         <rule action='drop' direction='out' priority='2'><tcp/></rule>");
    let decision = decide(&filter, Direction::Out, &tcp(GUEST, WEB));
    assert_eq!((decision.verdict, decision.layer), (Verdict::Drop, Some(crate::model::Layer::Ip)));
    assert_eq!(decision.origin.place.unwrap().file, "/etc/libvirt/nwfilter/f.xml");
}

#[test]
fn a_list_of_addresses_is_return_for_each_then_drop() {
    let filters = [
        ("f", "chain='root'|<filterref filter='pin'/><rule action='drop' direction='out' priority='500'><arp/></rule>"),
        (
            "pin",
            "chain='arp-pin'|<rule action='return' direction='out'><arp arpsrcipaddr='$IP'/></rule>\
             <rule action='drop' direction='out' priority='1000'/>",
        ),
    ];
    let filter = compiled(&filters, &[("IP", "10.0.0.1"), ("IP", "10.0.0.2")]).unwrap();
    // The chain returns both, so that the root's own rule decides.
    let by_root = decide(&filter, Direction::Out, &arp("10.0.0.2"));
    assert!(by_root.origin.label.ends_with("nwfilter f"), "{:?}", by_root.origin);
    let by_chain = decide(&filter, Direction::Out, &arp("10.0.0.3"));
    assert!(by_chain.origin.label.ends_with("nwfilter pin"), "{:?}", by_chain.origin);
}

#[test]
fn an_accept_within_a_chain_ends_the_layer() {
    let filters = [
        ("f", "chain='root'|<filterref filter='a'/><rule action='drop' direction='inout' priority='500'/>"),
        ("a", "chain='arp'|<rule action='accept' direction='out'><arp/></rule>"),
    ];
    let filter = compiled(&filters, &[]).unwrap();
    assert!(passes(&filter, Direction::Out, &arp("10.0.0.1")));
    assert!(!passes(&filter, Direction::In, &arp("10.0.0.1")), "the chain has no rule in this direction");
}

#[test]
fn chains_and_rules_of_the_root_interleave_by_priority() {
    let filters = |priority: &str| {
        let root = format!(
            "chain='root'|<filterref filter='a'/><rule action='accept' direction='out' priority='{priority}'/>"
        );
        let a = "chain='arp' priority='-500'|<rule action='drop' direction='out'/>".to_owned();
        compiled(&[("f", root.as_str()), ("a", a.as_str())], &[]).unwrap()
    };
    assert!(passes(&filters("-501"), Direction::Out, &arp("10.0.0.1")));
    assert!(!passes(&filters("-500"), Direction::Out, &arp("10.0.0.1")), "a chain comes before a rule of its priority");
}

#[test]
fn the_outer_value_of_a_variable_wins() {
    let filters = [
        ("f", "<filterref filter='g'><parameter name='PORT' value='22'/></filterref>"),
        ("g", "<rule action='drop' direction='in'><tcp dstportstart='$PORT'/></rule>"),
    ];
    let inner = compiled(&filters, &[]).unwrap();
    assert!(!passes(&inner, Direction::In, &tcp(WEB, ("10.0.0.1", 22))));
    let outer = compiled(&filters, &[("PORT", "23")]).unwrap();
    assert!(passes(&outer, Direction::In, &tcp(WEB, ("10.0.0.1", 22))));
    assert!(!passes(&outer, Direction::In, &tcp(WEB, ("10.0.0.1", 23))));
}

#[test]
fn iterators_advance_together_or_each_with_each() {
    let rule = |ports: &str| {
        format!("<rule action='drop' direction='in'><tcp srcipaddr='$A[@1]' dstportstart='$B[{ports}]'/></rule>")
    };
    let values = [("A", "10.0.0.2"), ("A", "10.0.0.3"), ("B", "1"), ("B", "2")];
    let packet = tcp(WEB, ("10.0.0.1", 2));
    let together = compiled(&[("f", &rule("@1"))], &values).unwrap();
    assert!(passes(&together, Direction::In, &packet));
    let crossed = compiled(&[("f", &rule("@2"))], &values).unwrap();
    assert!(!passes(&crossed, Direction::In, &packet));
    let error = compiled(&[("f", &rule("@1"))], &values[..3]).unwrap_err();
    assert!(error.contains("/f.xml:2:") && error.contains("2 and 1 values (filter f)"), "{error}");
}

#[test]
fn only_dhcp_passes_until_the_address_is_known() {
    let filter = [("f", "<rule action='drop' direction='out'><ip match='no' srcipaddr='$IP'/></rule>")];
    let closed = compiled(&filter, &[]).unwrap();
    assert!(closed.waits_for_address);
    assert!(!passes(&closed, Direction::Out, &tcp(GUEST, WEB)));
    assert!(!passes(&closed, Direction::Out, &arp("10.0.0.1")));
    let known = compiled(&filter, &[("IP", "10.0.0.1")]).unwrap();
    assert!(passes(&known, Direction::Out, &tcp(GUEST, WEB)));
}

#[test]
fn what_cannot_be_resolved_is_said_with_line_and_path() {
    let drop = "<rule action='drop' direction='in'><tcp dstportstart='$PORT'/></rule>";
    for (filters, parameters, expected) in [
        (vec![("f", "<filterref filter='g'/>")], vec![], "f.xml:2:1: unknown filter \"g\""),
        (
            vec![("f", "<filterref filter='g'/>"), ("g", "<filterref filter='f'/>")],
            vec![],
            "g.xml:2:1: a filter refers to itself: f → g → f",
        ),
        (vec![("f", drop)], vec![], "f.xml:2:1: no value for variable $PORT (filter f)"),
        (vec![("f", drop)], vec![("PORT", "x")], "dstportstart = $PORT: invalid number \"x\""),
        (vec![("f", "<filterref filter='../f'/>")], vec![], "f.xml:2:1: filter \"../f\""),
    ] {
        let error = compiled(&filters, &parameters).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_tagged_frame_passes_only_by_a_rule_about_vlans() {
    let tagged = frame(Payload::Vlan(Vlan { id: 5, encapsulated: 0x0800 }));
    let all = one("<rule action='accept' direction='inout'><mac/></rule>");
    assert!(all.tagged.is_empty());
    let some = one("<rule action='accept' direction='out'><vlan vlanid='5'/></rule>");
    assert_eq!(some.tagged.len(), 1);
    assert!(passes(&some, Direction::Out, &tagged));
}
