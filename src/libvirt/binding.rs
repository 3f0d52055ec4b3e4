//! The filters of ports, as libvirt's nwfilter driver binds them.
//!
//! In: a connection. Out: each binding with its port, its filter and its XML; it
//! can be taken away and made again. The virt crate has none of this.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

use super::said;
use super::turn::checked;

/// A port's filter.
pub(super) struct Binding(sys::virNWFilterBindingPtr);

impl Binding {
    /// All of them.
    pub(super) fn all(connection: &Connect) -> Result<Vec<Self>, String> {
        let mut list = ptr::null_mut();
        // SAFETY: the connection is open; libvirt sets `list` to an array of its
        // own, of as many bindings as it returns.
        let count = unsafe { sys::virConnectListAllNWFilterBindings(connection.as_ptr(), &mut list, 0) };
        let count = usize::try_from(checked(count)?).unwrap_or_default();
        // SAFETY: as above; each binding is a reference that is now ours, and the
        // array is to be freed by whoever asked for it.
        unsafe {
            let bindings = (0..count).map(|at| Self(*list.add(at))).collect();
            nix::libc::free(list.cast());
            Ok(bindings)
        }
    }

    /// The name of its port.
    pub(super) fn port(&self) -> String {
        // SAFETY: the binding is ours, and its text lives as long as it does.
        unsafe { borrowed(sys::virNWFilterBindingGetPortDev(self.0)) }
    }

    /// The name of its filter.
    pub(super) fn filter(&self) -> String {
        // SAFETY: as above.
        unsafe { borrowed(sys::virNWFilterBindingGetFilterName(self.0)) }
    }

    /// What it was made from.
    pub(super) fn xml(&self) -> Result<CString, String> {
        // SAFETY: the binding is ours; the text is a copy, to be freed by us.
        unsafe {
            let text = sys::virNWFilterBindingGetXMLDesc(self.0, 0);
            if text.is_null() {
                return Err(said(Error::last_error()));
            }
            let xml = CStr::from_ptr(text).to_owned();
            nix::libc::free(text.cast());
            Ok(xml)
        }
    }

    /// Takes it away, and libvirt's rules of the port with it.
    pub(super) fn delete(&self) -> Result<(), String> {
        // SAFETY: the binding is ours.
        checked(unsafe { sys::virNWFilterBindingDelete(self.0) }).map(drop)
    }

    /// Makes one, and libvirt's rules of the port with it.
    pub(super) fn create(connection: &Connect, xml: &CStr) -> Result<Self, String> {
        // SAFETY: the connection is open, the text ends where it says.
        let made = unsafe { sys::virNWFilterBindingCreateXML(connection.as_ptr(), xml.as_ptr(), 0) };
        if made.is_null() { Err(said(Error::last_error())) } else { Ok(Self(made)) }
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and this is the last use of it.
        unsafe { sys::virNWFilterBindingFree(self.0) };
    }
}

/// # Safety
/// `text` is null or a text that ends.
unsafe fn borrowed(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: says the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
