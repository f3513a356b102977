//! What other systems keep of a trace (W3C Trace Context, section 3.3). It goes on as it came; nothing of it is understood here.

use std::sync::Arc;

/// Members that a list may have.
const MEMBERS: usize = 32;
/// Bytes that a list may have; a longer one loses members.
const LENGTH: usize = 512;
/// Bytes of a member that is left out first, where some must be.
const LONG: usize = 128;
/// Bytes of a key, and of a value.
const PART: usize = 256;

/// A `tracestate`: members `key=value` in their order. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracestate(Arc<str>);

impl Tracestate {
    /// Reads the lines of a head as one list. None where it has no member, more than 32, or one that is none; of one that is too long, whole members
    /// are left out: the long ones first, then the last (section 3.3.1.5).
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let blank = [' ', '\t'];
        let all = lines.into_iter().flat_map(|line| line.split(',')).map(|member| member.trim_matches(blank));
        let mut members: Vec<&str> = all.filter(|member| !member.is_empty()).take(MEMBERS + 1).collect();
        if members.len() > MEMBERS || !members.iter().all(|member| is_member(member)) {
            return None;
        }
        while length(&members) > LENGTH {
            match members.iter().rposition(|member| member.len() > LONG) {
                Some(at) => drop(members.remove(at)),
                None => drop(members.pop()),
            }
        }
        if members.is_empty() { None } else { Some(Self(members.join(",").into())) }
    }

    /// As it goes on.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn length(members: &[&str]) -> usize {
    members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1)
}

fn is_member(text: &str) -> bool {
    let Some((key, value)) = text.split_once('=') else { return false };
    let opening = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let named = key.as_bytes().first().is_some_and(opening) && key.bytes().all(|byte| opening(&byte) || b"_-*/@".contains(&byte));
    let valued = value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b",=".contains(&byte));
    named && valued && key.len() <= PART && (1..=PART).contains(&value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<String> {
        Tracestate::read(lines.iter().copied()).map(|state| state.as_str().to_owned())
    }

    #[test]
    fn lines_are_one_list_in_their_order() {
        assert_eq!(read(&["rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE"]).unwrap(), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
        assert_eq!(read(&["a=1 \t,\t b=2,, ", "", "0t@s*/-_=x y!"]).unwrap(), "a=1,b=2,0t@s*/-_=x y!");
    }

    #[test]
    fn a_list_with_what_is_no_member_is_none() {
        let many = (0..33).map(|at| format!("k{at}=1")).collect::<Vec<_>>().join(",");
        let (key, value) = (format!("{}=1", "k".repeat(257)), format!("k={}", "v".repeat(257)));
        for bad in
            ["", " , ", "a", "a=", "=1", "A=1", "a b=1", "@a=1", "a=1=2", "a=\u{e9}", "a=\n", "a=\t1", "good=1,bad", &many, &key, &value]
        {
            assert_eq!(read(&[bad]), None, "{bad:?}");
        }
        assert!(read(&[&many[..many.rfind(',').unwrap()]]).is_some(), "32 are a list");
    }

    #[test]
    fn what_is_too_long_loses_whole_members() {
        let (long, short) = (format!("l={}", "x".repeat(200)), format!("s={}", "y".repeat(98)));
        let list = [&long, &short, &short, &short, &short].map(String::as_str);
        assert_eq!(read(&list).unwrap(), [short.as_str(); 4].join(","));
        assert_eq!(read(&[short.as_str(); 6]).unwrap(), [short.as_str(); 5].join(","));
    }
}
