//! What tells of the machine behind a server: absolute paths, internal addresses, stack traces.
//!
//! Linear in the length of the text. Loopback addresses tell nothing and stay; so do `/usr/bin` and `/bin`, which are the same everywhere.

use memchr::memmem::Finder;
use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;
use terms::{Class, Finding, Span};

/// Findings of one text; from there on all of it is one.
const MOST: usize = 1_024;
/// How far a quoted path is followed over its spaces, in bytes.
const QUOTED: usize = 512;

/// Folders at the root of a file system below which everything is its machine's.
const ROOTS: [&str; 20] = [
    "home", "root", "usr", "etc", "var", "opt", "srv", "tmp", "Users", "proc", "mnt", "private", "Library", "Volumes", "nix", "snap",
    "run", "boot", "sys", "builddir",
];
/// Folders that addresses of web pages begin with as well: there a file must stand at the end.
const BOTH: [&str; 6] = ["app", "workspace", "workspaces", "lib", "lib64", "github"];
/// Ends of names that only an inner network has (RFC 6762, RFC 8375, and what is in use).
const INNER: [&str; 8] = [".internal", ".local", ".localdomain", ".lan", ".intranet", ".corp", ".home.arpa", ".cluster.local"];
/// What a text must hold to be looked through for the lines of a stack trace.
static TRACES: LazyLock<[Finder<'static>; 6]> = LazyLock::new(|| {
    ["Traceback (most recent call last)", "\tat ", "  at ", "goroutine ", "stack backtrace:", "at System."].map(Finder::new)
});

/// What `text` tells, in order of place; findings do not overlap but for those inside a trace.
pub fn leaks(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if TRACES.iter().any(|mark| mark.find(text.as_bytes()).is_some()) {
        traces(text, &mut found);
    }
    tokens(text, &mut found);
    if found.len() > MOST {
        found.sort_by_key(|finding| finding.span.start);
        let from = found.get(MOST).map_or(text.len(), |finding| finding.span.start);
        found.truncate(MOST);
        found.push(finding("path", from, text.len()));
    }
    found.sort_by_key(|finding| (finding.span.start, std::cmp::Reverse(finding.span.end)));
    found
}

fn finding(kind: &'static str, start: usize, end: usize) -> Finding {
    Finding { class: Class::Leak, kind: Cow::Borrowed(kind), span: Span::new(start, end), confidence: 0.9 }
}

/// The state between two lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    /// A trace of Python: its indented lines belong to it.
    Python,
    /// A dump of Go: everything to an empty line.
    Go,
    /// A backtrace of Rust: numbered lines and their places.
    Rust,
    /// Lines that begin with `at`.
    Frames,
}

/// The lines of stack traces; those that stand together are one finding.
fn traces(text: &str, found: &mut Vec<Finding>) {
    let (mut within, mut start, mut end, mut at) = (Within::Nothing, 0, 0, 0);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let (indented, inner) = (bare.starts_with([' ', '\t']), bare.trim_start());
        let goes_on = match within {
            Within::Nothing => false,
            Within::Python => indented,
            Within::Go => !bare.is_empty(),
            Within::Rust => is_numbered(inner) || inner.starts_with("at ") || inner.starts_with("note:"),
            Within::Frames => is_frame(inner) && indented || inner.starts_with("Caused by: ") || is_more(inner),
        };
        if !goes_on {
            if within != Within::Nothing {
                found.push(finding("trace", start, end));
            }
            within = begins(bare, inner, indented);
            start = at + (line.len() - line.trim_start().len()).min(bare.len());
        }
        if within != Within::Nothing {
            end = at + bare.len();
        }
        at += line.len();
    }
    if within != Within::Nothing {
        found.push(finding("trace", start, end));
    }
}

fn begins(bare: &str, inner: &str, indented: bool) -> Within {
    if inner.starts_with("Traceback (most recent call last)") {
        Within::Python
    } else if inner.starts_with("goroutine ") && bare.ends_with("]:") {
        Within::Go
    } else if inner.starts_with("stack backtrace:") {
        Within::Rust
    } else if indented && is_frame(inner) {
        Within::Frames
    } else {
        Within::Nothing
    }
}

