//! Whether a value beside a telling name is a value at all, not a reference, a placeholder, a type or a sentence.

use super::name::Sort;
use crate::check;

/// The shortest password, in bytes.
pub(super) const SHORTEST: usize = 6;
/// The shortest key, in bytes.
const SHORTEST_KEY: usize = 12;
/// The shortest key that only its look tells, in bytes.
const SHORTEST_LIKELY: usize = 20;
/// The longest value, in bytes.
pub(super) const LONGEST: usize = 4096;

/// Words that stand where a value will stand one day, or that say what it would be.
const STANDINS: &[&[u8]] = &[
    b"changeme",
    b"change_me",
    b"change-me",
    b"replace",
    b"placeholder",
    b"example",
    b"redacted",
    b"dummy",
    b"sample",
    b"fixme",
    b"insert",
    b"enter",
    b"undefined",
    b"required",
    b"optional",
    b"string",
    b"secret_here",
    b"here",
    b"your",
    b"xxxx",
    b"....",
    b"****",
    b"____",
    b"<",
    b">",
    b"todo",
    b"masked",
    b"hidden",
    b"removed",
    b"omitted",
    b"null",
    b"none",
];
/// How references to a value start that stands elsewhere.
const REFERENCES: &[&[u8]] = &[
    b"vault:",
    b"op://",
    b"arn:",
    b"ssm:",
    b"kms:",
    b"env:",
    b"env.",
    b"file:",
    b"http://",
    b"https://",
    b"process.env",
    b"os.environ",
    b"os.getenv",
    b"getenv",
    b"secretsmanager",
    b"sops:",
    b"enc[",
    b"doppler://",
    b"bitwarden:",
    b"keychain:",
    b"azurekeyvault",
    b"@microsoft.keyvault",
    b"projects/",
    b"data.",
    b"var.",
    b"local.",
    b"module.",
    b"self.",
    b"this.",
    b"secrets.",
    b"config.",
    b"settings.",
    b"req.",
    b"request.",
    b"props.",
    b"params.",
    b"options.",
    b"args.",
    b"ctx.",
    b"context.",
    b"state.",
    b"import ",
    b"sha256:",
    b"sha256-",
    b"sha512-",
    b"sha1-",
    b"{{",
    b"${",
    b"$(",
    b"%(",
    b"#{",
    b"<%",
    b"[[",
    b"@@",
];

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Between quotes.
    Quoted,
    /// As a line of settings has it.
    Bare,
    /// Where code may stand instead.
    Code,
}

/// Whether `value` is plausible as a secret of this sort.
pub(super) fn credible(value: &[u8], sort: Sort, written: Written) -> bool {
    let shortest = match sort {
        Sort::Password => SHORTEST,
        Sort::Key => SHORTEST_KEY,
        Sort::Likely => SHORTEST_LIKELY,
    };
    if value.len() < shortest || value.len() > LONGEST || !value.iter().all(|byte| (b'!'..=b'~').contains(byte) || *byte >= 0x80) {
        return false;
    }
    let mut lower = [0_u8; 64];
    let head = value.get(..value.len().min(lower.len())).unwrap_or_default();
    for (to, from) in lower.iter_mut().zip(head) {
        *to = from.to_ascii_lowercase();
    }
    let lower = lower.get(..head.len()).unwrap_or_default();
    let standin = STANDINS
        .iter()
        .any(|word| memchr::memmem::find(lower, word).is_some_and(|at| at == 0 || at + word.len() == lower.len() || word.len() >= 7));
    if standin
        || lower.ends_with(b"...")
        || lower.starts_with(b"0x") && value.len() <= 10
        || value.starts_with(b"\\x")
        || REFERENCES.iter().any(|start| lower.starts_with(start))
        || check::placeholder(value)
        || variable(value)
        || called(value)
    {
        return false;
    }
    // A path of a module.
    if value.starts_with(b"$") && memchr::memmem::find(value, b"::").is_some() {
        return false;
    }
    if written != Written::Quoted && (operated(value) || opened(value)) || pattern(value) {
        return false;
    }
    if written == Written::Code && (syntax(value) || typed(value, lower)) {
        return false;
    }
    let count = |of: fn(&u8) -> bool| value.iter().filter(|byte| of(byte)).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    let (upper, lowers) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase));
    let others = value.len() - digits - letters;
    let entropy = check::entropy(value);
    match sort {
        Sort::Password => {
            let mixed = (digits > 0 && letters > 0)
                || value.iter().any(|byte| b"!@#$%^&*+=?~|".contains(byte))
                || (upper > 1 && lowers > 1 && value.len() >= 12 && !title(value));
            let drawn = digits >= 2 && value.len() >= 10 && entropy >= 3.0 || jumbled(value);
            let code = written == Written::Code && dotted(value) && !drawn;
            mixed && !code && entropy >= 2.0 && !names_itself(lower)
        }
        Sort::Likely => {
            let hex = value.iter().all(u8::is_ascii_hexdigit) && value.len() >= 32 && entropy >= 3.2;
            let drawn = digits >= 2 && upper + lowers + digits >= value.len() - 4 && entropy >= 3.7;
            let small = upper == 0 && value.len() >= 32 && digits >= 6 && others == 0;
            digits > 0
                && letters > 0
                && (hex || small || drawn && upper >= 3 && lowers >= 3)
                && !words(value)
                && !names_itself(lower)
                && !camel(value)
        }
        Sort::Key => {
            let hex = value.iter().all(u8::is_ascii_hexdigit);
            let sure = if hex {
                value.len() >= 16 && digits > 0 && letters > 0 && entropy >= 2.5
            } else {
                digits > 0 && letters > 0 && entropy >= 3.0
            };
            let long = upper > 2 && lowers > 2 && value.len() >= 20 && entropy >= 3.8 && !title(value);
            let symbols =
                others >= 2 && value.len() >= 16 && entropy >= 3.5 && (digits > 0 || value.iter().any(|byte| b"!@#$%^&*".contains(byte)));
            let spelled = words(value);
            (sure || long || symbols)
                && !spelled
                && !(written == Written::Code && dotted(value) && !sure)
                && !dated(value)
                && !names_itself(lower)
        }
    }
}

