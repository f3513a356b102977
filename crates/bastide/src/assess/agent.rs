//! An agent of the probes: MCP over the data listener, like any other client.

use super::steps::Trouble;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const REVISION: &str = "2025-11-25";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const PASS: HeaderName = HeaderName::from_static("bastide-probe");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MOST_BYTES: usize = 4 << 20;
const WITHIN: Duration = Duration::from_secs(10);

/// Whether and as whom a request is made.
#[derive(Clone)]
pub struct Agent {
    client: egress::Client,
    token: Option<String>,
    pass: Arc<str>,
    /// MCP's id of its session.
    pub session: Option<String>,
    next: u64,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    /// The message in it: the JSON of the body, or the last answer of an event stream.
    pub fn message(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        if let Ok(whole) = serde_json::from_str(&text) {
            return whole;
        }
        let mut events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?.trim()).ok());
        events.rfind(|message| message.get("result").is_some() || message.get("error").is_some()).unwrap_or(Value::Null)
    }

    /// Its bytes as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of the refusal in it, if it is one.
    pub fn code(&self) -> Option<String> {
        refusal(&self.message()).map(|(code, _)| code)
    }

    /// The reference of the refusal in it.
    pub fn reference(&self) -> Option<String> {
        refusal(&self.message()).map(|(_, reference)| reference)
    }

    /// In how many seconds the refusal in it says that it may be tried again.
    pub fn retry_after(&self) -> Option<u64> {
        let message = self.message();
        let refusal = message.pointer("/result/_meta/dev.bastide~1refusal").or_else(|| message.pointer("/error/data"));
        refusal?.get("retry_after")?.as_u64()
    }

    /// What a client sees that has nothing to do with this one request: status and body, without id and reference.
    pub fn face(&self) -> String {
        let text = self.text();
        let text = self.reference().map_or_else(|| text.clone(), |reference| text.replace(&reference, "REFERENCE"));
        let body = match serde_json::from_str::<Value>(&text) {
            Ok(mut message) => {
                if let Some(object) = message.as_object_mut() {
                    object.remove("id");
                }
                message.to_string()
            }
            Err(_) => text,
        };
        format!("{} {body}", self.status)
    }

    /// A header, if it is there once and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Status and code in a few words.
    pub fn said(&self) -> String {
        match self.code() {
            Some(code) => format!("{} {code}", self.status),
            None if self.message().get("error").is_some() => format!("{} and an error", self.status),
            None => self.status.to_string(),
        }
    }

    /// Whether a call or a request ran and gave a result that is no error.
    pub fn ran(&self) -> bool {
        let message = self.message();
        self.status == 200
            && message.get("result").is_some()
            && message.pointer("/result/isError") != Some(&Value::Bool(true))
            && self.code().is_none()
    }
}

/// The code and the reference of the first refusal in `value`.
fn refusal(value: &Value) -> Option<(String, String)> {
    match value {
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            match (text("code").filter(|code| code.contains('/')), text("reference")) {
                (Some(code), Some(reference)) => Some((code.to_owned(), reference.to_owned())),
                _ => members.values().find_map(refusal),
            }
        }
        Value::Array(items) => items.iter().find_map(refusal),
        _ => None,
    }
}

impl Agent {
    /// An agent without a token and without a session. `pass` is a probe's token: it marks whatever is sent as a probe's, and gives no right.
    pub fn new(client: egress::Client, pass: Arc<str>) -> Self {
        Self { client, token: None, pass, session: None, next: 0 }
    }

