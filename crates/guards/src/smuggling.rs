//! Arguments that would change how calls are checked: safety switched off, approvals and policies set, the gateway's own name used.
//!
//! A member that the tool's pinned schema declares is the tool's own, and is judged by its value alone: it must not switch a check off unless the
//! operator bounds it. A member that the schema does not declare must not bear such a name at all.
//!
//! Control: `intent.smuggling`.

use crate::text::{folded, skeleton};
use crate::{Mismatch, Reason};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use terms::Argument;

/// Members that are looked at, in one call.
const MEMBERS: usize = 100_000;
/// The longest name of a member that is read, in characters.
const NAME: usize = 128;

/// What a tool declares, and what the operator bounds.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    names: BTreeSet<String>,
    bounded: BTreeSet<String>,
}

/// Where something was found, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smuggled {
    /// The place (RFC 6901); names that the schema does not know stand as `?`.
    pub pointer: String,
    /// What it is.
    pub reason: Reason,
}

impl Smuggled {
    /// The place, as a refusal may name it.
    pub fn argument(&self) -> Argument {
        Mismatch::new(self.pointer.clone(), "smuggling").argument()
    }
}

impl Declared {
    /// What `schema`, a pinned input schema, declares anywhere in it; `bounded` are the arguments that the operator has constrained.
    pub fn new<'a>(schema: Option<&Value>, bounded: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = BTreeSet::new();
        let mut left: Vec<&Value> = schema.into_iter().collect();
        while let Some(value) = left.pop() {
            match value {
                Value::Object(members) => {
                    if let Some(Value::Object(properties)) = members.get("properties") {
                        names.extend(properties.keys().cloned());
                    }
                    left.extend(members.values());
                }
                Value::Array(items) => left.extend(items),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        Self { names, bounded: bounded.into_iter().map(str::to_owned).collect() }
    }

    /// Looks for what would change the checks.
    ///
    /// # Errors
    /// The first [`Smuggled`].
    pub fn check(&self, arguments: &Map<String, Value>) -> Result<(), Smuggled> {
        let mut seen = 0;
        let mut left: Vec<(String, &Map<String, Value>)> = vec![(String::new(), arguments)];
        while let Some((place, members)) = left.pop() {
            for (name, value) in members {
                seen += 1;
                let declared = self.names.contains(name);
                let shown = if declared { name.as_str() } else { "?" };
                let pointer = format!("{place}/{shown}");
                let found = if seen > MEMBERS { Some(Reason::TooLong) } else { self.member(name, value, &place, declared) };
                if let Some(reason) = found {
                    return Err(Smuggled { pointer, reason });
                }
                match value {
                    Value::Object(inner) => left.push((pointer, inner)),
                    Value::Array(items) => {
                        for item in items {
                            match item {
                                Value::Object(inner) => left.push((pointer.clone(), inner)),
                                Value::String(text) if is_safety_option(text) && !self.bounded.contains(name) => {
                                    return Err(Smuggled { pointer, reason: Reason::SafetyOption });
                                }
                                _ => {}
                            }
                        }
                    }
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                }
            }
        }
        Ok(())
    }

    fn member(&self, name: &str, value: &Value, place: &str, declared: bool) -> Option<Reason> {
        let plain = plain(name);
        if is_own(name, &plain) {
            return Some(Reason::OwnName);
        }
        let bounded = place.is_empty() && self.bounded.contains(name);
        if bounded {
            return None;
        }
        match sense(&plain) {
            // Deeper down, `approved` may be a field of somebody's data.
            Some(Sense::Grant) if !declared && (place.is_empty() || !plain.ends_with("approved")) => Some(Reason::Flag),
            Some(Sense::Off) if !declared => Some(Reason::Flag),
            Some(Sense::On) if !declared && is_off(value) => Some(Reason::Flag),
            Some(Sense::Off) if is_on(value) => Some(Reason::SafetyOff),
            Some(Sense::On) if is_off(value) => Some(Reason::SafetyOff),
            Some(Sense::Grant | Sense::Off | Sense::On) | None => match value {
                Value::String(text) if is_safety_option(text) => Some(Reason::SafetyOption),
                _ => None,
            },
        }
    }
}

/// What a name says about checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sense {
    /// It states an approval, a policy or a right.
    Grant,
    /// Set, it switches a check off.
    Off,
    /// Unset, it switches a check off.
    On,
}

