//! What is refused, because libvirt would read past it and the filter would do
//! something else than it says.

use super::*;

/// The error that `xml` is refused with, which must be short and name a place.
fn refusal(xml: &str) -> String {
    let error = match parse(xml) {
        Err(error) => error,
        Ok(filter) => panic!("{xml} was accepted as {filter:?}"),
    };
    assert!(error.starts_with("f.xml:") && error.len() < 700 && !error.contains('\n'), "{error}");
    error
}

fn assert_refused(xml: &str, expected: &str) {
    let error = refusal(xml);
    assert!(error.contains(expected), "{xml}: {error}");
}

#[test]
fn what_is_no_filter_is_refused() {
    let uuid = "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>";
    for (xml, expected) in [
        ("<rule/>".to_owned(), "expected <filter>, in no namespace"),
        ("<filter xmlns='urn:x' name='f'/>".to_owned(), "expected <filter>, in no namespace"),
        ("<filter/>".to_owned(), "<filter> without attribute name"),
        ("<filter name=''/>".to_owned(), "<filter> without attribute name"),
        (
            "<filter name='f' Chain='mac'/>".to_owned(),
            "unknown attribute \"Chain\" of <filter>, expected name, chain or",
        ),
        ("<filter name='f' chain='tcp'/>".to_owned(), "invalid chain \"tcp\", expected root, or"),
        ("<filter name='f' chain=''/>".to_owned(), "invalid chain \"\""),
        ("<filter name='f' priority='1001'/>".to_owned(), "invalid priority \"1001\", expected a number from -1000"),
        ("<filter name='f' priority='x'/>".to_owned(), "invalid priority \"x\""),
        (with(&format!("{uuid}{uuid}")), "a second <uuid> in <filter>"),
        (with("<uuid>x</uuid>"), "invalid UUID \"x\""),
        (with("<uuid/>"), "invalid UUID"),
        (with("<uuid x=''/>"), "unknown attribute \"x\" of <uuid>, expected none"),
        (with("\n<Rule/>"), "f.xml:2:1: <Rule> in <filter>, expected <rule>, <filterref> or <uuid>"),
        (with("<x:rule xmlns:x='urn:x' action='drop' direction='in'/>"), "<rule> in <filter>, expected"),
        (with("action='drop'"), "text \"action='drop'\" in <filter>, expected none"),
        (format!("{}<filter name='g'/>", with("")), "a second root element"),
        (with(&format!("<{}/>", "x".repeat(10_000))), "in <filter>, expected <rule>"),
    ] {
        assert_refused(&xml, expected);
    }
}

#[test]
fn a_reference_holds_a_name_and_parameters_only() {
    for (content, expected) in [
        ("", "<filterref> without attribute filter"),
        ("filter='g' chain='x'", "unknown attribute \"chain\" of <filterref>, expected filter"),
        ("filter='g'><param name='A' value='1'/", "<param> in <filterref>, expected <parameter>"),
        ("filter='g'><parameter name='A' val='1'/", "unknown attribute \"val\" of <parameter>, expected name or value"),
        ("filter='g'><parameter name='A' value='1'>2</parameter", "text \"2\" in <parameter>"),
        ("filter='g'>A=1<parameter name='A' value='1'/", "text \"A=1\" in <filterref>"),
        ("filter='g'><parameter name='A-B' value='1'/", "letters, digits and '_'"),
    ] {
        let end = if content.contains('>') { "></filterref>" } else { "/>" };
        assert_refused(&with(&format!("<filterref {content}{end}")), expected);
    }
}

#[test]
fn a_rule_says_what_happens_and_which_way() {
    for (attributes, expected) in [
        ("direction='in'", "<rule> without attribute action"),
        ("action='drop'", "<rule> without attribute direction"),
        ("action='DROP' direction='in'", "invalid action \"DROP\", expected drop, accept, reject, return or continue"),
        ("action='drop' direction='both'", "invalid direction \"both\", expected in, out or inout"),
        ("action='drop' direction='in' priority='-1001'", "invalid priority \"-1001\""),
        ("action='drop' direction='in' priority='+1'", "invalid priority \"+1\""),
        ("action='drop' direction='in' priority='1.5'", "invalid priority \"1.5\""),
        ("action='drop' direction='in' priority='99999999999'", "invalid priority"),
        ("action='drop' direction='in' priorty='1'", "unknown attribute \"priorty\" of <rule>, expected action,"),
        ("action='drop' direction='in' statematch='no'", "invalid statematch \"no\", expected true, 1, false or 0"),
        ("action='drop' direction='in' statematch=''", "invalid statematch \"\""),
    ] {
        assert_refused(&with(&format!("<rule {attributes}/>")), expected);
    }
}

