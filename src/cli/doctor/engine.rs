//! Which engine holds the rules, and what the kernel lacks for the other.

use super::checkup::Checkup;
use super::finding::Finding;
use crate::cli::chain;
use crate::engine::EngineKind;

pub(super) fn check(checkup: &mut Checkup) -> Vec<Finding> {
    let Ok(policy) = &checkup.policy else { return Vec::new() };
    let lacks = checkup.host.capabilities().nftables_lacks;
    vec![match (checkup.host.engine(policy.engine), lacks) {
        (Err(error), _) => {
            let remedy =
                "set engine = \"auto\", or load what is missing: modprobe -a nf_conntrack_bridge nft_meta_bridge";
            Finding::error(chain(&error), remedy)
        }
        (Ok(engine), Some(lacks)) if engine.kind() == EngineKind::Iptables => {
            Finding::ok(format!("iptables, as nftables lacks: {lacks}"))
        }
        (Ok(engine), _) => Finding::ok(format!("{}; this kernel has what it needs", engine.kind())),
    }]
}
