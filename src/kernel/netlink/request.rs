//! What is asked: a message with its attributes, as bytes.

use super::{ATTRIBUTE, HEADER, NLM_F_REQUEST, aligned};

/// An attribute that holds others says so in its type (linux/netlink.h).
const NLA_F_NESTED: u16 = 0x8000;

/// A request: a message type, a fixed header, attributes.
#[derive(Debug, Clone)]
pub(in crate::kernel) struct Request {
    kind: u16,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(in crate::kernel) fn new(kind: u16, header: &[u8]) -> Self {
        Self { kind, body: header.to_vec() }
    }

    /// Adds an attribute that is a text, with the zero that ends it.
    pub(in crate::kernel) fn text(self, kind: u16, value: &str) -> Self {
        self.raw(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds an attribute of these bytes.
    pub(in crate::kernel) fn raw(self, kind: u16, value: &[u8]) -> Self {
        self.attribute(kind, |mut request| {
            request.body.extend(value);
            request
        })
    }

    /// Adds an attribute that holds those which `fill` adds.
    pub(in crate::kernel) fn nested(self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        self.attribute(kind | NLA_F_NESTED, fill)
    }

    fn attribute(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let begin = self.body.len();
        self.body.resize(begin + ATTRIBUTE, 0);
        let mut filled = fill(self);
        let end = filled.body.len();
        let head = [((end - begin) as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        filled.body.splice(begin..begin + ATTRIBUTE, head);
        filled.body.resize(begin + aligned(end - begin), 0);
        filled
    }

    /// The message; `sequence` is the number that its acknowledgement repeats.
    pub(super) fn bytes(&self, flags: u16, sequence: u32) -> Vec<u8> {
        let length = (HEADER + self.body.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        // The port stays zero: the kernel knows whose socket it is.
        bytes.resize(HEADER, 0);
        bytes.extend(&self.body);
        bytes
    }

    /// The header and the attributes behind it, to be put into another request.
    pub(in crate::kernel) fn body(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::super::{attribute, attributes, text};
    use super::*;

    #[test]
    fn attributes_are_padded_and_found_again() {
        let request = Request::new(20, &[]).text(1, "abc").text(2, "defgh").raw(3, &[7]);
        let found: Vec<_> = attributes(request.body()).map(|(kind, value)| (kind, text(value))).collect();
        assert_eq!(found, [(1, "abc".to_owned()), (2, "defgh".to_owned()), (3, "\u{7}".to_owned())]);
        assert_eq!(request.body().len(), 8 + 12 + 8);
    }

    #[test]
    fn attributes_hold_attributes() {
        let request = Request::new(20, &[]).nested(1, |outer| outer.nested(2, |inner| inner.raw(3, &[7, 8, 9])));
        let request = request.raw(4, &[]);
        assert_eq!(request.body()[2..4], (1 | NLA_F_NESTED).to_ne_bytes());
        let inner = attribute(attribute(request.body(), 1).unwrap(), 2).unwrap();
        assert_eq!(attributes(inner).collect::<Vec<_>>(), [(3, &[7, 8, 9][..])]);
        assert_eq!(attribute(request.body(), 4), Some(&[][..]));
    }
}
