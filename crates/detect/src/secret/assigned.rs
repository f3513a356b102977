//! Values that stand beside a telling name: `DB_PASSWORD=…`, `"apiKey": "…"`, `--token …`, `<password>…</password>`, `name: X` over `value: …`.

use super::column;
use super::declared;
use super::name::{self, Sort};
use super::sentence;
use super::value::{self, Written};
use crate::detector::{Reader, Sheet};
use crate::view::View;
use crate::words::Stands;
use std::borrow::Cow;
use terms::{Class, Span};

/// What telling names hold, in lower case.
const STEMS: &[&str] = &[
    "passw",
    "passphrase",
    "passcode",
    "pwd",
    "pass",
    "secret",
    "token",
    "key",
    "credential",
    "bearer",
    "passwort",
    "kennwort",
    "contrase",
    "identified by",
    "mot de passe",
    "senha",
    "requirepass",
    "пароль",
    "Пароль",
    "密码",
    "密碼",
    "パスワード",
    "pw:",
    "pw=",
    "pw ",
    "psk",
    "пароля",
    "лозинка",
    "Лозинка",
    "口令",
    "비밀번호",
    "암호",
    "hasło",
    "hasla",
    "heslo",
    "jelszó",
    "lösenord",
    "wachtwoord",
    "adgangskode",
    "salasana",
    "geslo",
    "lozinka",
    "zaporka",
    "slaptažod",
    "parole",
    "parola",
    "şifre",
    "Şifre",
    "κωδικός",
    "Κωδικός",
    "סיסמה",
    "كلمة المرور",
    "كلمة السر",
    "mật khẩu",
    "Mật khẩu",
    "kata sandi",
    "รหัสผ่าน",
];

/// Finds them.
pub(crate) struct Assigned;

impl Reader for Assigned {
    fn words(&self) -> Vec<(String, Stands, usize)> {
        STEMS.iter().map(|stem| ((*stem).to_owned(), Stands::Anywhere, stem.trim_end_matches([':', '=', ' ']).len())).collect()
    }

    fn read(&self, view: &View<'_>, at: usize, len: usize, done: &mut usize, sheet: &mut Sheet<'_>) {
        if at < *done {
            return;
        }
        let name = around(view.bytes, at, at + len);
        *done = name.end;
        // Two letters are a name of code, unless they stand alone.
        let alone = name
            .start
            .checked_sub(1)
            .and_then(|at| view.bytes.get(at))
            .is_none_or(|byte| byte.is_ascii_whitespace() || b"\"'?&".contains(byte));
        if name.len() == 2 && !alone {
            return;
        }
        if !leads(view.bytes, name) {
            indirect(view, name, done, sheet);
            return;
        }
        if !sheet.allowance.step(value::LONGEST.min(view.bytes.len() - name.end)) {
            sheet.allowance.miss("steps", view.trace(name));
            return;
        }
        if let Some((span, written)) = beside(view.bytes, name)
            && let Some(text) = view.bytes.get(span.start..span.end)
            && text.len() >= value::SHORTEST
            && let Some(sort) = view.bytes.get(name.start..name.end).and_then(name::sort)
            && !repeats(view.bytes, name, text)
            && value::credible(text, sort, written)
        {
            sheet.add(view, Class::Secret, Cow::Borrowed(kind(sort)), span, 0.8);
            *done = span.end;
        } else {
            indirect(view, name, done, sheet);
        }
    }
}

/// Whether a value says no more than its name: `SN_userPassword = "userPassword"`.
fn repeats(bytes: &[u8], name: Span, value: &[u8]) -> bool {
    let value = value.strip_suffix(b"\\0").unwrap_or(value);
    let letters = |text: &[u8]| text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect::<Vec<u8>>();
    let name = letters(bytes.get(name.start..name.end).unwrap_or_default());
    memchr::memmem::find(&name, &letters(value)).is_some()
}

