//! What is said over a session: numbered records of eight bytes.

/// An end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who opened it.
    Near,
    /// Who was called.
    Far,
}

/// One of the records that an end sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Which session.
    pub session: usize,
    /// Whom it is for.
    pub to: Side,
    /// The how manieth this way, from 1.
    pub number: u32,
}

/// The length of a record.
pub const LENGTH: usize = 8;

impl Record {
    /// As it is sent.
    pub fn bytes(&self) -> [u8; LENGTH] {
        let session = u32::try_from(self.session).expect("few sessions") << 1 | u32::from(self.to == Side::Far);
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&session.to_be_bytes());
        bytes[4..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// The record that `bytes` begin with.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let session = word(0)?;
        let to = if session & 1 == 1 { Side::Far } else { Side::Near };
        Some(Self { session: (session >> 1) as usize, to, number: word(4)? })
    }
}
