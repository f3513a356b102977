//! Where the value of a declaration starts: behind the type, behind a call that makes it, behind accessors.

use terms::Span;

/// How far behind its name the value of a declaration may start, in bytes.
pub(super) const NEAR: usize = 72;

/// The quote that opens the value of the name: `KEY: &str = "…"`, `token = String::from("…")`, `ApiKey { get; set; } = "…"`,
/// `field("String", "KEY", "…")`.
pub(super) fn literal(bytes: &[u8], name: Span) -> Option<usize> {
    let rest = bytes.get(name.end..bytes.len().min(name.end + NEAR))?;
    let rest = rest.get(..rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()))?;
    let within = rest.iter().position(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    if within == Some(0) {
        return argument(rest).map(|at| name.end + at);
    }
    let quote = within?;
    let lead = rest.get(..quote)?;
    let sign = lead.iter().position(|byte| *byte == b'=')?;
    let (kind, call) = (lead.get(..sign)?, lead.get(sign + 1..)?);
    let call = call.strip_prefix(b">").unwrap_or(call).trim_ascii();
    let call = call.strip_suffix(b"\\").unwrap_or(call);
    let of_types = |byte: &u8| byte.is_ascii_alphanumeric() || b"_&<>[]:;{}?*. #\t".contains(byte);
    let made = call.is_empty()
        || call.ends_with(b"(")
            && (call.first().is_some_and(u8::is_ascii_uppercase) || call.starts_with(b"new "))
            && call.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.:( ".contains(byte))
        || matches!(call, b"b" | b"r" | b"@" | b"u" | b"L");
    (kind.iter().all(of_types) && made).then_some(name.end + quote - lead.iter().rev().take_while(|byte| **byte == b'\\').count())
}

/// The next argument behind a quoted one: `"KEY", "…"`.
fn argument(rest: &[u8]) -> Option<usize> {
    let after = rest.get(1..)?;
    let gap = after.iter().take_while(|byte| matches!(byte, b' ' | b',')).count();
    let comma = after.first() == Some(&b',') && gap <= 2;
    (comma && matches!(after.get(gap), Some(b'"' | b'\'')) && after.get(gap + 1) == Some(&b'\\')).then_some(1 + gap + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_behind_types_and_calls() {
        for (text, expect) in [
            ("KEY: &str = \"x\"", Some(12)),
            ("KEY = String::from(\"x\")", Some(19)),
            ("KEY { get; set; } = \"x\";", Some(20)),
            ("KEY # => \"x\"", Some(9)),
            ("KEY = name.encode(\"x\")", None),
            ("KEY == \"x\"", None),
            ("KEY is what \"x\" says", None),
            ("KEY = lookup(name, \"x\")", None),
        ] {
            assert_eq!(literal(text.as_bytes(), Span::new(0, 3)), expect, "{text}");
        }
    }
}