/// A line of a trace of Node, Java or .NET: `at`, and a place behind it.
fn is_frame(inner: &str) -> bool {
    let Some(rest) = inner.strip_prefix("at ") else { return false };
    let closed = rest.ends_with(')') && rest.contains('(');
    let placed = rest
        .trim_end_matches(')')
        .rsplit(':')
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    let named = rest.split('(').next().is_some_and(|name| name.contains('.') && !name.trim().contains(' '));
    placed || closed && named || rest.contains(":line ")
}

fn is_more(inner: &str) -> bool {
    inner
        .strip_prefix("... ")
        .and_then(|rest| rest.strip_suffix(" more"))
        .is_some_and(|count| count.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_numbered(inner: &str) -> bool {
    inner
        .split_once(": ")
        .is_some_and(|(number, _)| !number.is_empty() && number.len() <= 5 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What a byte is in a token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// It stands between two tokens.
    Parts,
    /// Every path and every address has one, and not at its end alone.
    Tells,
    Other,
}

const MARKS: [Mark; 256] = {
    let mut marks = [Mark::Other; 256];
    let (parts, tells) = (b" \t\n\r\x0c\"'`<>()[]{},;|=", b"/\\.:");
    let mut at = 0;
    while at < parts.len() {
        marks[parts[at] as usize] = Mark::Parts;
        at += 1;
    }
    at = 0;
    while at < tells.len() {
        marks[tells[at] as usize] = Mark::Tells;
        at += 1;
    }
    marks
};

/// The length of the token that `rest` begins with, and whether it may tell anything.
fn measure(rest: &[u8]) -> (usize, bool) {
    let mut tells = false;
    for (length, byte) in rest.iter().enumerate() {
        match MARKS[usize::from(*byte)] {
            Mark::Parts => return (length, tells),
            Mark::Tells => tells = true,
            Mark::Other => {}
        }
    }
    (rest.len(), tells)
}

fn tokens(text: &str, found: &mut Vec<Finding>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    // What is plain ASCII bounds tokens, so each begins and ends between characters.
    while at < bytes.len() && found.len() <= MOST {
        let (length, tells) = measure(bytes.get(at..).unwrap_or_default());
        let mut next = at + length + 1;
        if length > 3
            && tells
            && let Some(token) = text.get(at..at + length)
            && trimmed(token).bytes().any(|byte| MARKS[usize::from(byte)] == Mark::Tells)
        {
            let quote = at.checked_sub(1).and_then(|before| bytes.get(before)).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
            next = next.max(token_of(text, at, token, quote, found) + 1);
        }
        at = next;
    }
}

/// Looks at one token; gives the end of what was looked at.
fn token_of(text: &str, at: usize, token: &str, quote: Option<u8>, found: &mut Vec<Finding>) -> usize {
    let end = at + token.len();
    if let Some((scheme, rest)) = token.split_once("://") {
        if scheme.eq_ignore_ascii_case("file") {
            // `file:///tmp` tells no more than `/tmp`.
            if !rest.starts_with('/') || trimmed(rest).split('/').filter(|name| !name.is_empty()).count() > 1 {
                found.push(finding("path", at, at + trimmed(token).len()));
            }
        } else {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            let name =
                host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name);
            if is_inner(name) {
                let from = at + scheme.len() + 3 + authority.len() - host.len();
                found.push(finding("address", from, from + trimmed(host).len()));
            }
        }
        return end;
    }
    if is_windows(token) {
        let to = quote.and_then(|quote| closing(text, at, quote)).unwrap_or(at + trimmed(token).len());
        found.push(finding("path", at, to));
        return to.max(end);
    }
    let whole = trimmed(token);
    if whole.bytes().filter(|byte| *byte == b':').count() >= 2
        && let Ok(address) = whole.split('%').next().unwrap_or_default().parse::<Ipv6Addr>()
    {
        if is_inner_v6(address) {
            found.push(finding("address", at, at + whole.len()));
        }
        return end;
    }
    let mut from = at;
    let mut segments = token.split(':').peekable();
    while let Some(segment) = segments.next() {
        let line = segments.peek().is_some_and(|next| next.bytes().next().is_some_and(|byte| byte.is_ascii_digit()));
        let bare = trimmed(segment);
        if bare.starts_with('/') {
            if is_path(bare, line) {
                let closes = quote.filter(|_| from == at).and_then(|quote| closing(text, at, quote));
                let to = closes.unwrap_or(from + bare.len());
                found.push(finding("path", from, to));
                if to > end {
                    return to;
                }
            }
        } else {
            let name = bare.split('/').next().unwrap_or_default();
            let host = name.rsplit('@').next().unwrap_or_default();
            // `threading.local()` is no host.
            let called = text.as_bytes().get(end) == Some(&b'(');
            if !called && is_inner(host) {
                let begin = from + name.len() - host.len();
                found.push(finding("address", begin, begin + host.len()));
            }
        }
        from += segment.len() + 1;
    }
    end
}

/// The end of what is quoted, where the quote closes soon and on the same line.
fn closing(text: &str, at: usize, quote: u8) -> Option<usize> {
    let rest = text.as_bytes().get(at..)?;
    let rest = rest.get(..rest.len().min(QUOTED))?;
    let close = rest.iter().position(|byte| *byte == quote || *byte == b'\n')?;
    (rest.get(close) == Some(&quote)).then_some(at + close)
}

/// Without the marks that end a sentence.
fn trimmed(token: &str) -> &str {
    token.trim_end_matches(['.', ':', '!', '?', '*', '…'])
}

fn is_windows(token: &str) -> bool {
    match token.as_bytes() {
        [drive, b':', b'\\' | b'/', next, ..] => {
            drive.is_ascii_alphabetic() && (next.is_ascii_alphanumeric() || matches!(next, b'\\' | b'_' | b'.' | b'$'))
        }
        [b'\\', b'\\', next, rest @ ..] => next.is_ascii_alphanumeric() && rest.contains(&b'\\'),
        _ => false,
    }
}

/// Whether it is a path of a machine; `line` when the number of a line stands behind it.
fn is_path(text: &str, line: bool) -> bool {
    if text.starts_with("//") || text.starts_with("/usr/bin/") {
        return false;
    }
    let mut names = text.split('/').skip(1).filter(|name| !name.is_empty());
    let (Some(first), Some(_)) = (names.next(), names.clone().next()) else { return false };
    let file = names.last().and_then(|name| name.rsplit_once('.')).is_some_and(|(stem, end)| {
        !stem.is_empty() && (1..=6).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    ROOTS.contains(&first) || file && (line || BOTH.contains(&first))
}

/// Whether a host is of an inner network.
fn is_inner(host: &str) -> bool {
    if host.len() < 6 || host.len() > 253 {
        return false;
    }
    if host.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && let Ok(address) = host.parse::<Ipv4Addr>()
    {
        let [first, second, ..] = address.octets();
        return address.is_private() || address.is_link_local() || (first == 100 && (64..128).contains(&second));
    }
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
    };
    INNER.iter().any(|end| host.strip_suffix(end).is_some_and(|rest| rest.split('.').all(label)))
}

fn is_inner_v6(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    let mapped = address.to_ipv4_mapped().is_some_and(|inner| inner.is_private() || inner.is_link_local());
    mapped || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(&'static str, &str)> {
        leaks(text)
            .into_iter()
            .map(|finding| {
                let kind = match finding.kind {
                    Cow::Borrowed(kind) => kind,
                    Cow::Owned(_) => "",
                };
                (kind, &text[finding.span.start..finding.span.end])
            })
            .collect()
    }

    #[test]
    fn paths_of_the_machine_are_found() {
        for (text, path) in [
            ("cannot open /home/jane/ledger/private.db at once", "/home/jane/ledger/private.db"),
            ("ENOENT: no such file, open '/var/lib/my app/x.json'", "/var/lib/my app/x.json"),
            ("see file:///srv/www/a.", "file:///srv/www/a"),
            (r"at C:\Users\jane\secret.txt:", r"C:\Users\jane\secret.txt"),
            (r"share \\files01\finance\x", r"\\files01\finance\x"),
            ("(/app/index.js:10:5)", "/app/index.js"),
            ("PATH=/opt/x/bin:", "/opt/x/bin"),
            ("error:/home/jane/.ssh/id_rsa", "/home/jane/.ssh/id_rsa"),
            ("thread panicked at /rustc/abc/library/core/src/x.rs:3:5", "/rustc/abc/library/core/src/x.rs"),
        ] {
            assert_eq!(told(text), [("path", path)], "{text}");
        }
    }

    #[test]
    fn addresses_of_inner_networks_are_found() {
        for (text, address) in [
            ("connect to 10.20.30.40:5432 failed", "10.20.30.40"),
            ("at https://ana@db.internal:8080/x?y", "db.internal:8080"),
            ("host printer.local.", "printer.local"),
            ("http://169.254.169.254/latest", "169.254.169.254"),
            ("[fe80::1%eth0]:80", "fe80::1%eth0"),
            ("fd12:3456::7 refused", "fd12:3456::7"),
            ("postgres.default.svc.cluster.local:5432", "postgres.default.svc.cluster.local"),
            ("from 100.64.1.2", "100.64.1.2"),
        ] {
            assert_eq!(told(text), [("address", address)], "{text}");
        }
    }

    #[test]
    fn stack_traces_are_found_whole() {
        let python = "Traceback (most recent call last):\n  File \"x.py\", line 3, in f\n    g()\nValueError: bad";
        assert_eq!(told(python), [("trace", "Traceback (most recent call last):\n  File \"x.py\", line 3, in f\n    g()")]);
        let node = "Error: x\n    at Object.<anonymous> (index.js:10:5)\n    at Module._compile (node:internal/modules:1:2)\nend";
        assert_eq!(told(node), [("trace", "at Object.<anonymous> (index.js:10:5)\n    at Module._compile (node:internal/modules:1:2)")]);
        let java = "java.lang.X: y\n\tat com.a.B.c(B.java:3)\n\tat com.a.D.e(Native Method)\n\t... 12 more\nok";
        assert_eq!(told(java), [("trace", "at com.a.B.c(B.java:3)\n\tat com.a.D.e(Native Method)\n\t... 12 more")]);
        let go = "panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\tmain.go:3 +0x1d\n\nexit";
        assert_eq!(told(go), [("trace", "goroutine 1 [running]:\nmain.main()\n\tmain.go:3 +0x1d")]);
        let rust = "stack backtrace:\n   0: std::panicking\n             at src/x.rs:1:2\n   1: main\nbye";
        assert_eq!(told(rust), [("trace", "stack backtrace:\n   0: std::panicking\n             at src/x.rs:1:2\n   1: main")]);
        let dotnet = "System.Exception: x\n   at Acme.Store.Load(String a) in Store.cs:line 12\n   at Acme.Program.Main()\n";
        assert_eq!(told(dotnet), [("trace", "at Acme.Store.Load(String a) in Store.cs:line 12\n   at Acme.Program.Main()")]);
    }

    #[test]
    fn what_tells_nothing_stays() {
        for text in [
            "GET /api/v1/users and /static/app.js, /docs, /index.html, //comment, a/b/c",
            "#!/usr/bin/env python and /bin/sh > /dev/null",
            "see https://example.com/home/jane/x.py:3 and http://127.0.0.1:8080/usr/x",
            "localhost:3000, 8.8.8.8, version 1.10.0.1, 192.0.2.7, v10.1.2.3, 10.0.19041.1",
            "threading.local() and this.internals; import com.foo.internal.Bar; std.locale",
            "meet at 10:30 (in the office); we looked\n  at the house (again)",
            "::1 and 2001:4860:4860::8888, and 12:30:45",
            "either/or, and/or, 3/4, /home, /etc, file:///tmp",
        ] {
            assert_eq!(told(text), [], "{text}");
        }
    }

    #[test]
    fn too_much_of_it_is_one_finding_to_the_end() {
        let text = "/home/a/b ".repeat(3_000);
        let found = leaks(&text);
        assert_eq!((found.len(), found.last().unwrap().span.end), (MOST + 1, text.len()));
    }
}
