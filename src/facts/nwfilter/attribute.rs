//! What a condition can look at: the attributes of a protocol's element.

use std::fmt;

/// Attributes and their spelling.
macro_rules! attributes {
    ($($(#[$meta:meta])* $variant:ident = $word:literal,)+) => {
        /// One field or property of a packet.
        ///
        /// Two of them may be spelled alike: `type` is one thing in `<stp>` and
        /// another in `<icmp>`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Attribute {
            $($(#[$meta])* $variant,)+
        }

        impl fmt::Display for Attribute {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }
    };
}

attributes! {
    /// Source of the frame.
    SrcMacAddr = "srcmacaddr",
    /// The bits of the source that count.
    SrcMacMask = "srcmacmask",
    /// Destination of the frame.
    DstMacAddr = "dstmacaddr",
    /// The bits of the destination that count.
    DstMacMask = "dstmacmask",
    /// The frame's EtherType.
    ProtocolId = "protocolid",
    /// The VLAN.
    VlanId = "vlanid",
    /// The EtherType behind the tag.
    EncapProtocol = "encap-protocol",
    /// Type of the spanning tree message.
    Type = "type",
    /// Flags of the spanning tree message.
    StpFlags = "flags",
    /// Priority of the root bridge.
    RootPriority = "root-priority",
    /// End of the range that begins with `root-priority`.
    RootPriorityHi = "root-priority-hi",
    /// Address of the root bridge.
    RootAddress = "root-address",
    /// The bits of it that count.
    RootAddressMask = "root-address-mask",
    /// Cost of the way to the root.
    RootCost = "root-cost",
    /// End of the range that begins with `root-cost`.
    RootCostHi = "root-cost-hi",
    /// Priority of the sending bridge.
    SenderPriority = "sender-priority",
    /// End of the range that begins with `sender-priority`.
    SenderPriorityHi = "sender-priority-hi",
    /// Address of the sending bridge.
    SenderAddress = "sender-address",
    /// The bits of it that count.
    SenderAddressMask = "sender-address-mask",
    /// Port of the sending bridge.
    Port = "port",
    /// End of the range that begins with `port`.
    PortHi = "port-hi",
    /// Age of the message.
    Age = "age",
    /// End of the range that begins with `age`.
    AgeHi = "age-hi",
    /// The age at which a message is void.
    MaxAge = "max-age",
    /// End of the range that begins with `max-age`.
    MaxAgeHi = "max-age-hi",
    /// Time between messages.
    HelloTime = "hello-time",
    /// End of the range that begins with `hello-time`.
    HelloTimeHi = "hello-time-hi",
    /// Time before a port forwards.
    ForwardDelay = "forward-delay",
    /// End of the range that begins with `forward-delay`.
    ForwardDelayHi = "forward-delay-hi",
    /// Hardware type of an ARP message.
    HwType = "hwtype",
    /// Protocol type of an ARP message.
    ProtocolType = "protocoltype",
    /// Operation of an ARP message.
    Opcode = "opcode",
    /// The sender's MAC address in an ARP message.
    ArpSrcMacAddr = "arpsrcmacaddr",
    /// The target's MAC address in an ARP message.
    ArpDstMacAddr = "arpdstmacaddr",
    /// The sender's IPv4 address in an ARP message.
    ArpSrcIpAddr = "arpsrcipaddr",
    /// The bits of it that count.
    ArpSrcIpMask = "arpsrcipmask",
    /// The target's IPv4 address in an ARP message.
    ArpDstIpAddr = "arpdstipaddr",
    /// The bits of it that count.
    ArpDstIpMask = "arpdstipmask",
    /// Whether sender and target of an ARP message are one address.
    Gratuitous = "gratuitous",
    /// Source of the packet.
    SrcIpAddr = "srcipaddr",
    /// The bits of the source that count.
    SrcIpMask = "srcipmask",
    /// Destination of the packet.
    DstIpAddr = "dstipaddr",
    /// The bits of the destination that count.
    DstIpMask = "dstipmask",
    /// The IP protocol, in the Ethernet layer.
    Protocol = "protocol",
    /// First address of a range of sources.
    SrcIpFrom = "srcipfrom",
    /// Last address of that range.
    SrcIpTo = "srcipto",
    /// First address of a range of destinations.
    DstIpFrom = "dstipfrom",
    /// Last address of that range.
    DstIpTo = "dstipto",
    /// First source port; the only one where no end is given.
    SrcPortStart = "srcportstart",
    /// Last source port.
    SrcPortEnd = "srcportend",
    /// First destination port; the only one where no end is given.
    DstPortStart = "dstportstart",
    /// Last destination port.
    DstPortEnd = "dstportend",
    /// Differentiated services code point.
    Dscp = "dscp",
    /// ICMP type; in `<ipv6>` the first of a range.
    IcmpType = "type",
    /// Last ICMP type.
    IcmpTypeEnd = "typeend",
    /// ICMP code; in `<ipv6>` the first of a range.
    IcmpCode = "code",
    /// Last ICMP code.
    IcmpCodeEnd = "codeend",
    /// The TCP flags that are looked at, and those of them that are set.
    TcpFlags = "flags",
    /// A TCP option that is there.
    TcpOption = "option",
    /// More connections than this from one source.
    ConnLimitAbove = "connlimit-above",
    /// States of the connection.
    State = "state",
    /// A set of ipset that holds the packet's addresses.
    IpSet = "ipset",
    /// Which of the packet's ends are looked up in the set; the source if not said.
    IpSetFlags = "ipsetflags",
    /// A remark, which no packet is compared with.
    Comment = "comment",
}