fn kind(sort: Sort) -> &'static str {
    match sort {
        Sort::Password => "generic-password",
        Sort::Key | Sort::Likely => "generic-key",
    }
}

/// Adds what stands further from its name: behind a type, at the end of a sentence, under the head of a column.
fn indirect(view: &View<'_>, name: Span, done: &mut usize, sheet: &mut Sheet<'_>) {
    let near = view.bytes.get(name.end..view.bytes.len().min(name.end + declared::NEAR)).unwrap_or_default();
    if !near.iter().any(|byte| matches!(byte, b' ' | b'|' | b',' | b';' | b'\t' | b'\n' | b'"' | b'\'') || *byte >= 0x80) {
        return;
    }
    if !sheet.allowance.step(near.len() * 2) {
        sheet.allowance.miss("steps", view.trace(name));
        return;
    }
    let Some(sort) = view.bytes.get(name.start..name.end).and_then(name::sort) else { return };
    let literal =
        declared::literal(view.bytes, name).and_then(|at| written(view.bytes, at, Written::Quoted)).map(|(span, _)| span).filter(|span| {
            view.bytes
                .get(span.start..span.end)
                .is_some_and(|text| value::credible(text, sort, Written::Quoted) && !repeats(view.bytes, name, text))
        });
    let verb = view.bytes.get(name.start..name.end).is_some_and(|text| text.eq_ignore_ascii_case(b"pass"));
    let spoken = || (sort == Sort::Password && !verb).then(|| sentence::value(view.bytes, name)).flatten();
    if let Some(span) = literal.or_else(spoken) {
        sheet.add(view, Class::Secret, Cow::Borrowed(kind(sort)), span, 0.75);
        *done = span.end;
        return;
    }
    column::under(view.bytes, name, |cell| {
        if !sheet.allowance.step(cell.len()) {
            sheet.allowance.miss("steps", view.trace(cell));
            return;
        }
        if view.bytes.get(cell.start..cell.end).is_some_and(|text| value::credible(text, sort, Written::Quoted)) {
            sheet.add(view, Class::Secret, Cow::Borrowed(kind(sort)), cell, 0.75);
        }
    });
}

fn of_names(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') || byte >= 0x80
}

/// The whole name around a stem.
fn around(bytes: &[u8], start: usize, end: usize) -> Span {
    let before = bytes.get(start.saturating_sub(name::LONGEST)..start).unwrap_or_default();
    let after = bytes.get(end..bytes.len().min(end + name::LONGEST)).unwrap_or_default();
    let back = before.iter().rev().take_while(|byte| of_names(**byte)).count();
    let on = after.iter().take_while(|byte| of_names(**byte)).count();
    // A wide colon ends a name as a narrow one does.
    let on = memchr::memmem::find(after.get(..on).unwrap_or_default(), "：".as_bytes()).unwrap_or(on);
    Span::new(start - back, end + on)
}

/// Whether what stands behind a name can lead to its value.
fn leads(bytes: &[u8], name: Span) -> bool {
    let at = skip(bytes, name.end, b"\\\"'`] \t");
    match bytes.get(at) {
        Some(b'=' | b':' | b'>' | b',' | b'\n' | b'\r' | b'}' | b'{' | b'i' | b'v' | b'l') => true,
        _ if quoted(bytes, name) => true,
        Some(0xef) => bytes.get(at..).is_some_and(|rest| rest.starts_with("：".as_bytes())),
        Some(_) => {
            let lead = bytes.get(name.start.saturating_sub(8)..name.start).unwrap_or_default();
            bytes.get(name.start) == Some(&b'-') || lead.ends_with(b"setenv ") || memchr::memmem::find(lead, b"set -").is_some()
        }
        None => false,
    }
}

