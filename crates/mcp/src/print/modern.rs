//! Printing what the modern revision alone has.

use crate::document::Node;
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
    object.text(VERSION_KEY, meta.revision.as_str()).raw(CAPABILITIES_KEY, meta.capabilities);
    implementation(object.key(CLIENT_KEY), meta.version);
    if let Some(level) = meta.log_level {
        object.text(LEVEL_KEY, level.as_str());
    }
    if let Some(token) = meta.progress {
        token.write(object.key("progressToken"));
    }
    object.close();
}

/// Appends what we say of ourselves, one JSON object.
pub(crate) fn implementation(out: &mut Vec<u8>, version: &str) {
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
        implementation(object.key(SERVER_KEY), version);
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

/// Appends the params of a listen request; `meta` is JSON already.
pub fn print_listen(out: &mut Vec<u8>, filter: &Filter<'_>, meta: &[u8]) {
    let mut params = Object::open(out);
    print_filter(params.key("notifications"), filter);
    params.raw("_meta", meta);
    params.close();
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

/// Appends a result of ours as a modern client reads it. `result` is an object of ours without these members: `resultType` and our name go in, and
/// where `method` asks for them `ttlMs` 0 and `cacheScope` `private`.
pub fn print_modern_result(out: &mut Vec<u8>, method: Method, result: Node<'_>, version: &str) {
    let mut edits = crate::Edits::new();
    crate::translate::complete(method, result, &mut edits);
    crate::translate::sign(result, version, &mut edits);
    result.print(&edits, out);
}
