//! A connection's callbacks: what libvirt tells by itself, written down.
//!
//! In: a connection. Out: a list of what was told since it was last asked for.
//! The callbacks only write; libvirt is asked nothing before they have returned,
//! for a call from within one may wait for the thread that it is in.

use std::ffi::{c_char, c_int, c_void};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

use super::GuestEvent;
use super::turn::checked;

/// What a callback was told.
pub(super) enum Told {
    /// Something happened to a guest.
    Guest(Domain, GuestEvent),
    /// The connection is gone: why.
    Closed(&'static str),
}

/// Where the callbacks write. Each holds a share of its own.
#[derive(Default)]
struct Notes(Mutex<Vec<Told>>);

/// The callbacks of one connection, which are taken back on drop.
pub(super) struct Listener {
    connection: Connect,
    notes: Arc<Notes>,
    callbacks: Vec<c_int>,
}

impl Listener {
    /// Registers the callbacks. Their shares of the notes are given back by
    /// libvirt, and the connection is closed, when the listener is dropped.
    pub(super) fn new(connection: Connect) -> Result<Self, String> {
        let mut listener = Self { connection, notes: Arc::default(), callbacks: Vec::new() };
        // SAFETY: libvirt hands a callback the arguments of its event, whatever
        // type it is passed as (VIR_DOMAIN_EVENT_CALLBACK in libvirt-domain.h).
        let all: [(_, sys::virConnectDomainEventGenericCallback); 4] = unsafe {
            [
                (
                    sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                    Some(mem::transmute::<LifecycleCallback, PlainCallback>(lifecycle)),
                ),
                (sys::VIR_DOMAIN_EVENT_ID_REBOOT, Some(rebooted)),
                (
                    sys::VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                    Some(mem::transmute::<DeviceCallback, PlainCallback>(removed)),
                ),
                (sys::VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, Some(mem::transmute::<DeviceCallback, PlainCallback>(added))),
            ]
        };
        for (event, callback) in all {
            listener.register(event, callback)?;
        }
        listener.register_close()?;
        Ok(listener)
    }

    /// The connection, for questions outside of the callbacks.
    pub(super) fn connection(&self) -> &Connect {
        &self.connection
    }

    /// What was told since the last time.
    pub(super) fn told(&self) -> Vec<Told> {
        mem::take(&mut *self.notes.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn register(
        &mut self,
        event: sys::virDomainEventID,
        callback: sys::virConnectDomainEventGenericCallback,
    ) -> Result<(), String> {
        let share = self.share();
        // SAFETY: the connection is open, no domain means all, the callback is
        // that of the event, and the share lives until `release` gets it.
        let returned = unsafe {
            let (connection, event) = (self.connection.as_ptr(), event as c_int);
            sys::virConnectDomainEventRegisterAny(
                connection,
                std::ptr::null_mut(),
                event,
                callback,
                share,
                Some(release),
            )
        };
        self.callbacks.push(checked(returned).inspect_err(|_| take_back(share))?);
        Ok(())
    }

    fn register_close(&self) -> Result<(), String> {
        let share = self.share();
        // SAFETY: as for the events.
        let returned = unsafe {
            sys::virConnectRegisterCloseCallback(self.connection.as_ptr(), Some(closed), share, Some(release))
        };
        if returned >= 0 {
            return Ok(());
        }
        let error = Error::last_error();
        take_back(share);
        // A driver within this process, such as test:///, has no way to go away.
        if error.code().to_raw() == sys::VIR_ERR_NO_SUPPORT { Ok(()) } else { Err(super::said(error)) }
    }

    /// A share of the notes for a callback, to be taken back once.
    fn share(&self) -> *mut c_void {
        Arc::into_raw(Arc::clone(&self.notes)).cast_mut().cast()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Each callback holds on to the connection, so they go first. That the
        // other end is gone already is no reason to keep them: libvirt takes
        // them off its own list before it tells the other end.
        for callback in &self.callbacks {
            // SAFETY: the connection is open, and the number came from it.
            unsafe { sys::virConnectDomainEventDeregisterAny(self.connection.as_ptr(), *callback) };
        }
        // SAFETY: the connection is open. A callback that was called is off already.
        unsafe { sys::virConnectUnregisterCloseCallback(self.connection.as_ptr(), Some(closed)) };
        // A domain that was told of holds on to the connection, too.
        self.told();
    }
}

type PlainCallback = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);
type LifecycleCallback =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
type DeviceCallback = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *const c_char, *mut c_void);

unsafe extern "C" fn lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    _: c_int,
    share: *mut c_void,
) -> c_int {
    // SAFETY: libvirt passes a domain and what was registered.
    unsafe { note_guest(domain, GuestEvent::lifecycle(event), share) };
    0
}

unsafe extern "C" fn rebooted(_: sys::virConnectPtr, domain: sys::virDomainPtr, share: *mut c_void) {
    // SAFETY: as above.
    unsafe { note_guest(domain, GuestEvent::Rebooted, share) }
}

unsafe extern "C" fn added(_: sys::virConnectPtr, domain: sys::virDomainPtr, _: *const c_char, share: *mut c_void) {
    // SAFETY: as above.
    unsafe { note_guest(domain, GuestEvent::DeviceAdded, share) }
}

unsafe extern "C" fn removed(_: sys::virConnectPtr, domain: sys::virDomainPtr, _: *const c_char, share: *mut c_void) {
    // SAFETY: as above.
    unsafe { note_guest(domain, GuestEvent::DeviceRemoved, share) }
}

unsafe extern "C" fn closed(_: sys::virConnectPtr, reason: c_int, share: *mut c_void) {
    let why = match u32::try_from(reason) {
        Ok(sys::VIR_CONNECT_CLOSE_REASON_EOF) => "end of file from libvirt",
        Ok(sys::VIR_CONNECT_CLOSE_REASON_KEEPALIVE) => "libvirt does not answer keepalive messages",
        Ok(sys::VIR_CONNECT_CLOSE_REASON_CLIENT) => "closed",
        _ => "input/output error on libvirt's socket",
    };
    // SAFETY: what was registered.
    unsafe { note(Told::Closed(why), share) }
}

/// # Safety
/// `domain` is a domain and `share` came from `Listener::share`; both are borrowed.
unsafe fn note_guest(domain: sys::virDomainPtr, event: GuestEvent, share: *mut c_void) {
    // The domain is libvirt's; ours to keep is a reference more.
    // SAFETY: says the caller. Taking a reference asks the other end nothing.
    unsafe {
        if sys::virDomainRef(domain) == 0 {
            note(Told::Guest(Domain::from_ptr(domain), event), share);
        }
    }
}

/// # Safety
/// `share` came from `Listener::share` and was not given back.
unsafe fn note(told: Told, share: *mut c_void) {
    // SAFETY: says the caller; the notes are behind a lock.
    let notes = unsafe { &*share.cast::<Notes>() };
    notes.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
}

/// What libvirt calls once when it forgets a callback.
unsafe extern "C" fn release(share: *mut c_void) {
    take_back(share);
}

fn take_back(share: *mut c_void) {
    // SAFETY: it came from `Listener::share`, and its holder gives it up: libvirt
    // in `release`, or libvirt that refused it and so calls no `release`.
    drop(unsafe { Arc::from_raw(share.cast::<Notes>()) });
}
