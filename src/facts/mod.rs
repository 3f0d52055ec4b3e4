//! The outside world as typed values: domain XML, filters and policy files.
//!
//! In: bytes that somebody else wrote. Out: what they say, checked, each piece
//! with the [`Place`] it was read from. Nothing here decides what it means for
//! a packet; that is the model's.

pub mod domain;
mod file;
pub mod fragments;
mod keywords;
pub mod leases;
pub mod nwfilter;
mod place;
pub mod policy;
pub mod running;
mod surroundings;
pub mod xml;

pub use domain::Domain;
pub use place::{FactError, Place, Placed, with_source};
pub use surroundings::Surroundings;
