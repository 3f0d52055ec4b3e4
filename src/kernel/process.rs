//! Whether a process that was once noted is still the same one (proc_pid_stat(5)).

use std::fs;

/// When the process with this number began, in ticks since the boot; `None` if there is
/// none. Numbers are given away again; together with this they are not.
pub fn process_began(pid: u32) -> Option<u64> {
    /// "starttime", counted behind the name, which may hold anything.
    const BEGAN: usize = 19;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(BEGAN)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_began_and_another_number_is_nobody() {
        let began = process_began(std::process::id());
        assert!(began.is_some_and(|ticks| ticks > 0));
        assert_eq!(process_began(std::process::id()), began);
        assert_eq!(process_began(u32::MAX), None);
    }
}