/// Whether blanks and a quote follow: `PASSWORD '…'`, as statements have it. `pass` is a word of sentences, and a name of many parts one of code.
fn quoted(bytes: &[u8], name: Span) -> bool {
    let at = skip(bytes, name.end, b" \t");
    let text = bytes.get(name.start..name.end).unwrap_or_default();
    let stated = !text.eq_ignore_ascii_case(b"pass") && text.iter().filter(|byte| **byte == b'_').count() < 3;
    at > name.end && stated && matches!(bytes.get(at), Some(b'\'' | b'"'))
}

/// The value beside a name, and how it is written.
fn beside(bytes: &[u8], name: Span) -> Option<(Span, Written)> {
    let line = bytes.get(name.start.saturating_sub(24)..name.start)?;
    let line = line.get(line.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)..)?.trim_ascii_start();
    // A setting of a shell without a sign: `set -x NAME value`, `setenv NAME value`.
    let set = line.starts_with(b"set -") || line.starts_with(b"setenv ");
    let flag = set || bytes.get(name.start..name.end)?.starts_with(b"-");
    let before = name.start.checked_sub(1).and_then(|at| bytes.get(at).copied());
    let mut at = skip(bytes, name.end, b"\\\"'`]");
    let blank = skip(bytes, at, b" \t");
    let separator = bytes.get(blank).copied();
    // The text of an element: <password>…</password>.
    if separator == Some(b'>') && before == Some(b'<') {
        let text = until(bytes, blank + 1, |byte| matches!(byte, b'<' | b'\n'));
        return text.filter(|span| bytes.get(span.end..).is_some_and(|rest| rest.starts_with(b"</"))).map(|span| (span, Written::Quoted));
    }
    if flag && blank > at && separator.is_some_and(|byte| byte != b'-' && byte != b'=' && byte != b':') {
        return written(bytes, blank, Written::Bare);
    }
    if quoted(bytes, name) {
        return written(bytes, skip(bytes, name.end, b" \t"), Written::Quoted);
    }
    let rest = bytes.get(blank..).unwrap_or_default();
    if rest.starts_with("：".as_bytes()) {
        return written(bytes, skip(bytes, blank + "：".len(), b" \t"), Written::Bare);
    }
    if rest.starts_with(b"value") || separator == Some(b'{') {
        return paired(bytes, blank);
    }
    if rest.starts_with(b"lautet") {
        return written(bytes, skip(bytes, blank + 6, b": \t"), Written::Code);
    }
    // An argument behind its name: `define('DB_PASSWORD', '…')`.
    if separator == Some(b',') && at > name.end && name.start.checked_sub(2).and_then(|at| bytes.get(at)) == Some(&b'(') {
        let next = skip(bytes, blank + 1, b" \t");
        if matches!(bytes.get(next), Some(b'\'' | b'"')) {
            return written(bytes, next, Written::Quoted);
        }
    }
    match separator {
        Some(b'=' | b':') => {
            at = blank + 1;
            match (separator, bytes.get(at)) {
                (Some(b':'), Some(b'=')) => at += 1,
                (_, Some(b'=' | b':')) => return None,
                _ => {}
            }
            if matches!(bytes.get(at), Some(b'>')) {
                at += 1;
            }
        }
        Some(b'-') if bytes.get(blank + 1) == Some(&b'>') => return None,
        Some(b',' | b'\n' | b'\r' | b'}') => return paired(bytes, blank),
        Some(b'i') if bytes.get(blank..blank + 3) == Some(b"is ") => return written(bytes, blank + 3, Written::Code),
        _ => return None,
    }
    let code = bytes.get(name.start..at).is_some_and(|all| all.contains(&b' ')) || separator == Some(b':');
    let lead = at;
    at = skip(bytes, at, b" \t");
    let query = matches!(before, Some(b'?' | b'&' | b';')) && separator == Some(b'=');
    if query {
        return until(bytes, at, |byte| {
            byte.is_ascii_whitespace() || matches!(byte, b'&' | b'"' | b'\'' | b'#' | b'<' | b'>' | b'`' | b';' | b')' | b']' | b'\\')
        })
        .map(|span| (span, Written::Bare));
    }
    let line = separator == Some(b'=') && at == lead && before.is_none_or(|byte| byte.is_ascii_whitespace());
    written(
        bytes,
        at,
        if line {
            Written::Bare
        } else if code {
            Written::Code
        } else {
            Written::Bare
        },
    )
}

