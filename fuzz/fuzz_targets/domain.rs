//! Any bytes as the XML of a domain: an error or a domain, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_guard::facts::Domain;

fuzz_target!(|xml: &[u8]| {
    if let Ok(domain) = Domain::parse(xml, "domain XML") {
        assert!(!domain.name.is_empty());
    }
});