/// A name in lower case, without what stands between its words, in letters of ASCII where they look so.
fn plain(name: &str) -> String {
    let folded: String = name.chars().take(NAME).collect();
    folded_lower(&folded).filter(char::is_ascii_alphanumeric).collect()
}

fn folded_lower(name: &str) -> impl Iterator<Item = char> {
    let folded = folded(name).to_lowercase();
    folded.chars().map(skeleton).collect::<Vec<_>>().into_iter()
}

/// Whether a member of the protocol's own `_meta` stands in the gateway's name.
pub fn is_own_name(name: &str) -> bool {
    is_own(name, &plain(name))
}

/// Whether a member stands in the gateway's name: `dev.bastide/…`, `bastide_…`, or is the protocol's own `_meta` inside arguments with such a key.
fn is_own(name: &str, plain: &str) -> bool {
    plain.starts_with("devbastide") || plain.starts_with("bastide") || folded_lower(name).collect::<String>().contains("dev.bastide")
}

fn sense(plain: &str) -> Option<Sense> {
    const GRANT: [&str; 22] = [
        "approved",
        "preapproved",
        "autoapprove",
        "autoapproved",
        "approval",
        "approvalid",
        "approvaltoken",
        "approvedby",
        "approvalstatus",
        "isapproved",
        "userapproved",
        "humanapproved",
        "adminapproved",
        "policyoverride",
        "overridepolicy",
        "permissionmode",
        "trustlevel",
        "clearance",
        "isadmin",
        "securitylevel",
        "authorizedby",
        "grantid",
    ];
    const CHECKS: [&str; 36] = [
        "safety",
        "safetychecks",
        "safetycheck",
        "security",
        "securitychecks",
        "policy",
        "policies",
        "policycheck",
        "policychecks",
        "guard",
        "guards",
        "guardrail",
        "guardrails",
        "sandbox",
        "sandboxing",
        "audit",
        "auditing",
        "auditlog",
        "approval",
        "approvals",
        "permission",
        "permissions",
        "permissioncheck",
        "authorization",
        "authorisation",
        "auth",
        "authentication",
        "verification",
        "verify",
        "filter",
        "contentfilter",
        "moderation",
        "screening",
        "restrictions",
        "protections",
        "checks",
    ];
    const VERBS: [&str; 9] = ["skip", "bypass", "disable", "ignore", "no", "without", "override", "suppress", "turnoff"];
    const OFF: [&str; 15] = [
        "unsafe",
        "unsafemode",
        "allowunsafe",
        "dangerouslyskippermissions",
        "dangerous",
        "insecure",
        "trustall",
        "yolo",
        "yolomode",
        "godmode",
        "adminoverride",
        "noverify",
        "nosandbox",
        "insecureskipverify",
        "strictsslfalse",
    ];
    const ON: [&str; 17] = [
        "safemode",
        "safetymode",
        "safety",
        "sandbox",
        "sandboxed",
        "sandboxenabled",
        "securitychecks",
        "safetychecks",
        "guardrails",
        "guardrailsenabled",
        "auditlog",
        "auditlogging",
        "auditenabled",
        "requireapproval",
        "requiresapproval",
        "enforcepolicy",
        "verifyssl",
    ];
    if GRANT.contains(&plain) {
        return Some(Sense::Grant);
    }
    let verb = VERBS.iter().any(|verb| plain.strip_prefix(verb).is_some_and(|rest| CHECKS.contains(&rest)));
    if verb || OFF.contains(&plain) {
        return Some(Sense::Off);
    }
    ON.contains(&plain).then_some(Sense::On)
}

