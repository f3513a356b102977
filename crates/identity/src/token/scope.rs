//! What a token narrows its holder to: the servers and tools that it names.

use crate::Error;
use terms::ServerName;

const MOST_PATTERNS: usize = 256;
const LONGEST_PATTERN: usize = 192;

/// The servers and tools that a token names.
///
/// It only narrows: what the principal's roles do not allow stays refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    servers: Vec<ServerName>,
    tools: Vec<String>,
}

impl Scope {
    /// The scope of `servers` (none: no server at all) and `tools` (none: every tool of these servers that the roles allow).
    ///
    /// A pattern stands for tool names, bare or as `server__tool`; `*` is any run of characters, `?` any one.
    ///
    /// # Errors
    /// [`Error::Pattern`] when a pattern is empty, longer than 192 bytes, or holds blanks or other than printable ASCII;
    /// [`Error::TooLong`] when there are more than 256.
    pub fn new(servers: Vec<ServerName>, tools: Vec<String>) -> Result<Self, Error> {
        if tools.len() > MOST_PATTERNS {
            return Err(Error::TooLong);
        }
        let odd = |tool: &&String| tool.is_empty() || tool.len() > LONGEST_PATTERN || !tool.bytes().all(|byte| byte.is_ascii_graphic());
        match tools.iter().find(odd) {
            Some(tool) => Err(Error::Pattern(tool.chars().filter(char::is_ascii_graphic).take(64).collect())),
            None => Ok(Self { servers, tools }),
        }
    }

    /// The servers.
    pub fn servers(&self) -> &[ServerName] {
        &self.servers
    }

    /// The patterns of tools.
    pub fn tools(&self) -> &[String] {
        &self.tools
    }

    /// Whether the token reaches `server` at all.
    pub fn reaches(&self, server: &ServerName) -> bool {
        self.servers.contains(server)
    }

    /// Whether the token names `tool` of `server`.
    pub fn names(&self, server: &ServerName, tool: &str) -> bool {
        if !self.reaches(server) {
            return false;
        }
        let qualified = || server.as_str().bytes().chain(*b"__").chain(tool.bytes()).collect::<Vec<_>>();
        self.tools.is_empty()
            || self.tools.iter().any(|pattern| fits(pattern.as_bytes(), tool.as_bytes()) || fits(pattern.as_bytes(), &qualified()))
    }
}

/// Whether `text` fits `pattern`. Time at most the product of their lengths.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    let mut resume: Option<(&[u8], &[u8])> = None;
    loop {
        match (rest.split_first(), left.split_first()) {
            (Some((b'*', after)), _) => {
                resume = Some((after, left));
                rest = after;
            }
            (Some((wanted, after)), Some((byte, behind))) if *wanted == b'?' || wanted == byte => {
                rest = after;
                left = behind;
            }
            (None, None) => return true,
            (Some(_) | None, _) => match resume {
                Some((after, from)) => {
                    let Some((_, behind)) = from.split_first() else { return false };
                    resume = Some((after, behind));
                    rest = after;
                    left = behind;
                }
                None => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn server(name: &str) -> ServerName {
        ServerName::new(name).unwrap()
    }

    #[test]
    fn patterns_fit_as_globs_do() {
        for (pattern, text, expected) in [
            ("read_*", "read_file", true),
            ("read_*", "read_", true),
            ("read_*", "write_file", false),
            ("*_file", "read_file", true),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxxbc", false),
            ("re?d", "read", true),
            ("re?d", "red", false),
            ("*", "", true),
            ("a", "", false),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn an_empty_list_of_servers_reaches_none() {
        let scope = Scope::new(vec![], vec![]).unwrap();
        assert!(!scope.names(&server("files"), "read"));
    }

    #[test]
    fn tools_narrow_bare_and_qualified() {
        let scope = Scope::new(vec![server("files"), server("git")], vec!["git__*".into(), "read_file".into()]).unwrap();
        assert!(scope.names(&server("git"), "push"));
        assert!(scope.names(&server("files"), "read_file"));
        assert!(!scope.names(&server("files"), "push"));
        assert!(!scope.names(&server("ledger"), "read_file"));
    }

    #[test]
    fn odd_patterns_are_refused() {
        for bad in ["", "a b", "é", "a\n", &"x".repeat(193)] {
            assert!(Scope::new(vec![], vec![bad.to_owned()]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_text_fits_itself_and_a_star(text in "[a-z_]{0,40}") {
            prop_assert!(fits(text.as_bytes(), text.as_bytes()));
            prop_assert!(fits(b"*", text.as_bytes()));
            let pattern = format!("*{text}*");
            prop_assert!(fits(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn fitting_agrees_with_the_plain_definition(pattern in "[ab*?]{0,7}", text in "[ab]{0,7}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|at| plain(rest, &text[at..])),
                    Some((wanted, rest)) => text.first().is_some_and(|byte| *wanted == b'?' || wanted == byte) && plain(rest, &text[1..]),
                }
            }
            prop_assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