/// The value of a pair whose name is itself a value: `name: X` and `value: …` after it, in YAML or JSON.
fn paired(bytes: &[u8], from: usize) -> Option<(Span, Written)> {
    let at = skip(bytes, from, b" \t\r\n,-\"'\\{");
    let leads = |word: &[u8]| bytes.get(at..at + word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word)).then_some(word.len());
    let len = leads(b"value").or_else(|| leads(b"default"))?;
    let at = skip(bytes, skip(bytes, at + len, b"\\\"'"), b" \t");
    if !matches!(bytes.get(at), Some(b':' | b'=')) {
        return None;
    }
    written(bytes, skip(bytes, at + 1, b" \t"), Written::Bare)
}

/// The value that starts at `at`, between quotes or bare.
fn written(bytes: &[u8], at: usize, bare: Written) -> Option<(Span, Written)> {
    let escapes = bytes.get(at..)?.iter().take_while(|byte| **byte == b'\\').count();
    let quote = bytes.get(at + escapes).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let Some(quote) = quote else {
        let span = until(bytes, at, |byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b'\\'))?;
        let mut end = span.end;
        let tail: &[u8] = if bare == Written::Code { b",;)}]>." } else { b",;" };
        while bytes.get(end - 1).is_some_and(|byte| tail.contains(byte)) && end > span.start + 1 {
            end -= 1;
        }
        // A list of settings in one line: `a=1;password=x;b=2`, `a=1&password=x&b=2`, `password:x,b:2`; a sentence of wide letters.
        let text = bytes.get(span.start..end)?;
        let next = |rest: &[u8]| {
            let name = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.$ ".contains(byte)).count();
            name > 0 && matches!(rest.get(name), Some(b'=' | b':'))
        };
        let cut = text.iter().enumerate().position(|(at, byte)| {
            let rest = text.get(at + 1..).unwrap_or_default();
            match byte {
                b';' => rest.contains(&b'='),
                b'&' | b',' => next(rest),
                0xe3 | 0xef => matches!(rest, [0x80, 0x81 | 0x82, ..] | [0xbc, 0x8c | 0x9b | 0x81, ..]),
                _ => false,
            }
        });
        return Some((Span::new(span.start, cut.map_or(end, |at| span.start + at)), bare));
    };
    let start = at + escapes + 1;
    let limit = bytes.len().min(start + value::LONGEST);
    let mut end = start;
    while end < limit {
        match bytes.get(end) {
            Some(byte) if *byte == quote => break,
            Some(b'\n') => return None,
            Some(b'\\') if escapes == 0 => end += 2,
            Some(_) => end += 1,
            None => break,
        }
    }
    let closed = end.min(limit);
    let cut = bytes.get(start..closed)?.iter().rev().take_while(|byte| **byte == b'\\').count().min(escapes);
    (bytes.get(closed) == Some(&quote) && closed > start + cut).then(|| (Span::new(start, closed - cut), Written::Quoted))
}

fn until(bytes: &[u8], start: usize, ends: impl Fn(u8) -> bool) -> Option<Span> {
    let rest = bytes.get(start..bytes.len().min(start + value::LONGEST))?;
    let len = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
    (len > 0).then(|| Span::new(start, start + len))
}

fn skip(bytes: &[u8], at: usize, over: &[u8]) -> usize {
    at + bytes.get(at..bytes.len().min(at + 40)).unwrap_or_default().iter().take_while(|byte| over.contains(byte)).count()
}