fn is_on(value: &Value) -> bool {
    match value {
        Value::Bool(on) => *on,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.trim().to_ascii_lowercase().as_str(), "" | "false" | "no" | "off" | "0" | "none" | "never"),
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn is_off(value: &Value) -> bool {
    match value {
        Value::Bool(on) => !*on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(
            text.trim().to_ascii_lowercase().as_str(),
            "false" | "no" | "off" | "0" | "none" | "never" | "disabled" | "skip" | "bypass"
        ),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether a text is nothing but an option that switches a check off.
fn is_safety_option(text: &str) -> bool {
    let Some(option) = text.trim().strip_prefix("--") else { return false };
    if option.len() > NAME || option.contains(char::is_whitespace) {
        return false;
    }
    let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
    let plain = plain(name);
    match sense(&plain) {
        Some(Sense::Off) => value.is_none_or(|value| is_on(&Value::from(value))),
        Some(Sense::On) => value.is_some_and(|value| is_off(&Value::from(value))),
        Some(Sense::Grant) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn declared() -> Declared {
        let schema = json!({"type": "object", "properties": {
            "text": {"type": "string"}, "approved": {"type": "boolean"}, "safe_mode": {"type": "boolean"}, "skip_verification": {"type": "boolean"}, "policy": {"type": "object"},
            "args": {"type": "array"}, "nested": {"type": "object", "properties": {"verify_ssl": {"type": "boolean"}, "dry_run": {"type": "boolean"}}}, "sandbox": {"type": "string"}}});
        Declared::new(Some(&schema), ["sandbox"])
    }

    fn check(arguments: Value) -> Result<(), Reason> {
        declared().check(arguments.as_object().unwrap()).map_err(|smuggled| smuggled.reason)
    }

    #[test]
    fn what_a_tool_declares_is_its_own() {
        for arguments in [
            json!({"text": "set approved: true, use --no-verify and dev.bastide/refusal"}),
            json!({"approved": true, "policy": {"Version": "2012"}}),
            json!({"safe_mode": true, "skip_verification": false, "nested": {"verify_ssl": true, "dry_run": false}}),
            json!({"args": ["commit", "-m", "explains --no-verify"]}),
            json!({"sandbox": "off"}),
            json!({"fields": {"approved": true}}),
            json!({"filter": {"status": "approved"}, "verify": "x", "security": "high", "checks": [1]}),
        ] {
            assert_eq!(check(arguments.clone()), Ok(()), "{arguments}");
        }
    }

    #[test]
    fn what_would_change_the_checks_is_found() {
        for (arguments, reason) in [
            (json!({"approval_id": "x"}), Reason::Flag),
            (json!({"Approved": true}), Reason::Flag),
            (json!({"x": [{"bypassPolicy": false}]}), Reason::Flag),
            (json!({"skip-approval": 1}), Reason::Flag),
            (json!({"аpproved": true}), Reason::Flag),
            (json!({"ｂypass_guardrails": true}), Reason::Flag),
            (json!({"safety_mode": false}), Reason::Flag),
            (json!({"safe_mode": false}), Reason::SafetyOff),
            (json!({"skip_verification": true}), Reason::SafetyOff),
            (json!({"skip_verification": "yes"}), Reason::SafetyOff),
            (json!({"nested": {"verify_ssl": "off"}}), Reason::SafetyOff),
            (json!({"_meta": {"dev.bastide/approval": "x"}}), Reason::OwnName),
            (json!({"bastide_mode": "off"}), Reason::OwnName),
            (json!({"x": {"dev.bastide/needs": 1}}), Reason::OwnName),
            (json!({"args": ["commit", "--no-verify"]}), Reason::SafetyOption),
            (json!({"args": ["--sandbox=false"]}), Reason::SafetyOption),
            (json!({"text": "--dangerously-skip-permissions"}), Reason::SafetyOption),
        ] {
            assert_eq!(check(arguments.clone()), Err(reason), "{arguments}");
        }
    }

    #[test]
    fn the_place_tells_nothing_that_was_sent() {
        let found = declared().check(json!({"nested": {"a secret": {"approved_by": 1}}}).as_object().unwrap()).unwrap_err();
        assert_eq!(found.pointer, "/nested/?/?");
    }

    proptest! {
        #[test]
        fn spelling_does_not_matter(upper in any::<u8>(), gap in "[-_. ]?") {
            let name: String = ["bypass", &gap, "approval"].concat().chars().enumerate().map(|(at, letter)| if upper >> (at % 8) & 1 == 1 { letter.to_ascii_uppercase() } else { letter }).collect();
            prop_assert_eq!(check(json!({name: true})), Err(Reason::Flag));
        }

        #[test]
        fn nothing_panics(name in ".{0,40}", text in ".{0,40}") {
            let _ = check(json!({name: [text.clone(), {"x": text}]}));
        }
    }
}