#[test]
fn the_elements_of_a_rule_are_of_one_known_protocol() {
    for (content, expected) in [
        ("<tpc/>", "invalid protocol \"tpc\", expected mac, vlan, stp,"),
        ("<none/>", "invalid protocol \"none\""),
        ("<IP/>", "invalid protocol \"IP\""),
        ("<ip/>\n<ipv6/>", "f.xml:2:1: <ipv6> in a rule of <ip>, expected one protocol in a rule"),
        ("<tcp/><tcp-ipv6/>", "<tcp-ipv6> in a rule of <tcp>"),
        ("<x:ip xmlns:x='urn:x'/>", "<ip> of a foreign namespace in <rule>"),
        ("<ip><tcp/></ip>", "an element in <ip>, expected none"),
        ("<ip>tcp</ip>", "text \"tcp\" in <ip>, expected none"),
        ("ip", "text \"ip\" in <rule>, expected none"),
    ] {
        assert_refused(&ruled(content), expected);
    }
}

#[test]
fn a_condition_is_spelled_as_its_protocol_has_it() {
    for (content, expected) in [
        ("<tcp dstport='80'/>", "unknown attribute \"dstport\" of <tcp>, expected srcmacaddr,"),
        ("<tcp DstPortStart='80'/>", "unknown attribute \"DstPortStart\""),
        ("<tcp match='No' dstportstart='80'/>", "invalid match \"No\", expected yes or no"),
        ("<tcp match='' dstportstart='80'/>", "invalid match \"\""),
        ("<tcp match='no'/>", "match='no' without an attribute that it negates"),
        ("<tcp match='no' comment='x'/>", "match='no' without an attribute that it negates"),
        ("<tcp-ipv6 flags='SYN/SYN'/>", "unknown attribute \"flags\" of <tcp-ipv6>"),
        ("<udplite dstportstart='1'/>", "unknown attribute \"dstportstart\""),
        ("<tcp protocol='tcp'/>", "unknown attribute \"protocol\""),
        ("<stp dstmacaddr='1:0:0:0:0:0'/>", "unknown attribute \"dstmacaddr\""),
        ("<tcp dstportstart='http'/>", "dstportstart: invalid number \"http\", expected a number from 0 to 65535"),
        ("<tcp dstportstart='$'/>", "dstportstart: invalid variable \"$\", expected $ and letters,"),
        ("<tcp dstportstart='$A B'/>", "invalid variable \"$A B\""),
        ("<tcp dstportstart=' $A'/>", "invalid number \" $A\""),
        ("<ip srcipaddr='fe80::1'/>", "srcipaddr: invalid IPv4 address \"fe80::1\""),
        ("<ipv6 srcipaddr='10.0.0.1'/>", "srcipaddr: invalid IPv6 address"),
    ] {
        assert_refused(&ruled(content), expected);
    }
}

#[test]
fn what_says_nothing_without_another_is_refused() {
    for (content, expected) in [
        ("<mac srcmacmask='ff:ff:ff:0:0:0'/>", "srcmacmask without srcmacaddr in the same element"),
        ("<mac dstmacmask='ff:ff:ff:0:0:0'/>", "dstmacmask without dstmacaddr"),
        ("<mac srcmacaddr='2:0:0:0:0:0'/><mac srcmacmask='ff:ff:ff:0:0:0'/>", "srcmacmask without srcmacaddr"),
        ("<arp arpsrcipmask='24'/>", "arpsrcipmask without arpsrcipaddr"),
        ("<arp arpdstipmask='24'/>", "arpdstipmask without arpdstipaddr"),
        ("<ip srcipmask='24'/>", "srcipmask without srcipaddr"),
        ("<ip srcipaddr='10.0.0.0' dstipmask='24'/>", "dstipmask without dstipaddr"),
        ("<all srcipto='10.0.0.9'/>", "srcipto without srcipfrom"),
        ("<all-ipv6 dstipto='fe80::9'/>", "dstipto without dstipfrom"),
        ("<udp srcportend='9'/>", "srcportend without srcportstart"),
        ("<udp dstportend='$END'/>", "dstportend without dstportstart"),
        ("<icmp code='1'/>", "code without type"),
        ("<ipv6 protocol='icmpv6' typeend='1'/>", "typeend without type"),
        ("<ipv6 protocol='icmpv6' type='1' codeend='1'/>", "codeend without code"),
        ("<tcp ipsetflags='src'/>", "ipsetflags without ipset"),
        ("<stp root-address-mask='ff:0:0:0:0:0'/>", "root-address-mask without root-address"),
        ("<stp sender-address-mask='ff:0:0:0:0:0'/>", "sender-address-mask without sender-address"),
        ("<stp root-cost-hi='1'/>", "root-cost-hi without root-cost"),
        ("<stp hello-time-hi='1'/>", "hello-time-hi without hello-time"),
        ("<tcp dstportstart='1'/><tcp match='no' dstportstart='2'/>", "dstportstart in two elements of one rule"),
    ] {
        assert_refused(&ruled(content), expected);
    }
}