/// Whether `value`, a word of a sentence, is one that somebody or a machine made up: of three sorts of letters, or of case without order.
pub(super) fn made_up(value: &[u8]) -> bool {
    let body = value.get(..value.iter().rposition(|byte| !matches!(byte, b'!' | b'?')).map_or(0, |at| at + 1)).unwrap_or_default();
    let any = |of: fn(&u8) -> bool| body.iter().any(of);
    let sign = any(|byte| b"!@#$%^&*+=?~|".contains(byte));
    let sorts = [any(u8::is_ascii_lowercase), any(u8::is_ascii_uppercase), any(u8::is_ascii_digit), sign];
    let apart = value.iter().any(|byte| b"()<>[]{}\"'`/\\|*".contains(byte)) || value.starts_with(b"!");
    value.len() >= 8
        && !apart
        && (sorts.iter().filter(|one| **one).count() >= 3 || jumbled(value))
        && !words(value)
        && !camel(value)
        && credible(value, Sort::Password, Written::Quoted)
}

/// Whether capitals stand without order: three times at least one or two small letters, and then a capital or the end.
fn jumbled(value: &[u8]) -> bool {
    let (mut short, mut run) = (0, 0);
    for byte in value.iter().copied().chain([b' ']) {
        if byte.is_ascii_lowercase() {
            run += 1;
        } else {
            short += usize::from(run == 1 || run == 2);
            run = 0;
        }
    }
    short >= 3 && value.iter().filter(|byte| byte.is_ascii_uppercase()).count() >= 3
}

/// `$NAME`, `%NAME%`.
fn variable(value: &[u8]) -> bool {
    let name = |name: &[u8]| {
        !name.is_empty()
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            && !name.first().is_some_and(u8::is_ascii_digit)
    };
    match value {
        [b'$', rest @ ..] => {
            name(rest)
                && (rest.len() < 8
                    || rest.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
                    || rest.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_'))
        }
        [b'%', rest @ .., b'%'] => name(rest),
        _ => false,
    }
}

/// A call or an index: `get(…`, `environ[…`.
fn called(value: &[u8]) -> bool {
    let head = value.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.:".contains(byte)).count();
    head >= 2
        && matches!(value.get(head), Some(b'(' | b'['))
        && (value.iter().any(|byte| matches!(byte, b')' | b']'))
            || head + 1 == value.len()
            || value.get(head + 1).is_some_and(|byte| matches!(byte, b'"' | b'\'')))
}

/// The start of a call that the value is cut from: `SecretBytes(b`.
fn opened(value: &[u8]) -> bool {
    let head = value.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.:".contains(byte)).count();
    head >= 4 && value.get(head) == Some(&b'(')
}

/// What a programming language has and a bare value seldom: brackets, paths, references, pointers.
fn syntax(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'&' | b'*' | b':' | b'|' | b'!' | b'@' | b'-' | b'.' | b',')) && !value.iter().any(u8::is_ascii_digit)
        || value.iter().any(|byte| b"()[]{}<>".contains(byte))
        || memchr::memmem::find(value, b"::").is_some()
}

/// Operators between names, as compressed source has them.
fn operated(value: &[u8]) -> bool {
    let parts = [b"&&".as_slice(), b"||", b"!==", b"===", b"=>", b"??", b"),", b"}),", b"+=", b".push("];
    let name = value.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.$!".contains(byte)).count();
    let chosen = value.iter().position(|byte| *byte == b'?').is_some_and(|at| value.get(at..).is_some_and(|rest| rest.contains(&b':')));
    let compared = value.iter().any(|byte| matches!(byte, b'<' | b'>' | b'='));
    let member = matches!(value.get(name), Some(b'=')) && value.iter().take(name).any(|byte| *byte == b'.');
    member
        || value.starts_with(b"!!")
        || value.starts_with(b"(")
        || name > 0 && (chosen && compared || parts.iter().any(|part| memchr::memmem::find(value, part).is_some_and(|at| at > 0)))
}

