//! The agent of the story: an MCP client over HTTP, as small as one can be.

use crate::outcome::Failure;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// The longest answer that is read.
const MOST: usize = 1 << 20;

/// One session with the gateway.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    path: String,
    host: String,
    token: String,
    session: Option<String>,
    next: u64,
}

/// What came back of a call.
pub struct Said {
    /// The status.
    pub status: u16,
    /// The text of the result.
    pub text: String,
    /// The code of the refusal, if it was one.
    pub refusal: Option<String>,
    /// Its reference.
    pub reference: Option<String>,
}

impl Client {
    /// Connects to `url` and opens a session.
    ///
    /// # Errors
    /// [`Failure`] when nothing MCP answers there.
    pub async fn open(url: &str, token: &str) -> Result<Self, Failure> {
        let uri: http::Uri = url.parse().map_err(|cause: http::uri::InvalidUri| Failure::caused(&cause))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let stream = TcpStream::connect(&host).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|cause| Failure::caused(&cause))?;
        tokio::spawn(connection);
        let mut client = Self { sender, path: uri.path().to_owned(), host, token: token.to_owned(), session: None, next: 0 };
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bastide-try", "version": env!("CARGO_PKG_VERSION")}});
        let (status, _) = client.send(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await?;
        if status != StatusCode::OK {
            return Err(Failure::system(format!("the gateway answers a handshake with {status}")));
        }
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        Ok(client)
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// [`Failure`] when the connection is lost.
    pub async fn call(&mut self, tool: &str, arguments: &Value) -> Result<Said, Failure> {
        self.next += 1;
        let call = json!({"jsonrpc": "2.0", "id": self.next, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
        let (status, answer) = self.send(&call).await?;
        let result = answer.get("result");
        let refusal =
            result.and_then(|result| result.get("_meta")?.get("dev.bastide/refusal")).or_else(|| answer.get("error")?.get("data"));
        let word = |key: &str| refusal.and_then(|refusal| refusal.get(key)?.as_str()).map(str::to_owned);
        let blocks = result.and_then(|result| result.get("content")?.as_array()).map(Vec::as_slice).unwrap_or_default();
        let text: Vec<&str> = blocks.iter().filter_map(|block| block.get("text")?.as_str()).collect();
        Ok(Said { status: status.as_u16(), text: text.join("\n"), refusal: word("code"), reference: word("reference") })
    }

    async fn send(&mut self, message: &Value) -> Result<(StatusCode, Value), Failure> {
        let mut request = Request::post(&self.path)
            .header("host", &self.host)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        let request = request.body(Full::new(Bytes::from(message.to_string()))).map_err(|cause| Failure::caused(&cause))?;
        self.sender.ready().await.map_err(|cause| Failure::caused(&cause))?;
        let answer = self.sender.send_request(request).await.map_err(|cause| Failure::caused(&cause))?;
        let status = answer.status();
        if let Some(session) = answer.headers().get("mcp-session-id").and_then(|value| value.to_str().ok()) {
            self.session = Some(session.to_owned());
        }
        let body = http_body_util::Limited::new(answer.into_body(), MOST).collect().await;
        let bytes = body.map_err(|cause| Failure::system(format!("the gateway's answer is lost: {cause}")))?.to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        let json = text.lines().find_map(|line| line.strip_prefix("data: ").filter(|data| data.contains("\"id\""))).unwrap_or(&text);
        Ok((status, serde_json::from_str(json).unwrap_or(Value::Null)))
    }
}