#[test]
fn a_range_does_not_run_backwards() {
    for (content, expected) in [
        ("<tcp dstportstart='80' dstportend='0x4f'/>", "dstportend before dstportstart, expected a range"),
        (
            "<all srcipfrom='10.0.0.9' srcipto='10.0.0.10'/><all dstipfrom='9.0.0.0' dstipto='8.0.0.0'/>",
            "dstipto before",
        ),
        ("<all-ipv6 srcipfrom='fe80::2' srcipto='fe80::1'/>", "srcipto before srcipfrom"),
        ("<ipv6 protocol='icmpv6' type='2' typeend='1'/>", "typeend before type"),
        ("<ipv6 protocol='icmpv6' type='2' code='2' codeend='1'/>", "codeend before code"),
        ("<stp root-priority='2' root-priority-hi='1'/>", "root-priority-hi before root-priority"),
        ("<stp forward-delay='2' forward-delay-hi='1'/>", "forward-delay-hi before forward-delay"),
    ] {
        assert_refused(&ruled(content), expected);
    }
    let unknown = ruled("<tcp dstportstart='80' dstportend='$END'/>");
    assert!(parse(&unknown).is_ok(), "nobody knows yet that it runs backwards");
}

#[test]
fn ports_and_icmp_types_are_of_protocols_that_have_them() {
    for (content, expected) in [
        ("<ip dstportstart='80'/>", "dstportstart in a rule without protocol, expected tcp, udp, sctp or 33"),
        ("<ip protocol='icmp' srcportstart='80'/>", "srcportstart in a rule without protocol, expected tcp,"),
        ("<ip protocol='$P' dstportstart='80'/>", "dstportstart in a rule without protocol"),
        ("<ip match='no' protocol='tcp' dstportstart='80'/>", "dstportstart in a rule without protocol"),
        ("<ip protocol='tcp'/><ip dstportend='80'/>", "dstportend without dstportstart"),
        ("<ipv6 type='1'/>", "type in a rule without protocol, expected icmpv6"),
        ("<ipv6 protocol='tcp' type='1'/>", "type in a rule without protocol, expected icmpv6"),
    ] {
        assert_refused(&ruled(content), expected);
    }
}

#[test]
fn what_is_no_value_of_its_kind_is_refused() {
    for (kind, texts) in [
        (Kind::U8, &["256", "0x100", "", "0x", "-1", "+1", " 1", "1 ", "1.0", "f", "1e1", "0x+1", "\u{663}"][..]),
        (Kind::U16, &["65536", "0x10000", "8o", "80a"]),
        (Kind::U32, &["4294967296", "0x100000000"]),
        (Kind::EtherType, &["0x5ff", "1535", "ip", "0x10000", "qinq"]),
        (Kind::VlanId, &["4096", "0x1000", "-1"]),
        (Kind::EncapProtocol, &["0x3b", "59", "65536"]),
        (Kind::IpProtocol, &["256", "any", "tcp-ipv6", "6,17"]),
        (Kind::ArpOperation, &["65536", "Ask", ""]),
        (Kind::Mac, &["", "52:54:00:12:34", "52-54-00-12-34-56"]),
        (Kind::MacMask, &["ff:00:ff:00:00:00", "00:00:00:00:00:01", "7f:ff:ff:ff:ff:ff", "24"]),
        (Kind::Ipv4, &["", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.1/8", "::1", "10.0.0.1,10.0.0.2"]),
        (Kind::Ipv4Mask, &["33", "-1", "255.0.255.0", "0.0.0.255", "/24", ""]),
        (Kind::Ipv6, &["", "10.0.0.1", "fe80::1%eth0", "fe80::/10", ":"]),
        (Kind::Ipv6Mask, &["129", "::ffff", "ffff::1", "255.0.0.0", ""]),
        (Kind::Dscp, &["64", "0x40", "EF"]),
        (
            Kind::TcpFlags,
            &["SYN", "", "/", "SYN/", "/SYN", "SYN,ACK", "SYN/ACK", "SYNACK/SYN", "SYN/SYN/SYN", "NONE/SYN"],
        ),
        (Kind::SetName, &["", "a b", "-a", "a/b", "a\"", "abcdefghijklmnopqrstuvwxyz012345"]),
        (Kind::SetFlags, &["", "src,", "source", "src dst", "src,src,src,src,src,src,src"]),
        (Kind::States, &["", ",", "NEW,", "NEW,NONE", "NEW ESTABLISHED", "UNTRACKED"]),
        (Kind::Bool, &["", "TRUE", "on", "off", "2"]),
    ] {
        for text in texts {
            let error = kind.parse(text).expect_err(text).to_string();
            assert!(error.starts_with("invalid ") && error.contains(", expected "), "{error}");
        }
    }
}
