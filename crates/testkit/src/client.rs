//! Agents that show every byte of what they get.

mod http;
mod one_stream;
mod stdio;

pub use http::{Http, Response};
pub use one_stream::OneStream;
pub use stdio::Stdio;

use serde_json::Value;

/// The JSON-RPC answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer(pub Value);

impl Answer {
    /// The result; panics when it is an error.
    pub fn result(&self) -> &Value {
        self.0.get("result").unwrap_or_else(|| panic!("no result: {}", self.0))
    }

    /// The error code, if it is an error.
    pub fn code(&self) -> Option<i64> {
        self.0.pointer("/error/code").and_then(Value::as_i64)
    }

    /// The text blocks of a tool's result, joined with line feeds; empty for an error.
    pub fn text(&self) -> String {
        let blocks = self.0.pointer("/result/content").and_then(Value::as_array);
        blocks.into_iter().flatten().filter_map(|block| block.get("text")?.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Whether the tool failed or was refused.
    pub fn is_error(&self) -> bool {
        self.0.get("error").is_some() || self.0.pointer("/result/isError") == Some(&Value::Bool(true))
    }

    /// The refusal object, where the gateway refused.
    pub fn refusal(&self) -> Option<&Value> {
        let data = self.0.pointer("/error/data").filter(|data| data.get("code").is_some());
        self.0.pointer("/result/_meta/dev.bastide~1refusal").or(data)
    }

    /// The code of the refusal, such as `access.deny-by-default/denied`; panics when it was not refused.
    pub fn refused(&self) -> &str {
        self.refusal().and_then(|refusal| refusal.get("code")?.as_str()).unwrap_or_else(|| panic!("not refused: {}", self.0))
    }

    /// The reference of the refusal; panics when it was not refused.
    pub fn reference(&self) -> &str {
        self.refusal().and_then(|refusal| refusal.get("reference")?.as_str()).unwrap_or_else(|| panic!("not refused: {}", self.0))
    }

    /// The names in the answer to a list request, in order.
    pub fn names(&self) -> Vec<&str> {
        let list = ["tools", "prompts", "resources"].iter().find_map(|kind| self.result().get(kind)?.as_array());
        list.into_iter().flatten().filter_map(|entry| entry.get("name")?.as_str()).collect()
    }
}
