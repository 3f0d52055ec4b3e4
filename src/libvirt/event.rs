//! What happened to a guest, in libvirt's words.
//!
//! In: the numbers that libvirt's callbacks carry. Out: a closed list. Nothing
//! here asks libvirt anything.

use std::fmt;

use virt::sys;

/// What happened to a guest. Printed as `virsh event` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestEvent {
    /// It runs now: booted, restored, or came from another host.
    Started,
    /// Its processors run again.
    Resumed,
    /// Its QEMU is gone.
    Stopped,
    /// It starts over within the same QEMU: `virsh reboot`, `virsh reset`, or by itself.
    Rebooted,
    /// It got a device while it ran.
    DeviceAdded,
    /// It gave a device back.
    DeviceRemoved,
    /// Something that changes no port: what libvirt calls it.
    Other(&'static str),
}

impl GuestEvent {
    /// What a lifecycle event of this number is (`virDomainEventType`,
    /// libvirt's include/libvirt/libvirt-domain.h).
    pub(super) fn lifecycle(number: i32) -> Self {
        match u32::try_from(number).unwrap_or(u32::MAX) {
            sys::VIR_DOMAIN_EVENT_STARTED => Self::Started,
            sys::VIR_DOMAIN_EVENT_RESUMED => Self::Resumed,
            sys::VIR_DOMAIN_EVENT_STOPPED => Self::Stopped,
            sys::VIR_DOMAIN_EVENT_DEFINED => Self::Other("Defined"),
            sys::VIR_DOMAIN_EVENT_UNDEFINED => Self::Other("Undefined"),
            sys::VIR_DOMAIN_EVENT_SUSPENDED => Self::Other("Suspended"),
            sys::VIR_DOMAIN_EVENT_SHUTDOWN => Self::Other("Shutdown"),
            sys::VIR_DOMAIN_EVENT_PMSUSPENDED => Self::Other("PMSuspended"),
            sys::VIR_DOMAIN_EVENT_CRASHED => Self::Other("Crashed"),
            _ => Self::Other("unknown"),
        }
    }
}

impl fmt::Display for GuestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Started => "Started",
            Self::Resumed => "Resumed",
            Self::Stopped => "Stopped",
            Self::Rebooted => "reboot",
            Self::DeviceAdded => "device-added",
            Self::DeviceRemoved => "device-removed",
            Self::Other(word) => word,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_libvirt_tells_is_not_taken_for_something_else() {
        for number in [-1, 9, i32::MAX] {
            assert_eq!(GuestEvent::lifecycle(number), GuestEvent::Other("unknown"));
        }
        assert_eq!(GuestEvent::lifecycle(5), GuestEvent::Stopped);
    }
}
