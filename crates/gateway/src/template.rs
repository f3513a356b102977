//! Approved templates of prompts: what a server makes of a prompt is what was approved, with the arguments in their places, or it does not go out.
//!
//! Control: `data.prompts`.

use mcp::Node;
use sha2::{Digest, Sha256};

/// An approved template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its version, by the operator's count.
    pub version: String,
    /// Its messages.
    pub messages: Vec<Said>,
}

/// One message of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whose it is: `user` or `assistant`.
    pub role: &'static str,
    /// Its text, with `{{argument}}` where arguments stand.
    pub text: String,
}

impl Template {
    /// SHA-256 over its messages, in hexadecimal: roles and texts, each behind its length in eight bytes, the highest first.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for part in self.messages.iter().flat_map(|said| [said.role, said.text.as_str()]) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        hex::encode(digest.finalize())
    }

    /// Whether `result` is what the template says with these arguments, and nothing else.
    ///
    /// # Errors
    /// A sentence that says where it differs.
    pub(crate) fn check(&self, arguments: Option<Node<'_>>, result: Node<'_>) -> Result<(), String> {
        let messages: Vec<Node<'_>> = result.get("messages").into_iter().flat_map(Node::items).collect();
        if messages.len() != self.messages.len() {
            return Err(format!("it has {} messages, and its template {}", messages.len(), self.messages.len()));
        }
        for (at, (message, said)) in messages.iter().zip(&self.messages).enumerate() {
            let content = message.get("content");
            let plain = content.and_then(|content| content.get("type")).is_some_and(|kind| kind.is_text("text"));
            let text = content.and_then(|content| content.get("text")).and_then(Node::text).unwrap_or_default();
            let role = message.get("role").is_some_and(|role| role.is_text(said.role));
            if !plain || !role || *text != *filled(&said.text, arguments) {
                return Err(format!("message {at} is not the one of its template"));
            }
        }
        Ok(())
    }
}

/// `text` with the arguments in their places; what was not given is empty.
fn filled(text: &str, arguments: Option<Node<'_>>) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, next)) = after.split_once("}}") else { break };
        out.push_str(before);
        if let Some(value) = arguments.and_then(|arguments| arguments.get(name.trim())).and_then(Node::text) {
            out.push_str(&value);
        }
        rest = next;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp::{Bounds, Document};

    #[test]
    fn a_template_is_filled_once_and_compared_whole() {
        let said = |text: &str| Said { role: "user", text: text.to_owned() };
        let template = Template { version: "1".into(), messages: vec![said("Say {{ what }} to {{who}}.")] };
        let read = |text: &'static str| Document::parse(text.into(), &Bounds::default()).unwrap();
        let arguments = read(r#"{"who":"{{what}}","what":"hello"}"#);
        let good = read(r#"{"messages":[{"role":"user","content":{"type":"text","text":"Say hello to {{what}}."}}]}"#);
        assert_eq!(template.check(Some(arguments.root()), good.root()), Ok(()));
        for bad in [
            r#"{"messages":[]}"#,
            r#"{"messages":[{"role":"assistant","content":{"type":"text","text":"Say hello to {{what}}."}}]}"#,
            r#"{"messages":[{"role":"user","content":{"type":"text","text":"Say hello to {{what}}. And more."}}]}"#,
            r#"{"messages":[{"role":"user","content":{"type":"text","text":"Say hello to hello."}}]}"#,
        ] {
            assert!(template.check(Some(arguments.root()), read(bad).root()).is_err(), "{bad}");
        }
        assert_ne!(template.digest(), Template { version: "1".into(), messages: vec![said("Say {{what}} to {{who}}.")] }.digest());
    }
}
