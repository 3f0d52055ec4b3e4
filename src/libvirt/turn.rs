//! libvirt's event loop, one turn at a time.
//!
//! In: nothing. Out: a turn sleeps until libvirt or an alarm has something to
//! say, and has called back when it returns. The loop is the process's only one;
//! who takes turns must see to it that nobody else does.

use std::ffi::{c_int, c_void};
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use virt::error::Error;
use virt::sys;

/// A timer that never goes off (libvirt-event.h: -1 disables it).
const NEVER: c_int = -1;

/// What ends a turn from outside of it. Silent until rung.
pub(super) struct Alarm(c_int);

impl Alarm {
    /// An alarm in libvirt's default loop, which is made on first use. It must
    /// be there before the connections that are to be heard.
    pub(super) fn new() -> io::Result<Self> {
        static LOOP: OnceLock<Result<(), String>> = OnceLock::new();
        // SAFETY: takes nothing; OnceLock calls it once, as libvirt asks for.
        let made = LOOP.get_or_init(|| checked(unsafe { sys::virEventRegisterDefaultImpl() }).map(drop));
        made.clone().map_err(io::Error::other)?;
        // SAFETY: the callback is a function of this program that reads no
        // opaque data, so none is given and none has to be freed.
        let timer = unsafe { sys::virEventAddTimeout(NEVER, Some(gone_off), std::ptr::null_mut(), None) };
        checked(timer).map(Self).map_err(io::Error::other)
    }

    /// Ends the turn that is being taken, or the next, after `wait`. From any thread.
    pub(super) fn ring_in(&self, wait: Duration) {
        set(self.0, c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX));
    }

    /// Sleeps until something happens.
    pub(super) fn take_turn(&self) -> Result<(), String> {
        // SAFETY: the loop is registered, or there were no alarm.
        checked(unsafe { sys::virEventRunDefaultImpl() }).map(drop)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer is this alarm's own. One that is not found is an
        // error that leaves nothing to do.
        unsafe { sys::virEventRemoveTimeout(self.0) };
    }
}

/// A timer goes off again and again until it is told not to.
unsafe extern "C" fn gone_off(timer: c_int, _: *mut c_void) {
    set(timer, NEVER);
}

fn set(timer: c_int, milliseconds: c_int) {
    // SAFETY: takes numbers; libvirt locks, wakes the loop up, and ignores a
    // timer that it does not know.
    unsafe { sys::virEventUpdateTimeout(timer, milliseconds) };
}

/// What libvirt returned, negative for an error.
pub(super) fn checked(returned: c_int) -> Result<c_int, String> {
    if returned < 0 { Err(super::said(Error::last_error())) } else { Ok(returned) }
}
