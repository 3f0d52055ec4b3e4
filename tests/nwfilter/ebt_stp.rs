//! A BPDU as the kernel's ebt_stp sees it.
//!
//! It takes the two bytes of the protocol identifier for one. So the version, which
//! is 0, is the type to it, and every field of a configuration is read one byte
//! before its place.

use virt_guard::model::Bpdu;
use virt_guard::net::Mac;

/// The fields as they are read one byte too early.
pub fn seen(bpdu: &Bpdu) -> Bpdu {
    // Of a topology change nothing follows the type, and a field finds nothing.
    let bytes = if bpdu.kind == 0 { bytes(bpdu) } else { vec![0xff; 31] };
    let short = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let mac = |at: usize| Mac::new(std::array::from_fn(|index| bytes[at + index]));
    Bpdu {
        kind: 0,
        flags: bytes[0],
        root: (short(1), mac(3)),
        root_cost: u32::from(short(9)) << 16 | u32::from(short(11)),
        sender: (short(13), mac(15)),
        port: short(21),
        times: [short(23), short(25), short(27), short(29)],
    }
}

/// What stands behind the version, in order.
fn bytes(bpdu: &Bpdu) -> Vec<u8> {
    let mut bytes = vec![bpdu.kind, bpdu.flags];
    for (priority, mac, rest) in
        [(bpdu.root.0, bpdu.root.1, bpdu.root_cost.to_be_bytes().to_vec()), (bpdu.sender.0, bpdu.sender.1, Vec::new())]
    {
        bytes.extend(priority.to_be_bytes());
        bytes.extend(mac.bytes());
        bytes.extend(rest);
    }
    bytes.extend(bpdu.port.to_be_bytes());
    bpdu.times.iter().for_each(|time| bytes.extend(time.to_be_bytes()));
    bytes
}
