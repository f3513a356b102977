//! Printing what the modern revision alone has.

use crate::id::Id;
use crate::json::{self, Object};
use crate::method::Method;
use crate::revision::Revision;
use crate::shape::{CAPABILITIES_KEY, CLIENT_KEY, LEVEL_KEY, SERVER_KEY, SUBSCRIPTION_KEY, VERSION_KEY};
use crate::view::{Filter, Level};

/// The `_meta` of a modern request of ours.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    /// The revision that it is of.
    pub revision: Revision,
    /// What we can do for the client, one JSON object.
    pub capabilities: &'a [u8],
    /// Our own version.
    pub version: &'a str,
    /// From which gravity on log messages are wanted.
    pub log_level: Option<Level>,
    /// What notes of progress shall name.
    pub progress: Option<&'a Id>,
}

/// Appends the `_meta` of a modern request of ours, one JSON object.
pub fn print_meta(out: &mut Vec<u8>, meta: &Meta<'_>) {
    let mut object = Object::open(out);
    write_meta(&mut object, meta);
    object.close();
}

/// The same into a `_meta` that holds other members too.
pub fn write_meta(object: &mut Object<'_>, meta: &Meta<'_>) {
    object.text(VERSION_KEY, meta.revision.as_str()).raw(CAPABILITIES_KEY, meta.capabilities);
    print_implementation(object.key(CLIENT_KEY), meta.version);
    if let Some(level) = meta.log_level {
        object.text(LEVEL_KEY, level.as_str());
    }
    if let Some(token) = meta.progress {
        token.write(object.key("progressToken"));
    }
}

/// Appends what we say of ourselves in any revision, one JSON object: our name and our own `version`.
pub fn print_implementation(out: &mut Vec<u8>, version: &str) {
    let mut info = Object::open(out);
    info.text("name", "bastide").text("version", version);
    info.close();
}

/// Appends the `_meta` of a modern message of ours to a client: the listen request whose stream it is on, and, on results, what wrote it.
pub fn print_own_meta(out: &mut Vec<u8>, subscription: Option<&Id>, version: Option<&str>) {
    let mut object = Object::open(out);
    if let Some(id) = subscription {
        id.write(object.key(SUBSCRIPTION_KEY));
    }
    if let Some(version) = version {
        print_implementation(object.key(SERVER_KEY), version);
    }
    object.close();
}

/// Appends a result that is `input_required`: the questions (our key, the method, the params as JSON) and the state that the client brings back.
pub fn print_input_required<'a>(out: &mut Vec<u8>, questions: impl IntoIterator<Item = (&'a str, Method, &'a [u8])>, state: Option<&str>) {
    let mut result = Object::open(out);
    result.text("resultType", "input_required");
    let mut entries = Object::open(result.key("inputRequests"));
    for (key, method, params) in questions {
        let mut entry = Object::open(entries.key(key));
        entry.text("method", method.as_str()).raw("params", params);
        entry.close();
    }
    entries.close();
    if let Some(state) = state {
        result.text("requestState", state);
    }
    result.close();
}

/// Appends the answers of a client, one JSON object: each with the key that the server gave its question, the answer as JSON.
pub fn print_answers<'a>(out: &mut Vec<u8>, answers: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
    let mut object = Object::open(out);
    for (key, answer) in answers {
        object.raw(key, answer);
    }
    object.close();
}

/// Appends a filter as it stands in a listen request and in what acknowledges it, one JSON object. What is not wanted is left out.
pub fn print_filter(out: &mut Vec<u8>, filter: &Filter<'_>) {
    let mut object = Object::open(out);
    for (key, on) in
        [("toolsListChanged", filter.tools), ("promptsListChanged", filter.prompts), ("resourcesListChanged", filter.resources)]
    {
        if on {
            object.raw(key, b"true");
        }
    }
    if !filter.updates.is_empty() {
        let list = object.key("resourceSubscriptions");
        list.push(b'[');
        for (place, uri) in filter.updates.iter().enumerate() {
            if place > 0 {
                list.push(b',');
            }
            json::write_str(list, uri);
        }
        list.push(b']');
    }
    object.close();
}

/// Appends the notification that opens each listen stream: which of the wishes are honoured.
pub fn print_acknowledged(out: &mut Vec<u8>, subscription: &Id, filter: &Filter<'_>) {
    let mut params = Vec::new();
    let mut object = Object::open(&mut params);
    print_filter(object.key("notifications"), filter);
    print_own_meta(object.key("_meta"), Some(subscription), None);
    object.close();
    super::print_notification(out, Method::ListenAcknowledged.as_str(), Some(&params));
}

/// Appends the result that ends a listen stream gracefully.
pub fn print_listened(out: &mut Vec<u8>, subscription: &Id, version: &str) {
    let mut result = Object::open(out);
    result.text("resultType", "complete");
    print_own_meta(result.key("_meta"), Some(subscription), Some(version));
    result.close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Envelope, Peer};

    fn text(print: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_of_ours_is_one() {
        let token = Id::Number(7);
        let meta = Meta {
            revision: Revision::R2026_07_28,
            capabilities: br#"{"roots":{}}"#,
            version: "1.2",
            log_level: Some(Level::Notice),
            progress: Some(&token),
        };
        let filter = Filter { tools: true, updates: vec!["a:b".into()], ..Filter::default() };
        let params = text(|out| {
            let mut object = Object::open(out);
            print_filter(object.key("notifications"), &filter);
            print_meta(object.key("_meta"), &meta);
            object.close();
        });
        assert_eq!(
            params,
            r#"{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/clientInfo":{"name":"bastide","version":"1.2"},"io.modelcontextprotocol/logLevel":"notice","progressToken":7}}"#
        );
        let request = text(|out| crate::print_request(out, &Id::Number(1), "subscriptions/listen", Some(params.as_bytes())));
        let envelope = Envelope::read(request.into(), Peer::Client, &Bounds::default()).unwrap();
        assert!(envelope.message(Revision::R2026_07_28).is_ok());
    }

    #[test]
    fn what_goes_to_a_client_is_printed_as_its_revision_has_it() {
        let id = Id::Text("7".into());
        assert_eq!(
            text(|out| print_acknowledged(out, &id, &Filter::default())),
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/subscriptionId":"7"}}}"#
        );
        assert_eq!(
            text(|out| print_listened(out, &id, "1")),
            r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"7","io.modelcontextprotocol/serverInfo":{"name":"bastide","version":"1"}}}"#
        );
        assert_eq!(
            text(|out| print_input_required(out, [("q", Method::ListRoots, &b"{}"[..])], Some("s"))),
            r#"{"resultType":"input_required","inputRequests":{"q":{"method":"roots/list","params":{}}},"requestState":"s"}"#
        );
        assert_eq!(text(|out| print_answers(out, [("a", &b"{}"[..]), ("b", &b"[]"[..])])), r#"{"a":{},"b":[]}"#);
    }
}
