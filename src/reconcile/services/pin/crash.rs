//! The points of a pin's life at which a test has the program die.

#[cfg(not(test))]
pub(super) const fn here() {}

#[cfg(test)]
pub(super) use in_tests::{after, here};

#[cfg(test)]
mod in_tests {
    use std::cell::Cell;

    thread_local! {
        /// How many points are passed before that.
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// This thread dies after so many points; nothing more happens to it if `None`.
    pub fn after(points: Option<usize>) {
        LEFT.set(points);
    }

    pub fn here() {
        match LEFT.get() {
            Some(0) => {
                LEFT.set(None);
                // Past all that tidies up after an error, as the death of a process is.
                std::panic::resume_unwind(Box::new("died here"));
            }
            left => LEFT.set(left.map(|left| left - 1)),
        }
    }
}
