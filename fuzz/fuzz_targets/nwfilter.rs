//! Any bytes as the XML of a filter: an error or a filter, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use virt_guard::facts::nwfilter::Filter;

fuzz_target!(|xml: &[u8]| {
    if let Ok(filter) = Filter::parse(xml, "filter") {
        assert!(!filter.name.is_empty() && (-1000..=1000).contains(&filter.priority));
    }
});
