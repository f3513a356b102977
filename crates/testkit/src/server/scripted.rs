//! A server that follows a script: which bytes it writes when what arrives. Whatever the script does not name, it answers as the canary does.

use super::{Canary, Server, modern};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The server.
///
/// A script is `{"era": REVISION, "capabilities": {…}, "tools": […], "acts": {NAME: [STAGE, …]}}`. An act is what `tools/call` names in its argument
/// `text`, `resources/read` in its `uri`, `prompts/get` in its argument `who`; of any other method (over HTTP also `GET` and `DELETE`) the flag file,
/// `{METHOD: NAME}`, names it. Its first stage is written at once, the next one when a question is answered, or the request made again with answers
/// or a state, for which the last stage is repeated.
///
/// A stage is a list of steps: a text (over pipes a line), `{"raw": TEXT}`, `{"hex": BYTES}`, `{"big": [COUNT, TEXT]}`, `{"repeat": [COUNT, TEXT]}`,
/// `{"sleep": MS}`, `{"die": true}`, `{"behave": true}`. In texts `$ID`, `$TOKEN` and `$ANSWER` stand for the request's id, its progress token and what
/// a question was answered with, as a JSON string; `$N` for the count of a repetition. Over HTTP steps write to the socket itself, head and all.
#[derive(Debug)]
pub struct Scripted {
    canary: Canary,
    script: Value,
    flag: Option<PathBuf>,
    stages: HashMap<String, usize>,
    asking: Option<(String, Value)>,
}

/// What is written, and what comes after it.
struct Turn {
    steps: Vec<Value>,
    message: Value,
    answer: Value,
}

impl Scripted {
    /// A server that follows `script`; `flag` is the file that names the acts of methods.
    pub fn new(canary: Canary, script: Value, flag: Option<PathBuf>) -> Self {
        Self { canary, script, flag, stages: HashMap::new(), asking: None }
    }

    /// Serves standard input and output until it ends.
    ///
    /// # Errors
    /// When the client no longer reads.
    pub fn serve_stdio(self) -> std::io::Result<()> {
        let mut server = self;
        super::serve_stdio(&mut server)
    }

    /// Serves `listener`, a thread a connection, one request each. Never returns.
    pub fn serve_http(self, listener: &TcpListener) -> ! {
        let server = Arc::new(Mutex::new(self));
        loop {
            if let Ok((stream, _)) = listener.accept() {
                let server = Arc::clone(&server);
                std::thread::spawn(move || serve_one(stream, &server));
            }
        }
    }

    fn is_modern(&self) -> bool {
        self.script["era"] == "2026-07-28"
    }

    /// The act that `message` asks for, if it asks for one.
    fn act(&self, method: &str, params: &Value) -> Option<String> {
        let own = match method {
            "tools/call" => params.pointer("/arguments/text"),
            "resources/read" => params.get("uri"),
            "prompts/get" => params.pointer("/arguments/who"),
            _ => None,
        };
        let flagged = || {
            let text = std::fs::read_to_string(self.flag.as_ref()?).ok()?;
            serde_json::from_str::<Value>(&text).ok()?.get(method).cloned()
        };
        let name = own.cloned().or_else(flagged)?.as_str()?.to_owned();
        self.script["acts"].get(&name).is_some().then_some(name)
    }

    /// What of the script answers `message`; none where the canary does.
    fn turn(&mut self, method: Option<&str>, message: &Value) -> Option<Turn> {
        let params = message.get("params").unwrap_or(&Value::Null);
        let (name, message, answer) = match method {
            None => {
                let (name, asked) = self.asking.clone()?;
                let stage = self.stages.entry(name.clone()).or_default();
                *stage += 1;
                if *stage >= self.script["acts"][&name].as_array()?.len() {
                    return None;
                }
                (name, asked, message.clone())
            }
            Some(method) => {
                let name = self.act(method, params)?;
                let again = params.get("inputResponses").is_some() || params.get("requestState").is_some();
                let stage = self.stages.entry(name.clone()).or_default();
                *stage = if again { *stage + 1 } else { 0 };
                self.asking = Some((name.clone(), message.clone()));
                (name, message.clone(), params.get("inputResponses").cloned().unwrap_or_default())
            }
        };
        let stages = self.script["acts"][&name].as_array()?;
        let steps = stages.get(self.stages[&name].min(stages.len() - 1))?.as_array()?.clone();
        Some(Turn { steps, message, answer })
    }

