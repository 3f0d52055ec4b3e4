//! What the reader takes, what it refuses, and how long it takes to refuse.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn read(xml: &str) -> Result<Element, FactError> {
    parse(xml.as_bytes(), "domain XML")
}

/// The error that `xml` is refused with, in less time than a hook may take.
fn refusal(xml: &[u8]) -> String {
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 3000 } else { 100 });
    let start = Instant::now();
    let error = parse(xml, "domain XML").expect_err("was accepted").to_string();
    assert!(start.elapsed() < bound, "{:?} for {error}", start.elapsed());
    assert!(error.len() < 400 && !error.contains('\n'), "{error:?}");
    error
}

#[test]
fn a_document_becomes_a_tree_with_places() {
    let root =
        read("<?xml version='1.0' encoding='UTF-8'?>\n<!-- é -->\n<a x='1'>\n  é<b/>\n  <b y=\"2\">t</b>u</a>\n")
            .unwrap();
    assert_eq!((root.name.as_str(), root.attribute("x")), ("a", Some("1")));
    assert_eq!(root.text, "\n  é\n  u");
    let second = root.children_named("b").nth(1).unwrap();
    assert_eq!((second.text.as_str(), second.attribute("y")), ("t", Some("2")));
    assert_eq!(root.place().to_string(), "domain XML:3:1");
    assert_eq!(root.child("b").unwrap().place().to_string(), "domain XML:4:4");
    assert_eq!(second.place().to_string(), "domain XML:5:3");
}

#[test]
fn references_cdata_comments_and_instructions_are_read_as_xml_says() {
    let root =
        read("\u{feff}<a v='&lt;&#10;\n&quot;'>x&amp;<!-- no -->&#x41;<?pi no?><![CDATA[<&lt;]]>\r\n&gt;</a>").unwrap();
    assert_eq!(root.text, "x&A<&lt;\n>");
    assert_eq!(root.attribute("v"), Some("<\n \""));
}

#[test]
fn foreign_namespaces_are_never_taken_for_libvirts() {
    let root = read(
        "<a xmlns:f='urn:f' f:x='1'><f:b/><b xmlns='urn:f'><b xmlns=''/></b><g:b xmlns:g='urn:&#x66;'/><b y='1'/></a>",
    )
    .unwrap();
    assert_eq!(root.attribute("x"), None);
    assert_eq!(root.attribute("f:x"), Some("1"));
    assert_eq!(root.children_named("b").count(), 1);
    assert_eq!(root.only_child("b").unwrap().unwrap().attribute("y"), Some("1"));
    let namespaces: Vec<_> = root.children.iter().map(|child| child.namespace.as_deref()).collect();
    assert_eq!(namespaces, [Some("urn:f"), Some("urn:f"), Some("urn:f"), None]);
    assert!(root.children[1].children[0].is("b"));
}

#[test]
fn what_is_not_well_formed_is_refused_where_it_stands() {
    for (xml, expected) in [
        ("", "1:1: a document without an element"),
        ("<!-- only -->", "without an element"),
        ("<a>\n<b></a>", "2:4: "),
        ("<a>\n<b>", "2:4: end of the document within <b>"),
        ("<a></a></a>", "1:8: "),
        ("<a/>\n<b/>", "2:1: a second root element"),
        ("<a/>x", "text outside of the root element"),
        ("x<a/>", "text outside of the root element"),
        ("<a/>&lt;", "text outside of the root element"),
        ("<a x='1' x='2'/>", "duplicate"),
        ("<a x=1/>", "1:1: "),
        ("<a x/>", "1:1: "),
        ("<a x='<'/>", "'<' in the value"),
        ("<a>&nbsp;</a>", "1:4: unknown entity &nbsp;"),
        ("<a x='&nbsp;'/>", "nbsp"),
        ("<a>& b</a>", "1:4: "),
        ("<a>&#0;</a>", "1:4: "),
        ("<a>&#1;</a>", "U+0001"),
        ("<a x='&#1;'/>", "U+0001"),
        ("<a>&#xd800;</a>", "1:4: "),
        ("<a>\n\0</a>", "2:1: character U+0000"),
        ("<a>\u{1b}</a>", "U+001B"),
        ("<f:a/>", "undeclared prefix \"f\""),
        ("<a f:x='1'/>", "undeclared prefix \"f\""),
        ("<a:b:c xmlns:a='urn:a'/>", "invalid name"),
        ("<1a/>", "invalid name"),
        ("<>x</>", "invalid name"),
        ("<a$b/>", "invalid name"),
        ("<!DOCTYPE a><a/>", "1:1: a DOCTYPE"),
        (" <?xml version='1.0'?><a/>", "1:2: XML declaration"),
        ("<?xml version='1.1'?><a/>", "XML declaration"),
        ("<?xml version='1.0' encoding='latin1'?><a/>", "XML declaration"),
        ("<a><!-- x", "1:4: "),
        ("<a><![CDATA[ x", "1:4: "),
        ("<a x='", "1:1: "),
    ] {
        let error = refusal(xml.as_bytes());
        assert!(error.starts_with("domain XML:") && error.contains(expected), "{xml:?}: {error}");
    }
    assert!(refusal(b"<a>\nx\xff</a>").contains("2:2: not UTF-8"));
    assert!(refusal(b"\xff\xfe<\0a\0/\0>\0").contains("1:1: not UTF-8"));
}

