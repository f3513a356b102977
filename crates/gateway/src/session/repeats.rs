//! Notices a session that makes the same call over and over: a model that runs in a circle does not stop by itself.
//!
//! Calls are alike when they are about the same thing and their arguments differ in digits, in the case of letters or in white space alone. A session
//! remembers the sixteen latest sorts of call, each for ten minutes from its first one on, so that a circle of several calls is noticed too.

use parking_lot::Mutex;
use std::time::Duration;
use terms::Instant;

/// How long calls of one sort are counted together.
pub(crate) const WITHIN: Duration = Duration::from_secs(600);
/// Sorts of call that are remembered.
const SORTS: usize = 16;
/// Bytes of the arguments that are looked at, at either end.
const LOOKED: usize = 256;
/// From how many on it is told to whoever reads the log.
pub(crate) const TOLD: u32 = 100;

/// The calls of a session that hardly differ.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    sorts: Mutex<Vec<Sort>>,
}

#[derive(Clone, Copy, Debug)]
struct Sort {
    likeness: u64,
    since: Instant,
    latest: Instant,
    count: u32,
}

/// How often a call was made, this one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// As often as may be.
    Within(u32),
    /// More often. It was not counted.
    Over {
        /// When it may be made again.
        retry_after: Duration,
    },
}

impl Repeats {
    /// Counts a call of this likeness, unless there were `most` of it.
    pub(crate) fn count(&self, likeness: u64, most: u32, now: Instant) -> Repeated {
        let mut sorts = self.sorts.lock();
        if let Some(sort) = sorts.iter_mut().find(|sort| sort.likeness == likeness) {
            if now.since(sort.since) >= WITHIN {
                *sort = Sort { likeness, since: now, latest: now, count: 0 };
            }
            sort.latest = now;
            if sort.count >= most {
                return Repeated::Over { retry_after: sort.since.after(WITHIN).since(now) };
            }
            sort.count += 1;
            return Repeated::Within(sort.count);
        }
        let sort = Sort { likeness, since: now, latest: now, count: 1 };
        if sorts.len() >= SORTS
            && let Some(oldest) = sorts.iter().enumerate().min_by_key(|(_, sort)| sort.latest).map(|(at, _)| at)
        {
            sorts.swap_remove(oldest);
        }
        sorts.push(sort);
        Repeated::Within(1)
    }
}

/// What calls that hardly differ have in common (FNV-1a over the folded text).
pub(crate) fn likeness(server: &str, subject: &str, arguments: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    server.bytes().for_each(&mut add);
    add(0);
    subject.bytes().for_each(&mut add);
    add(0);
    let (head, rest) = arguments.split_at_checked(LOOKED).unwrap_or((arguments, &[]));
    let tail = rest.get(rest.len().saturating_sub(LOOKED)..).unwrap_or_default();
    if rest.len() > LOOKED {
        // Of what lies between the ends it is known how long it is.
        add(rest.len().checked_ilog2().and_then(|size| u8::try_from(size).ok()).unwrap_or_default());
    }
    let mut before = 0;
    for byte in head.iter().chain(tail) {
        let folded = match byte {
            b'0'..=b'9' => b'0',
            byte if byte.is_ascii_whitespace() => b' ',
            byte => byte.to_ascii_lowercase(),
        };
        if folded != before || !matches!(folded, b'0' | b' ') {
            add(folded);
        }
        before = folded;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn calls_are_alike_but_for_digits_case_and_space() {
        let like = |one: &str, other: &str| likeness("s", "t", one.as_bytes()) == likeness("s", "t", other.as_bytes());
        assert!(like(r#"{"page":1}"#, r#"{"page":12}"#));
        assert!(like(r#"{"q":"Same  thing"}"#, r#"{"q":"same thing"}"#));
        assert!(!like(r#"{"q":"one"}"#, r#"{"q":"other"}"#));
        assert_ne!(likeness("s", "t", b"{}"), likeness("s", "u", b"{}"));
        assert_ne!(likeness("s", "t", b"{}"), likeness("st", "", b"{}"));
        let long = |end: &str| format!("{}{end}", "x".repeat(10_000));
        assert!(!like(&long("a"), &long("b")) && !like(&long("a"), "xxxa"));
    }

    #[test]
    fn a_circle_of_several_calls_is_noticed_and_ends_with_time() {
        let repeats = Repeats::default();
        for _ in 0..3 {
            for likeness in 0..4 {
                assert!(matches!(repeats.count(likeness, 3, at(1)), Repeated::Within(_)));
            }
        }
        assert_eq!(repeats.count(2, 3, at(101)), Repeated::Over { retry_after: Duration::from_secs(500) });
        assert_eq!(repeats.count(2, 3, at(601)), Repeated::Within(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let repeats = Repeats::default();
        for likeness in 0..1_000 {
            repeats.count(likeness, 3, at(likeness));
        }
        assert_eq!(repeats.sorts.lock().len(), SORTS);
    }
}
