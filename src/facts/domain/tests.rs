//! Whole domains: as libvirt writes them, and as an attacker would like to.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// `virsh dumpxml` of a running guest, shortened where it is of no interest.
const RUNNING: &str = r#"<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>instance-0000002a</name>
  <uuid>C7A5FDBD-edaf-9455-926a-d65c16db1809</uuid>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>web &amp; &lt;db&gt;</nova:name>
      <nova:ports><nova:port uuid="a"><nova:ip type="fixed" address="10.100.0.11" ipVersion="4"/></nova:port></nova:ports>
    </nova:instance>
    <vg:guard xmlns:vg="urn:virt-guard:domain:1">
      <vg:group name="web"/>
      <vg:group name="monitoring"/>
    </vg:guard>
  </metadata>
  <memory unit='KiB'>1048576</memory>
  <vcpu placement='static'>1</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <source file='/var/lib/libvirt/images/web1.qcow2' index='1'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='52:54:00:12:34:56'/>
      <source bridge='br100'/>
      <target dev='vnet0'/>
      <model type='virtio'/>
      <filterref filter='clean-traffic'>
        <parameter name='IP' value='10.100.0.11'/>
        <parameter name='IP' value='10.100.0.12'/>
      </filterref>
      <alias name='net0'/>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </interface>
    <serial type='pty'><source path='/dev/pts/2'/><target type='isa-serial' port='0'/></serial>
    <interface type='network'>
      <mac address='52:54:00:65:43:21'/>
      <source network='default' portid='5d2f7bd6-5d3f-4b1c-8d86-4d2b2a3a5c21' bridge='virbr0'/>
      <target dev='vnet1'/>
      <model type='virtio'/>
    </interface>
    <interface type='direct'>
      <mac address='52:54:00:aa:bb:cc'/>
      <source network='lan' dev='eth1' mode='bridge'/>
      <target dev='macvtap0'/>
    </interface>
    <interface type='hostdev' managed='yes'>
      <mac address='52:54:00:6d:90:02'/>
      <source><address type='pci' domain='0x0000' bus='0x00' slot='0x07' function='0x0'/></source>
      <vlan><tag id='42'/></vlan>
    </interface>
  </devices>
  <qemu:commandline><qemu:arg value='-foo'/></qemu:commandline>
</domain>
"#;

/// A status file of libvirt's, shortened.
const STATUS: &str = r"<!--
WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE
OVERWRITTEN AND LOST.
-->

<domstatus state='running' reason='booted' pid='4711'>
  <taint flag='high-privileges'/>
  <monitor path='/var/lib/libvirt/qemu/domain-3-web1/monitor.sock' type='unix'/>
  <devices><device alias='net0'/></devices>
  <domain type='kvm' id='3'>
    <name>web1</name>
    <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
    <devices>
      <interface type='network'>
        <mac address='52:54:00:12:34:56'/>
        <source network='ovs-net'/>
        <actual type='bridge'>
          <source bridge='br0'/>
          <virtualport type='openvswitch'><parameters interfaceid='c7a5fdbd-edaf-9455-926a-d65c16db1809'/></virtualport>
        </actual>
        <target dev='vnet0'/>
      </interface>
    </devices>
  </domain>
</domstatus>
";

fn parse(xml: &str) -> Result<Domain, String> {
    Domain::parse(xml, "domain XML").map_err(|error| error.to_string())
}

/// A domain with `content` after its UUID.
fn with(content: &str) -> String {
    format!("<domain><name>d</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>{content}</domain>")
}

fn named(name: &str) -> String {
    with("").replace("<name>d</name>", &format!("<name>{}</name>", quick_xml::escape::escape(name)))
}

#[test]
fn a_running_guest_is_read_as_virsh_dumps_it() {
    let domain = parse(RUNNING).unwrap();
    assert_eq!(domain.name, "instance-0000002a");
    assert_eq!(domain.uuid.to_string(), "c7a5fdbd-edaf-9455-926a-d65c16db1809");
    let groups: Vec<_> = domain.metadata_groups.iter().map(|group| (group.value.as_str(), group.place.line)).collect();
    assert_eq!(groups, [("web", 10), ("monitoring", 11)]);
    let kinds: Vec<_> = domain.interfaces.iter().map(|nic| nic.kind).collect();
    use InterfaceKind::{Bridge, Direct, Hostdev, Network};
    assert_eq!(kinds, [Bridge, Network, Direct, Hostdev]);
    let [first, second, _, last] = &domain.interfaces[..] else { panic!("not four interfaces") };
    assert_eq!((first.target.clone(), first.place.line), (Some("vnet0".parse().unwrap()), 23));
    assert_eq!(first.filterref.as_ref().unwrap().parameters["IP"], ["10.100.0.11", "10.100.0.12"]);
    assert_eq!(first.bridge, Some("br100".parse().unwrap()));
    assert_eq!((second.network.as_deref(), second.bridge.clone()), (Some("default"), Some("virbr0".parse().unwrap())));
    assert_eq!(last.vlan.as_ref().unwrap().tags, [42]);
}

#[test]
fn a_status_file_says_what_libvirt_made_of_the_network() {
    let domain = parse(STATUS).unwrap();
    assert_eq!((domain.name.as_str(), domain.interfaces.len()), ("web1", 1));
    let nic = &domain.interfaces[0];
    assert_eq!((nic.kind, nic.virtualport.as_deref()), (InterfaceKind::Bridge, Some("openvswitch")));
    assert_eq!((nic.bridge.clone(), nic.place.line), (Some("br0".parse().unwrap()), 14));
}