#[test]
fn a_truncated_document_is_refused_at_every_length() {
    let xml = "<a x='1'><!-- c --><b>t&amp;</b><![CDATA[x]]><c/></a>";
    for length in 0..xml.len() {
        assert!(read(&xml[..length]).is_err(), "{}", &xml[..length]);
    }
    assert!(read(xml).is_ok());
}

#[test]
fn huge_documents_are_refused_at_once() {
    let million = 1_000_000;
    assert!(refusal(format!("<a>{}</a>", "x".repeat(10 << 20)).as_bytes()).contains("at most 4194304"));
    assert!(refusal("<a>".repeat(million).as_bytes()).contains("deeper than 64"));
    assert!(refusal(format!("<a>{}</a>", "<b/>".repeat(million)).as_bytes()).contains("more than 100000 elements"));
    let attributes: String = (0..million).map(|number| format!(" a{number}=''")).collect();
    assert!(refusal(format!("<a{attributes}/>").as_bytes()).contains("at most 4194304"));
    let fewer = &attributes[..attributes[..MAX_BYTES - 100].rfind(' ').unwrap()];
    assert!(refusal(format!("<a{fewer}/>").as_bytes()).contains("more than 64 attributes"));
    let bindings: String = (0..200_000).map(|number| format!(" xmlns:a{number}='u'")).collect();
    refusal(format!("<a{bindings}/>").as_bytes());
    refusal("<a><".repeat(million).as_bytes());
    refusal(format!("<a>{}", "&amp;".repeat(800_000)).as_bytes());
    refusal(format!("<a x='{}", "\n".repeat(4_000_000)).as_bytes());
    refusal(format!("<a><{}", "b".repeat(4_000_000)).as_bytes());
    refusal(format!("<a></{}>", "\n".repeat(4_000_000)).as_bytes());
}

#[test]
fn a_long_namespace_is_not_copied_into_a_hundred_thousand_elements() {
    let long = "u".repeat(2 << 20);
    assert!(refusal(format!("<a:a xmlns:a='{long}'>{}</a:a>", "<a:b/>".repeat(90_000)).as_bytes()).contains("256"));
}

#[test]
fn a_billion_laughs_are_not_laughed() {
    let mut xml = String::from("<!DOCTYPE lolz [<!ENTITY lol0 'lol'>");
    for level in 1..10 {
        xml += &format!("<!ENTITY lol{level} '{}'>", format!("&lol{};", level - 1).repeat(10));
    }
    assert!(refusal(format!("{xml}]><a>&lol9;</a>").as_bytes()).contains("a DOCTYPE"));
    assert!(refusal(b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>").contains("a DOCTYPE"));
}

#[test]
fn the_largest_document_allowed_is_read_in_linear_time() {
    let xml = format!("<a>{}</a>", "<b>12345678901234567890123456789012</b>".repeat(99_999));
    let start = Instant::now();
    assert_eq!(read(&xml).unwrap().children.len(), 99_999);
    assert!(start.elapsed() < Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 }));
    let deep = format!("{}{}", "<a>".repeat(MAX_DEPTH), "</a>".repeat(MAX_DEPTH));
    assert!(read(&deep).is_ok());
}

#[test]
fn a_second_element_where_one_is_expected_is_an_error_at_the_second() {
    let root = read("<a>\n<b/>\n<b/></a>").unwrap();
    assert_eq!(root.only_child("b").unwrap_err().to_string(), "domain XML:3:1: a second <b> in <a>, expected one");
    assert_eq!(root.required_child("c").unwrap_err().to_string(), "domain XML:1:1: <a> without <c>");
    assert!(root.only_text().is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, "f");
    }

    #[test]
    fn no_markup_makes_it_panic(xml in "([<>/!?&;:'\"= \\]\\[#x-]|xmlns|CDATA|<a>|</a>|é|\n){0,60}") {
        let _ = parse(xml.as_bytes(), "f");
    }
}
