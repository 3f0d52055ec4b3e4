//! The settings that are one word out of two or three.
//!
//! In: the word. Out: an enum that prints as that word; the error for any other
//! text lists the words. What a word does is not known here.

use crate::facts::keywords::keywords;

keywords! {
    /// The engine that is to hold the rules.
    EngineChoice is "engine" {
        /// nftables where the kernel can track connections on a bridge, else iptables.
        Auto = "auto",
        /// nftables or nothing.
        Nftables = "nftables",
        /// ebtables, iptables and ip6tables.
        Iptables = "iptables",
    }
}

keywords! {
    /// What happens on a port of a guarded bridge that is no guest's and no uplink.
    UnknownPorts is "unknown-ports" {
        /// Its frames are dropped in both directions.
        Drop = "drop",
        /// Its frames pass.
        Accept = "accept",
    }
}

keywords! {
    /// Whether a guest may send what only routers and servers should.
    Guard is "choice" {
        /// It may not.
        Drop = "drop",
        /// It may, as far as its other rules allow it.
        Accept = "accept",
    }
}

keywords! {
    /// What to do with groups that a domain carries in its own XML.
    MetadataGroups is "metadata-groups" {
        /// They are not looked at.
        Ignore = "ignore",
        /// They may restrict the guest further, never allow it more.
        Restrict = "restrict",
    }
}

keywords! {
    /// What to do with a packet that an nwfilter rejects, where no engine can answer.
    Reject is "reject" {
        /// The guest does not start.
        Refuse = "refuse",
        /// Every packet that is to be rejected is dropped without an answer.
        Drop = "drop",
    }
}

keywords! {
    /// What to do with an interface that policy applies to and no engine can guard.
    Unguardable is "unguardable" {
        /// The guest does not start.
        Refuse = "refuse",
        /// The guest starts, and `status` names the interface.
        Allow = "allow",
    }
}

keywords! {
    /// A layer in which a guest must use its own address.
    AntiSpoofing is "anti-spoofing" {
        /// The source of its Ethernet frames.
        Mac = "mac",
        /// The sender in its ARP messages.
        Arp = "arp",
        /// The source of its IP packets.
        Ip = "ip",
    }
}

keywords! {
    /// How the network learns that a floating IP is reached at this host.
    Announce is "announce" {
        /// The address is put on the interface.
        Address = "address",
        /// The host answers ARP and neighbour solicitations for it (proxy).
        Proxy = "proxy",
        /// It does not: a router sends it here.
        None = "none",
    }
}

keywords! {
    /// What becomes of a TCP or SCTP packet of no known connection that begins none.
    MidStream is "mid-stream" {
        /// It is dropped, so that a connection that was cut stays cut.
        Drop = "drop",
        /// The rules decide, as with the first packet of a connection.
        Accept = "accept",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_prints_as_it_is_read() {
        for word in ["auto", "nftables", "iptables"] {
            assert_eq!(word.parse::<EngineChoice>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn any_other_text_is_answered_with_the_choices() {
        let error = |text: &str| text.parse::<EngineChoice>().unwrap_err().to_string();
        assert_eq!(error("Auto"), r#"invalid engine "Auto", expected auto, nftables or iptables"#);
        let error = "".parse::<Guard>().unwrap_err().to_string();
        assert_eq!(error, r#"invalid choice "", expected drop or accept"#);
    }
}
