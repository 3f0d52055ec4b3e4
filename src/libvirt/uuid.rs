//! The XML of a filter with the UUID that libvirt knows it by.
//!
//! In: a definition's XML, which was read as a filter before. Out: the same with
//! another `<uuid>`. libvirt refuses a filter whose name it has under another one.

use std::io;

use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::QName;
use quick_xml::{Reader, Writer};

/// The filter with `uuid` in place of its own, if it has one.
pub(super) fn with_uuid(xml: &str, uuid: &str) -> Result<String, String> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut writer = Writer::new(Vec::new());
    // How deep the reader is, and whether that is within the filter's own UUID.
    let (mut depth, mut own) = (0, false);
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match &event {
            Event::Eof => break,
            Event::Start(start) => {
                own |= depth == 1 && start.name() == QName("uuid");
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            _ => {}
        }
        let (starts, ends) = (matches!(event, Event::Start(_)), matches!(event, Event::End(_)));
        if !own {
            writer.write_event(event).map_err(|error| error.to_string())?;
        }
        if starts && depth == 1 {
            put_uuid(&mut writer, uuid).map_err(|error| error.to_string())?;
        }
        own &= !(ends && depth == 1);
    }
    String::from_utf8(writer.into_inner()).map_err(|error| error.to_string())
}

fn put_uuid(writer: &mut Writer<Vec<u8>>, uuid: &str) -> io::Result<()> {
    writer.write_event(Event::Start(BytesStart::new("uuid")))?;
    writer.write_event(Event::Text(BytesText::new(uuid)))?;
    writer.write_event(Event::End(BytesEnd::new("uuid")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libvirts_uuid_stands_in_place_of_another_or_of_none() {
        for (xml, expected) in [
            ("<filter name='x'/>", "<filter name='x'><uuid>U</uuid></filter>"),
            (
                "<!-- c --><filter name='x'><rule/></filter>",
                "<!-- c --><filter name='x'><uuid>U</uuid><rule></rule></filter>",
            ),
            ("<filter name='x'> <uuid>old</uuid><a/></filter>", "<filter name='x'><uuid>U</uuid> <a></a></filter>"),
        ] {
            assert_eq!(with_uuid(xml, "U").unwrap(), expected);
        }
    }
}
