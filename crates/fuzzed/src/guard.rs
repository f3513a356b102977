//! Texts that the guards of arguments judge.

use crate::Input;
use guards::path::Lexical;
use guards::{Guard, GuardKind, Judged, Refused, Words};
use std::sync::OnceLock;
use terms::Operation;

/// A policy, and one that is wider in all that it says.
struct Pair {
    narrow: Guard,
    wide: Guard,
    pieces: &'static [&'static str],
}

const PATHS: &[&str] = &[
    "/srv/data",
    "/srv",
    "/",
    "..",
    "../",
    "..\\",
    ".",
    "//",
    "%2e",
    "%2f",
    "%252e",
    "%c0%ae",
    "%u002e",
    "\u{ff0e}\u{ff0e}",
    "\u{ff0f}",
    "\u{2215}",
    "\\",
    "~",
    "a",
    "b.txt",
    " ",
    "\"",
    "'",
    "e\u{301}",
    "é",
    "\u{200b}",
    "\0",
    "/proc/self",
    "/dev/null",
    "C:",
    "file://",
    "$HOME",
    "...",
    "CON",
    ":",
    ";",
];
const URLS: &[&str] = &[
    "https://",
    "http://",
    "HTTPS://",
    "api.shop.test",
    "x.cdn.test",
    "evil.test",
    "127.0.0.1",
    "0x7f.1",
    "2130706433",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "169.254.169.254",
    "localhost",
    "@",
    ":",
    "443",
    "8443",
    "/",
    "\\",
    "?",
    "#",
    "%2e",
    "%00",
    "\u{3002}",
    "\u{ff0e}",
    "\u{df}",
    "xn--",
    "..",
    ".",
    "&",
    ";",
    " ",
    "\t",
    "a",
    "user",
    "/%2f",
];
const SQL: &[&str] = &[
    "SELECT ",
    "a",
    "*",
    ", ",
    " FROM ",
    "orders",
    "vault",
    " WHERE ",
    "1",
    "=",
    "'x'",
    "'",
    "\"",
    "`",
    "\\'",
    "; ",
    "DELETE FROM ",
    "UPDATE ",
    " SET ",
    "INSERT INTO ",
    " VALUES (1)",
    "WITH x AS (",
    ")",
    "(",
    " RETURNING *",
    "EXPLAIN ANALYZE ",
    "COPY orders TO PROGRAM 'id'",
    "--",
    "/*",
    "*/",
    "/*!",
    "#",
    "\n",
    "$$",
    "$1",
    "PRAGMA ",
    "ATTACH ",
    "pg_sleep(1)",
    "count(*)",
    "lower(a)",
    " UNION ",
    " LIMIT ",
    "E'",
    "U&'",
    " INTO OUTFILE ",
    "set_config",
    "DO ",
    " AND ",
    "::text",
    " JOIN ",
    " ON ",
    "\r",
];
const COMMANDS: &[&str] = &[
    "git",
    "ls",
    "find",
    "tar",
    " ",
    "  ",
    "status",
    "log",
    "diff",
    "commit",
    "branch",
    "push",
    "-c",
    "-D",
    "-d",
    "-C",
    "--output",
    "=",
    "--",
    "-exec",
    "-delete",
    "--to-command",
    "-m",
    "core.pager",
    ";",
    "|",
    "&",
    "$(",
    ")",
    "`",
    "'",
    "\"",
    "\\",
    ">",
    "<",
    "*",
    "{a,b}",
    "../",
    "/etc",
    "sh",
    "rm",
    "A=b ",
    "\n",
    "~",
    "#",
    "origin",
    ":x",
    "+x",
    "-f",
    "--no-pager",
    "stash",
    "drop",
    "-l",
    "tag",
    "\u{200b}",
];

