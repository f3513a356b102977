//! Changed copies of the configuration, written beside it and never over it, and commands as they can be pasted.

use crate::host::SystemClock;
use crate::outcome::{Common, Failure};
use crate::screen::plain;
use crate::wire::Configured;
use config::{Edited, Put};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use terms::Code;

/// The text of the configuration.
///
/// # Errors
/// [`Failure`] when it cannot be read.
pub fn text(configured: &Configured) -> Result<String, Failure> {
    std::fs::read_to_string(&configured.path)
        .map_err(|cause| Failure::usage(format!("{} cannot be read", configured.path.display())).because(&cause))
}

/// One change after the other; none where one of them cannot be made by a program.
pub fn edited(text: &str, changes: &[(Vec<String>, Put)]) -> Option<Edited> {
    let mut last = Edited { text: text.to_owned(), line: 1, before: Vec::new(), after: Vec::new() };
    for (path, put) in changes {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        last = config::edit(&last.text, &path, put)?;
    }
    Some(last)
}

/// The configuration as it would be with `text` in its file.
///
/// # Errors
/// [`Failure`] with everything that is wrong with it.
pub fn with(configured: &Configured, text: &str) -> Result<Configured, Failure> {
    configured.amended(text.as_bytes(), &SystemClock::new())
}

/// Writes `text` to a file that is not there yet.
///
/// # Errors
/// [`Failure`] when it is there, or cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::usage(format!("{} is there already and is not written over", path.display())),
        _ => Failure::system(format!("{} cannot be written", path.display())).because(&cause),
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|cause| Failure::system(format!("{} cannot be written", path.display())).because(&cause))
}

/// A name for a new file beside the configuration, where the lock counts for it too.
pub fn beside(configured: &Configured, name: &str) -> String {
    word(&configured.folder().join(name).display().to_string())
}

/// `count` of something, in words.
pub fn many(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The sentence of a refusal, with the name of the argument in it where that is known.
pub fn because(code: Code, argument: Option<&str>) -> String {
    match argument {
        Some(argument) => code.message().replace("{}", &format!("`{}`", plain(argument, 60))),
        None => code.message().replace("{}", "…"),
    }
}

/// `bastide VERB` with the configuration that this command was given.
pub fn command(verb: &str, common: &Common) -> String {
    match &common.config {
        None => format!("bastide {verb}"),
        Some(path) => format!("bastide {verb} --config {}", word(&path.display().to_string())),
    }
}

/// `text` as one word of a shell.
pub fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@:,=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word() {
        assert_eq!(word("/etc/bastide.yaml"), "/etc/bastide.yaml");
        assert_eq!(word("a b'c"), "'a b'\\''c'");
        assert_eq!(word(""), "''");
    }
}
