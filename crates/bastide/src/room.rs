//! How many connections there is room for: files are bounded by the system, and what stops the gateway must never be short of one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections of the data listener at most, however many files there may be.
const DATA: usize = 16_384;
/// Connections of the local socket at most.
const LOCAL: usize = 1_024;

/// Open files that are of use.
const FILES: u64 = 65_536;

/// How many connections may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// On the data listener.
    pub data: usize,
    /// On the local socket.
    pub local: usize,
}

impl Room {
    /// Asks the system for as many files as are of use and it lets this process have, and leaves a third of them to servers, logs and operators.
    pub fn make() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = maximum.map_or(FILES, |most| most.min(FILES));
        if current.is_none_or(|current| current >= wanted) {
            return Self::of(current);
        }
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        Self::of(if raised.is_ok() { Some(wanted) } else { current })
    }

    fn of(files: Option<u64>) -> Self {
        let files = files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        Self { data: DATA.min(files / 2), local: LOCAL.min(files / 6) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_files_is_for_others() {
        assert_eq!(Room::of(Some(600)), Room { data: 300, local: 100 });
        assert_eq!(Room::of(Some(1 << 20)), Room { data: DATA, local: LOCAL });
        assert_eq!(Room::of(None), Room { data: DATA, local: LOCAL });
    }
}