#[test]
fn facts_survive_the_way_through_json() {
    for xml in [RUNNING, STATUS] {
        let domain = parse(xml).unwrap();
        let json = serde_json::to_string(&domain).unwrap();
        assert_eq!(serde_json::from_str::<Domain>(&json).unwrap(), domain, "{json}");
    }
}

#[test]
fn a_name_is_taken_verbatim_whatever_a_tenant_wrote() {
    let long = "é".repeat(200);
    for name in [
        "web 1",
        "\"; flush ruleset; \"",
        "$(id)`id`",
        "../../etc/passwd",
        "a\nb\tc",
        "'-- <x> &amp; ]]>",
        " padded ",
        "\u{202e}gnp.exe",
        "-rf",
        &long,
    ] {
        assert_eq!(parse(&named(name)).unwrap().name, name);
    }
}

#[test]
fn a_domain_without_a_clear_identity_is_refused() {
    let uuid = "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>";
    for (xml, expected) in [
        (named(""), "empty name"),
        (named(&"x".repeat(4097)), "longer than 4096 bytes"),
        (format!("<domain>{uuid}</domain>"), "<domain> without <name>"),
        (with("<name>other</name>"), "a second <name>"),
        (format!("<domain><name>a<b/></name>{uuid}</domain>"), "expected text only"),
        ("<domain><name>d</name></domain>".to_owned(), "<domain> without <uuid>"),
        (with(uuid), "a second <uuid>"),
        ("<domain><name>d</name><uuid>../../x</uuid></domain>".to_owned(), "invalid UUID \"../../x\""),
        ("<domstatus/>".to_owned(), "<domstatus> without <domain>"),
        (format!("<domstatus>{}{}</domstatus>", with(""), with("")), "a second <domain>"),
        ("<network/>".to_owned(), "expected <domain> or <domstatus>"),
        ("<domain xmlns='urn:x'/>".to_owned(), "expected <domain> or <domstatus>"),
        (with("<devices/>\n<devices/>"), "domain XML:2:1: a second <devices> in <domain>, expected one"),
        (with("<metadata/><metadata/>"), "a second <metadata>"),
        (with("<metadata><g:guard xmlns:g='urn:virt-guard:domain:1' off=''/></metadata>"), "unknown attribute \"off\""),
    ] {
        let error = parse(&xml).unwrap_err();
        assert!(error.contains(expected), "{xml}: {error}");
    }
}

#[test]
fn interfaces_count_only_as_devices_of_libvirts_own() {
    let nic = "<interface type='user'><mac address='52:54:00:00:00:01'/></interface>";
    let foreign = format!("<x:y xmlns:x='urn:x'>{nic}</x:y><disk>{nic}</disk>");
    let defaulted = nic.replacen("<interface", "<interface xmlns='urn:x'", 1);
    let domain = parse(&with(&format!("{nic}<devices>{foreign}{nic}<disk/>{nic}{defaulted}</devices>"))).unwrap();
    assert_eq!(domain.interfaces.len(), 2);
    assert_eq!(parse(&with("")).unwrap().interfaces, []);
}

#[test]
fn a_hostile_document_is_refused_before_a_hook_gets_slow() {
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 3000 } else { 100 });
    for xml in [
        with(&"<metadata>".repeat(1_000_000)),
        with(&format!("<devices>{}</devices>", "<interface type='user'/>".repeat(150_000))),
        with(&"x".repeat(10 << 20)),
        named(&"x".repeat(4_000_000)),
        RUNNING[..RUNNING.len() - 12].to_owned(),
    ] {
        let start = Instant::now();
        assert!(parse(&xml).is_err());
        assert!(start.elapsed() < bound, "{:?}", start.elapsed());
    }
}

#[test]
fn a_truncated_domain_is_refused_at_every_length() {
    for length in (0..STATUS.trim_end().len()).filter(|length| STATUS.is_char_boundary(*length)) {
        assert!(parse(&STATUS[..length]).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn no_mutation_of_a_domain_makes_it_panic(
        status in any::<bool>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..12_usize), 1..6),
    ) {
        let mut xml = if status { STATUS } else { RUNNING }.as_bytes().to_vec();
        for (index, byte, removed) in edits {
            let start = index.index(xml.len());
            let end = xml.len().min(start + removed);
            xml.splice(start..end, [byte]);
        }
        if let Ok(domain) = Domain::parse(&xml, "f") {
            prop_assert!(!domain.name.is_empty());
        }
    }

    #[test]
    fn every_name_that_xml_can_say_comes_back(name in "\\PC{1,50}") {
        prop_assert_eq!(parse(&named(&name)).unwrap().name, name);
    }
}

#[test]
fn a_status_file_says_what_libvirt_says_at_other_places() {
    let domain = "<domain><name>d</name><uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid><devices>\
                  <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br100'/>\
                  <filterref filter='clean-traffic'/></interface></devices></domain>";
    let parse = |text: String, file| Domain::parse(text, file).unwrap();
    let (told, written) =
        (parse(domain.to_owned(), "domain XML"), parse(format!("<domstatus>\n{domain}</domstatus>"), "d.xml"));
    assert!(told != written && told.says_what(&written));
    let other = parse(domain.replace("br100", "br200"), "domain XML");
    assert!(!told.says_what(&other));
}