/// A regular expression, or a text with fields to be filled in.
fn pattern(value: &[u8]) -> bool {
    let holds = |part: &[u8]| memchr::memmem::find(value, part).is_some();
    holds(b"a-z")
        || holds(b"A-Z")
        || holds(b"0-9]")
        || holds(b"(?:")
        || holds(b"${") && holds(b"}")
        || value.starts_with(b"{") && value.ends_with(b"}")
}

/// A name of code: one that says what it is, or one of capitals and underscores, or a number with its type.
fn typed(value: &[u8], lower: &[u8]) -> bool {
    let identifier = dotted(value);
    let says = [b"key".as_slice(), b"flag", b"token", b"secret", b"type", b"value", b"buffer", b"_fn"]
        .iter()
        .any(|word| memchr::memmem::find(lower, word).is_some());
    let constant = value.contains(&b'_') && value.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    let number = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let suffixed = number > 0 && value.get(number..).is_some_and(|rest| matches!(rest, [b'i' | b'u' | b'f', ..]) && rest.len() <= 5);
    identifier && (says || constant || camel(value)) || suffixed
}

/// Three words or more in CamelCase, with a number in their midst or behind: `ClientCapabilities2026Schema`, `ProgressTokenSchema$1`.
fn camel(value: &[u8]) -> bool {
    let bare: Vec<u8> = value.iter().copied().filter(|byte| !byte.is_ascii_digit() && *byte != b'$').collect();
    let runs =
        value.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).filter(|run| run.first().is_some_and(u8::is_ascii_digit)).count();
    runs <= 1
        && value.len() - bare.len() <= 5
        && bare.iter().filter(|byte| byte.is_ascii_uppercase()).count() >= 3
        && title(&bare)
        && bare.len() >= 12
}

/// An identifier, or several with dots between them.
fn dotted(value: &[u8]) -> bool {
    value.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-' | b'>' | b'?' | b'$'))
}

/// Words in CamelCase.
fn title(value: &[u8]) -> bool {
    let mut runs = 0;
    let mut run = 0;
    let mut short = 0;
    for byte in value {
        if byte.is_ascii_uppercase() {
            runs += 1;
            short += usize::from(run > 0 && run < 3);
            run = 1;
        } else if byte.is_ascii_lowercase() {
            run += 1;
        } else {
            return false;
        }
    }
    runs > 0 && short * 3 <= runs
}

/// Parts of letters alone, with separators between them: `some-name-of-a-thing`.
fn words(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| b"-_./:#@+ %".contains(byte)).filter(|part| !part.is_empty());
    let plain = |part: &[u8]| {
        let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
        part.iter().all(u8::is_ascii_alphanumeric)
            && (digits == 0 && part.len() <= 16
                || digits == part.len() && part.len() <= 6
                || digits <= 3 && part.len() <= 8 && part.iter().skip(part.len() - digits).all(u8::is_ascii_digit)
                || digits <= 2 && part.len() <= 8)
    };
    parts.clone().count() >= 2
        && parts.all(|part| {
            plain(part)
                && (part.iter().all(|byte| !byte.is_ascii_uppercase()) || part.iter().all(|byte| !byte.is_ascii_lowercase()) || title(part))
        })
}

/// A date, a time, a version or a number.
fn dated(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_digit() || b".-:TZ+,".contains(byte))
}

/// A value that repeats what it is: `admin_password1`, `my-api-key`.
fn names_itself(lower: &[u8]) -> bool {
    let short = lower.len() < 28;
    let word = |word: &&[u8]| memchr::memmem::find(lower, word).is_some();
    short
        && lower.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
        && [b"password".as_slice(), b"passwd", b"secret", b"token", b"apikey", b"api_key", b"api-key", b"credential"].iter().any(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_value_is_told() {
        for value in [
            "changeme",
            "${DB_PASSWORD}",
            "$DB_PASSWORD",
            "process.env.TOKEN",
            "os.environ[\"X\"]",
            "required",
            "getpass.getpass(",
            "********",
            "YOUR_API_TOKEN_HERE",
            "my_password1",
        ] {
            assert!(!credible(value.as_bytes(), Sort::Password, Written::Bare), "{value}");
        }
        for value in ["$AL-Wf3t&R", "LCjz7+oNt!", "hunter2", "Lndy#W542Ck!dtj"] {
            assert!(credible(value.as_bytes(), Sort::Password, Written::Bare), "{value}");
        }
        for value in
            ["some-name-of-a-thing", "2026-01-02T03:04:05Z", "user.tokens.accessValue", "my-api-key-value", "read_only_access_level"]
        {
            assert!(!credible(value.as_bytes(), Sort::Key, Written::Code), "{value}");
        }
        for value in ["4d82a987f0f7842e5d76175b63abd4bb", "q8Zk2LmX0pVtR7sYb3Nc", "-a&p%a$%qt@=qxb9nchdb48h5)o+dsr0sg0vc$ze557p7-4bxf"] {
            assert!(credible(value.as_bytes(), Sort::Key, Written::Bare), "{value}");
        }
    }
}