    /// What the canary answers to `method`, in the script's era.
    fn behave(&self, method: &str, message: &Value) -> Value {
        let params = message.get("params").unwrap_or(&Value::Null);
        let answer = if self.is_modern() { modern(&self.canary, method, params) } else { self.canary.answer(method, params) };
        let id = &message["id"];
        match answer {
            Ok(mut result) => {
                if let (Some(more), Some(tools)) = (self.script["tools"].as_array(), result.get_mut("tools").and_then(Value::as_array_mut))
                {
                    tools.extend(more.iter().cloned());
                }
                if let (Some(capabilities), Some(found)) = (self.script.get("capabilities"), result.get_mut("capabilities")) {
                    found.clone_from(capabilities);
                }
                json!({"jsonrpc": "2.0", "id": id, "result": result})
            }
            Err((code, text)) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}}),
        }
    }
}

impl Turn {
    fn text(&self, text: &str, count: u64) -> String {
        let token = self.message.pointer("/params/_meta/progressToken").unwrap_or(&Value::Null);
        let answer = Value::String(self.answer.to_string()).to_string();
        text.replace("$ID", &self.message["id"].to_string())
            .replace("$TOKEN", &token.to_string())
            .replace("$ANSWER", &answer)
            .replace("$N", &count.to_string())
    }

    /// Writes the steps, lines with `end` behind them; false when the server dies.
    fn write(&self, out: &mut dyn Write, end: &str, behave: impl Fn() -> Vec<u8>) -> std::io::Result<bool> {
        for step in &self.steps {
            let pair = |name: &str| Some((step.get(name)?.get(0)?.as_u64()?, step.get(name)?.get(1)?.as_str()?));
            if let Some(text) = step.as_str() {
                write!(out, "{}{end}", self.text(text, 0))?;
            } else if let Some(text) = step["raw"].as_str() {
                write!(out, "{}", self.text(text, 0))?;
            } else if let Some(bytes) = step["hex"].as_str() {
                out.write_all(&hex::decode(bytes).unwrap_or_default())?;
            } else if let Some((count, text)) = pair("big") {
                let piece = text.repeat(4096);
                for _ in 0..count / 4096 {
                    out.write_all(piece.as_bytes())?;
                }
            } else if let Some((count, text)) = pair("repeat") {
                for at in 0..count {
                    write!(out, "{}{end}", self.text(text, at))?;
                }
            } else if let Some(wait) = step["sleep"].as_u64() {
                out.flush()?;
                std::thread::sleep(Duration::from_millis(wait));
            } else if step["behave"] == true {
                out.write_all(&behave())?;
            } else if step["die"] == true {
                out.flush()?;
                return Ok(false);
            }
        }
        out.flush()?;
        Ok(true)
    }
}

impl Server for Scripted {
    fn take(&mut self, message: &Value, out: &mut dyn Write) -> std::io::Result<bool> {
        self.canary.hear(message)?;
        let method = message.get("method").and_then(Value::as_str);
        let asks = message.get("id").is_some();
        if let Some(turn) = self.turn(method, message).filter(|_| asks) {
            return turn.write(out, "\n", || format!("{}\n", self.behave(method.unwrap_or_default(), message)).into_bytes());
        }
        if let (Some(method), true) = (method, asks) {
            writeln!(out, "{}", self.behave(method, message))?;
            out.flush()?;
        }
        Ok(true)
    }
}

fn serve_one(mut stream: TcpStream, server: &Mutex<Scripted>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let verb = line.split(' ').next().unwrap_or_default().to_owned();
    let (mut length, mut headers) = (0, serde_json::Map::new());
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        if name == "content-length" {
            length = value.parse().unwrap_or(0);
        }
        headers.insert(name, json!(value));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let method = if verb == "POST" { message.get("method").and_then(Value::as_str).map(str::to_owned) } else { Some(verb.clone()) };
    let (turn, behaved) = {
        let mut server = server.lock().expect("a server does not panic");
        server.canary.hear(&message)?;
        server.canary.hear(&json!({"verb": verb, "session": headers.get("mcp-session-id"), "for": message.get("method")}))?;
        let turn = server.turn(method.as_deref(), &message);
        let behaved = match (verb.as_str(), &method, message.get("id")) {
            ("POST", Some(method), Some(_)) => {
                let answer = server.behave(method, &message).to_string();
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                    answer.len()
                )
            }
            ("POST", ..) => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            _ => "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        };
        (turn, behaved.into_bytes())
    };
    match turn {
        Some(turn) => turn.write(&mut stream, "", || behaved.clone()).map(drop),
        None => stream.write_all(&behaved),
    }
}