    /// The same with another token, in the same session.
    pub fn with(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// The id of its token, as the token states it.
    pub fn token_id(&self) -> Option<String> {
        use base64::Engine as _;
        let payload = self.token.as_deref()?.split('.').nth(1)?;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
        serde_json::from_slice::<Value>(&bytes).ok()?.get("jti")?.as_str().map(str::to_owned)
    }

    /// Sends one request.
    pub async fn send(&self, method: Method, path: &str, body: &str, more: &[(HeaderName, &str)]) -> Result<Reply, Trouble> {
        let did = format!("{method} {}", path.split('?').next().unwrap_or_default());
        let path = PathAndQuery::try_from(path).map_err(|fault| Trouble::new(&did, fault))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        put(PASS, &self.pass);
        if let Some(token) = &self.token {
            put(AUTHORIZATION, &format!("Bearer {token}"));
        }
        if let Some(session) = &self.session {
            put(SESSION, session);
            put(VERSION, REVISION);
        }
        for (name, value) in more {
            put(name.clone(), value);
        }
        let sent = self.client.send(method, path, headers, Bytes::from(body.to_owned()));
        let mut response = tokio::time::timeout(WITHIN, sent)
            .await
            .map_err(|_| Trouble::new(&did, "no answer within 10 s"))?
            .map_err(|fault| Trouble::new(&did, fault))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.collect(MOST_BYTES, WITHIN).await.map_err(|fault| Trouble::new(&did, fault))?.to_vec();
        Ok(Reply { status, headers, body })
    }

    /// Asks `method` of the protocol.
    pub async fn ask(&mut self, method: &str, params: Value) -> Result<Reply, Trouble> {
        self.ask_at("/mcp", method, params).await
    }

    /// Asks `method` at `path`.
    pub async fn ask_at(&mut self, path: &str, method: &str, params: Value) -> Result<Reply, Trouble> {
        self.next += 1;
        let message = json!({"jsonrpc": "2.0", "id": self.next, "method": method, "params": params});
        self.send(Method::POST, path, &message.to_string(), &[]).await
    }

    /// Sends `initialize` and keeps the session that it opens.
    pub async fn initialize(&mut self, path: &str) -> Result<Reply, Trouble> {
        self.hello(path, json!({})).await
    }

    async fn hello(&mut self, path: &str, capabilities: Value) -> Result<Reply, Trouble> {
        self.session = None;
        let hello = json!({"protocolVersion": REVISION, "capabilities": capabilities, "clientInfo": {"name": "bastide-assess", "version": env!("CARGO_PKG_VERSION")}});
        let reply = self.ask_at(path, "initialize", hello).await?;
        self.session = reply.header("mcp-session-id").map(str::to_owned);
        Ok(reply)
    }

    /// Opens a session on all servers.
    pub async fn open(&mut self) -> Result<(), Trouble> {
        self.open_with(json!({})).await
    }

    /// Opens a session on all servers, as a client that can do this.
    pub async fn open_with(&mut self, capabilities: Value) -> Result<(), Trouble> {
        let reply = self.hello("/mcp", capabilities).await?;
        if self.session.is_none() {
            return Err(Trouble::new("opened a session", format!("the gateway answered {}", reply.said())));
        }
        let noted = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.send(Method::POST, "/mcp", &noted.to_string(), &[]).await?;
        Ok(())
    }

    /// Calls a tool.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<Reply, Trouble> {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Calls a tool within the trace `parent`.
    pub async fn call_in(&mut self, tool: &str, arguments: Value, parent: &str) -> Result<Reply, Trouble> {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments, "_meta": {"traceparent": parent}})).await
    }

    /// The names that a list holds.
    pub async fn names(&mut self, method: &str, list: &str) -> Result<Vec<String>, Trouble> {
        let reply = self.ask(method, json!({})).await?;
        let message = reply.message();
        let Some(items) = message.pointer(&format!("/result/{list}")).and_then(Value::as_array) else { return Ok(Vec::new()) };
        Ok(items.iter().filter_map(|item| item.get("name").or_else(|| item.get("uri"))?.as_str()).map(str::to_owned).collect())
    }

    /// Ends the session.
    pub async fn close(&mut self) {
        if self.session.is_some() {
            let _ = self.send(Method::DELETE, "/mcp", "", &[]).await;
            self.session = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &Value) -> Reply {
        Reply { status, headers: HeaderMap::new(), body: body.to_string().into_bytes() }
    }

    #[test]
    fn a_refusal_is_found_wherever_it_stands() {
        let object = json!({"code": "access.deny-by-default/denied", "reference": "C-000000000001"});
        for body in [
            json!({"result": {"isError": true, "_meta": {"dev.bastide/refusal": object}}}),
            json!({"error": {"code": -32602, "data": object}}),
            object.clone(),
        ] {
            let reply = reply(200, &body);
            assert_eq!(reply.code().as_deref(), Some("access.deny-by-default/denied"));
            assert_eq!(reply.reference().as_deref(), Some("C-000000000001"));
            assert!(!reply.ran());
        }
        assert!(reply(200, &json!({"result": {"content": []}})).ran());
    }

    #[test]
    fn the_face_of_a_reply_has_neither_id_nor_reference() {
        let body = |id: u64, reference: &str| json!({"jsonrpc": "2.0", "id": id, "error": {"data": {"code": "a/b", "reference": reference}, "message": format!("see {reference}")}});
        assert_eq!(reply(200, &body(1, "C-1")).face(), reply(200, &body(2, "C-2")).face());
        assert_ne!(reply(200, &body(1, "C-1")).face(), reply(404, &body(1, "C-1")).face());
    }
}