fn pairs() -> &'static [Pair] {
    static PAIRS: OnceLock<Vec<Pair>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let list = |one: &[&str]| Some(one.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        let allow = Some("allow".to_owned());
        let mut pairs = Vec::new();
        let mut pair = |kind, pieces, narrow: Words, wide: Words| {
            let guard = |words| Guard::new(kind, &words).expect("a policy");
            pairs.push(Pair { narrow: guard(narrow), wide: guard(wide), pieces });
        };
        let files = |roots: &[&str]| Words { roots: list(roots), cwd: Some("/srv/data".into()), ..Words::default() };
        pair(GuardKind::Files, PATHS, files(&["/srv/data"]), files(&["/srv/data", "/srv"]));
        let http = |hosts: &[&str], schemes: &[&str]| Words { allow_hosts: list(hosts), schemes: list(schemes), ..Words::default() };
        let hosts = ["api.shop.test", "*.cdn.test"];
        pair(GuardKind::Http, URLS, http(&hosts, &["https"]), http(&["api.shop.test", "*.cdn.test", "*"], &["https", "http"]));
        for dialect in ["postgres", "mysql", "sqlite", "ansi"] {
            let sql = Words { dialect: Some(dialect.into()), ..Words::default() };
            let wide = Words { mode: Some("read-write".into()), single_statement: Some(false), ..sql.clone() };
            pair(GuardKind::Sql, SQL, Words { tables: list(&["orders"]), ..sql }, wide);
        }
        let process = Words { allowed: list(&["git", "ls", "find", "tar"]), cwd: Some("/srv/data".into()), ..Words::default() };
        let wide = Words {
            inline_code: allow.clone(),
            env_prefix: allow.clone(),
            exec_options: allow.clone(),
            paths_outside_cwd: allow,
            ..process.clone()
        };
        pair(GuardKind::Process, COMMANDS, process, wide);
        pairs
    })
}

/// What one guard says of a text is the same twice, holds of the normal form too, and is no stricter under a wider policy.
pub(crate) fn judged(bytes: &[u8]) {
    let mut input = Input::new(bytes.get(1..).unwrap_or_default());
    let pairs = pairs();
    let pair = &pairs[input.below(pairs.len())];
    let mut text = String::new();
    for _ in 0..input.below(24) {
        text.push_str(input.pick(pair.pieces));
        if input.rarely(8) {
            text.push_str(&input.own(24));
        }
    }
    text.push_str(&String::from_utf8_lossy(input.tail()));
    let judge = |guard: &Guard, text: &str| guard.judge_text(text, &Lexical);
    let first = judge(&pair.narrow, &text);
    assert_eq!(judge(&pair.narrow, &text), first, "the same twice: {text:?}");
    if let Guard::Process(policy) = &pair.narrow {
        alike(policy, &text, &first);
    }
    let Ok(judged) = first else { return };
    let wider = judge(&pair.wide, &text).unwrap_or_else(|refused| panic!("a wider policy refuses {text:?}: {refused:?}"));
    assert_eq!((&wider.normal, wider.operation), (&judged.normal, judged.operation), "a wider policy reads it as the same: {text:?}");
    let again = judge(&pair.narrow, &judged.normal).unwrap_or_else(|refused| panic!("{:?} of {text:?}: {refused:?}", judged.normal));
    assert_eq!((&again.normal, again.operation), (&judged.normal, judged.operation), "the normal form has the same normal form: {text:?}");
    inside(pair.narrow.kind(), &judged, &text);
}

/// What is let through lies within the policy, by the plainest reading of its normal form.
fn inside(kind: GuardKind, judged: &Judged, text: &str) {
    let normal = judged.normal.as_str();
    let within = match kind {
        GuardKind::Files => {
            let below = normal.strip_prefix("/srv/data").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            below && normal.split('/').all(|name| name != "..")
        }
        GuardKind::Http => normal.strip_prefix("https://").is_some_and(|rest| {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            host == "api.shop.test" || host.ends_with(".cdn.test")
        }),
        GuardKind::Sql => judged.operation == Some(Operation::Read),
        GuardKind::Process => ["git", "ls", "find", "tar"].iter().any(|program| {
            ["", "/bin/", "/usr/bin/", "/usr/local/bin/"].iter().any(|place| {
                normal
                    .strip_prefix(place)
                    .and_then(|rest| rest.strip_prefix(program))
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            })
        }),
    };
    assert!(within, "{text:?} was let through as {normal:?}, {:?}", judged.operation);
}

/// A string without marks is judged as the list of its words.
fn alike(policy: &guards::argv::Policy, text: &str, judged: &Result<Judged, Refused>) {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./ ".contains(letter);
    if !text.chars().all(plain) {
        return;
    }
    let words: Vec<String> = text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let listed = policy.judge_words(&words);
    assert_eq!(listed.as_ref().ok(), judged.as_ref().ok(), "as words and as a string: {text:?}");
}
