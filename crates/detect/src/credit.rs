//! Where a name gives credit for a work: headers of source files, histories, manifests of packages.

use terms::Span;

/// Words that give credit where they stand in a line before or behind a name.
const CREDITS: &[&str] = &[
    "author",
    "committer",
    "maintainer",
    "contributor",
    "copyright",
    "©",
    "(c)",
    "signed-off-by",
    "co-developed-by",
    "reviewed-by",
    "acked-by",
    "tested-by",
    "reported-by",
    "suggested-by",
    "licen",
    "written by",
    "packager",
    "uploader",
    "tagger",
    "developer",
    "_by:",
];
/// Bytes of a line on both sides of a name that are looked at.
const ASIDE: usize = 240;
/// Lines above that may hold the key of a list or an object in which a name stands, and bytes of them.
const ABOVE: usize = 24;
const REACH: usize = 2_048;

/// Whether what stands at `span` of `text` gives credit for a work: it is in a line that says so (`Author: …`, `Copyright …`, `Signed-off-by: …`), or in a
/// list or an object under such a key (`"maintainers": […]`), or in a line of a file's history with the commit before it.
pub fn is_credit(text: &str, span: Span) -> bool {
    let from = text.floor_char_boundary(span.start.min(text.len()));
    let before = text.get(text.floor_char_boundary(from.saturating_sub(REACH))..from).unwrap_or_default();
    let after = text.get(text.ceil_char_boundary(span.end.min(text.len()))..).unwrap_or_default();
    let mut lines = before.rsplit('\n');
    let own = lines.next().unwrap_or_default();
    let own = own.get(own.floor_char_boundary(own.len().saturating_sub(ASIDE))..).unwrap_or_default();
    let rest = after.split('\n').next().unwrap_or_default();
    let rest = rest.get(..rest.floor_char_boundary(ASIDE)).unwrap_or_default();
    if gives_credit(own) || gives_credit(rest) || is_blamed(own, rest) {
        return true;
    }
    let mut depth = indent(own);
    for line in lines.take(ABOVE) {
        if line.trim().is_empty() {
            continue;
        }
        if indent(line) < depth {
            depth = indent(line);
            if line.trim_end().ends_with([':', '[', '{', '(']) && is_credit_key(line) {
                return true;
            }
        }
        if depth == 0 {
            break;
        }
    }
    false
}

/// Whether members under this name of a JSON object give credit.
pub fn is_credit_key(name: &str) -> bool {
    let key = name.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    let end = key.find(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '-').unwrap_or(key.len());
    let key = key.get(..end).unwrap_or_default().to_ascii_lowercase();
    const KEYS: [&str; 9] = ["author", "committer", "maintainer", "contributor", "copyright", "licen", "publisher", "developer", "tagger"];
    KEYS.iter().any(|word| key.starts_with(word))
}

fn gives_credit(part: &str) -> bool {
    let low = part.to_lowercase();
    CREDITS.iter().any(|word| low.contains(word))
}

/// A line of `git blame`: `1a2b3c4d (Jane Doe 2026-01-31 …`.
fn is_blamed(before: &str, after: &str) -> bool {
    let Some((commit, gap)) = before.split_once(" (").or_else(|| before.split_once(" <")) else { return false };
    let commit = commit.trim_start_matches('^').split(' ').next().unwrap_or_default();
    let hash = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    hash && gap.len() <= 80 && after.trim_start().starts_with(|letter: char| letter.is_ascii_digit() || letter == '>' || letter == '<')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(text: &str) -> bool {
        let start = text.find("Jane Doe").unwrap();
        is_credit(text, Span::new(start, start + 8))
    }

    #[test]
    fn histories_headers_and_manifests_give_credit() {
        for text in [
            "Author: Jane Doe <jane@x.org>",
            "commit 1\nAuthor: <git.Actor \"Jane Doe <jane@x.org>\">",
            "// Copyright 2026 Jane Doe",
            "    Signed-off-by: Jane Doe",
            "1a2b3c4d (Jane Doe 2026-01-31 10:00:00 +0100 1) fn main",
            "{\n  \"maintainers\": [\n    {\n      \"name\": \"Jane Doe\"\n    }\n  ]\n}",
            "authors = [\n  \"Jane Doe\"\n]",
            "{\"author\":{\"name\":\"Jane Doe\"}}",
        ] {
            assert!(credits(text), "{text}");
        }
        assert!(is_credit_key("\"authors\": [") && is_credit_key("maintainer_email") && !is_credit_key("customer"));
    }

    #[test]
    fn other_people_get_none() {
        for text in [
            "Customer: Jane Doe, ordered twice",
            "Author: X\nCustomer: Jane Doe",
            "{\n  \"author\": \"X\",\n  \"customer\": \"Jane Doe\"\n}",
            "{\n  \"authors\": [\n    \"X\"\n  ],\n  \"customers\": [\n    \"Jane Doe\"\n  ]\n}",
            "met (Jane Doe 2026",
            "Author: X\n\n    Customer: Jane Doe",
        ] {
            assert!(!credits(text), "{text}");
        }
    }
}
