//! libvirt's XML from standard input: all of it, or libvirt fails on a broken
//! pipe; not more than fits, and not longer than there is time.

use std::io::{self, Read};
use std::sync::mpsc::channel;
use std::thread;

use crate::facts::xml::MAX_BYTES;
use crate::kernel::Deadline;

/// Reads standard input to its end.
///
/// # Errors
/// It cannot be read, is larger than any domain, or does not end in time.
pub(super) fn read(deadline: Deadline) -> Result<Vec<u8>, String> {
    let (sender, receiver) = channel();
    // A thread, as a pipe that stays open and empty would hold us for ever.
    thread::spawn(move || sender.send(drain(io::stdin().lock())));
    receiver.recv_timeout(deadline.remaining()).map_err(|_| "standard input does not end".to_owned())?
}

/// Keeps what fits and reads on past it.
fn drain(mut input: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    input.by_ref().take(limit).read_to_end(&mut bytes).map_err(|error| format!("standard input: {error}"))?;
    if bytes.len() <= MAX_BYTES {
        return Ok(bytes);
    }
    io::copy(&mut input, &mut io::sink()).map_err(|error| format!("standard input: {error}"))?;
    Err(format!("domain XML: larger than {MAX_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_read_to_its_end_and_refused() {
        let mut input = io::repeat(b'x').take(3 * MAX_BYTES as u64);
        assert!(drain(&mut input).is_err());
        assert_eq!(input.limit(), 0);
    }
}
