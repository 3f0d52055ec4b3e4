//! A short, stable number for a text: FNV-1a of 64 bits.
//!
//! It tells texts apart that nobody made up to be alike: names the host gave,
//! rules the kernel lists. It must not change from one version to the next, which
//! is why it is not the standard library's hasher.

/// The digest of `bytes`, continued from `seed`.
pub(crate) fn extend(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The digest of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    extend(EMPTY, bytes)
}

/// The digest of nothing, to be continued.
pub(crate) const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_test_vectors_hold() {
        assert_eq!(super::of(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(super::of(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
