//! Which revision a server speaks, and how our own requests look in it.
//!
//! Source: MCP 2026-07-28, "Discovery" and "Versioning"; MCP 2025-11-25, "Lifecycle".

use super::Broken;
use super::link::Frame;
use crate::session::{Abilities, Ability};
use http::{HeaderName, HeaderValue};
use mcp::print::Meta;
use mcp::view::Level;
use mcp::{Document, Id, Method, Node, Outcome, Response, Revision, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a server is waited for that may not know the question what there is. It counts from the start of its process.
pub(super) const PROBE: Duration = Duration::from_secs(10);

const METHOD: HeaderName = HeaderName::from_static(mcp::header::METHOD);
const NAME: HeaderName = HeaderName::from_static(mcp::header::NAME);

/// The revision of a link, found out while it is opened.
pub(super) struct Era(AtomicUsize);

impl Default for Era {
    fn default() -> Self {
        let era = Self(AtomicUsize::new(0));
        era.set(Revision::NEWEST_LEGACY);
        era
    }
}

impl Era {
    pub(super) fn set(&self, revision: Revision) {
        let place = Revision::ALL.iter().position(|one| *one == revision).unwrap_or(0);
        self.0.store(place, Ordering::Release);
    }

    pub(super) fn revision(&self) -> Revision {
        Revision::ALL.get(self.0.load(Ordering::Acquire)).copied().unwrap_or(Revision::NEWEST_LEGACY)
    }

    /// The revision that the head of a request states: a handshake states none.
    pub(super) fn stated(&self, settled: bool) -> Option<Revision> {
        let revision = self.revision();
        (settled || !revision.is_legacy()).then_some(revision)
    }
}

/// What a server turned out to be.
pub(super) enum Seen {
    /// It answered what there is.
    Modern(Response),
    /// It does not know the question.
    Legacy,
}

/// Reads the answer to `server/discover`. One that names the revision is held to it.
pub(super) fn seen(response: &Response, revision: Revision) -> Result<Seen, Broken> {
    match response.outcome() {
        Outcome::Result(result)
            if mcp::view::discovered(result).is_some_and(|said| said.revisions.iter().any(|one| *one == revision.as_str())) =>
        {
            mcp::check_result(Method::Discover, result, revision).map_err(Broken::Malformed)?;
            Ok(Seen::Modern(response.clone()))
        }
        Outcome::Result(_) | Outcome::Error { .. } => Ok(Seen::Legacy),
    }
}

/// Whether a server refuses the revision of a question and names that very one among those that it speaks: some do once.
pub(super) fn speaks(response: &Response, revision: Revision) -> bool {
    match response.outcome() {
        Outcome::Error { code: mcp::REVISION_UNSUPPORTED, data, .. } => {
            let supported = data.and_then(|data| data.get("supported"));
            supported.into_iter().flat_map(Node::items).any(|one| one.is_text(revision.as_str()))
        }
        Outcome::Error { .. } | Outcome::Result(_) => false,
    }
}

/// What a fault in place of the answer to `server/discover` means: a server that refuses the request as such is of the other era, a server that
/// cannot be reached, wants other credentials or fails is of none.
pub(super) fn fallen(broken: Broken) -> Result<Seen, Broken> {
    match &broken {
        Broken::Wire(transport::upstream::Fault::Status { status, .. }) if matches!(status.as_u16(), 400 | 404 | 405 | 406) => {
            Ok(Seen::Legacy)
        }
        Broken::Malformed(_) => Ok(Seen::Legacy),
        _ => Err(broken),
    }
}

/// Whether what came with an error status is the answer of a server of a revision without a handshake: those give each status its own errors. Anything
/// else contradicts that it is one (MCP 2026-07-28, "Error Codes" and "Streamable HTTP").
pub(super) fn is_answer(status: http::StatusCode, frame: &bytes::Bytes, bounds: &mcp::Bounds) -> bool {
    let document = Document::parse(frame.clone(), bounds).ok();
    let code = document.as_ref().and_then(|document| document.root().get("error")?.get("code")?.integer());
    match (status.as_u16(), code) {
        (400, Some(code)) => code == mcp::INVALID_PARAMS || (-32_022..=-32_020).contains(&code),
        (404, Some(code)) => code == mcp::METHOD_NOT_FOUND,
        _ => false,
    }
}

/// What we say of ourselves.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Abilities as a capabilities object.
pub(crate) fn print_abilities(abilities: Abilities) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    let mut object = json::Object::open(&mut out);
    if abilities.sampling == Ability::Declared {
        object.raw("sampling", b"{}");
    }
    if abilities.roots == Ability::Declared {
        object.raw("roots", br#"{"listChanged":true}"#);
    }
    match (abilities.form, abilities.url) {
        (Ability::Declared, Ability::Declared) => drop(object.raw("elicitation", br#"{"form":{},"url":{}}"#)),
        (Ability::Declared, Ability::Absent) => drop(object.raw("elicitation", br#"{"form":{}}"#)),
        (Ability::Absent, Ability::Declared) => drop(object.raw("elicitation", br#"{"url":{}}"#)),
        (Ability::Absent, Ability::Absent) => {}
    }
    object.close();
    out
}

/// Puts what every request states that stands alone into its `_meta`.
pub(crate) fn state(meta: &mut json::Object<'_>, revision: Revision, abilities: Abilities, level: Option<u8>) {
    if revision.is_legacy() {
        return;
    }
    let log_level = level.and_then(|level| Level::ALL.get(usize::from(level)).copied());
    let own = Meta { revision, capabilities: &print_abilities(abilities), version: VERSION, log_level, progress: None };
    mcp::print::write_meta(meta, &own);
}

/// The headers of a request of `method` about `name`; none where the revision has none.
pub(crate) fn fields(revision: Revision, method: Method, name: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    if revision.is_legacy() {
        return Vec::new();
    }
    let mut fields = Vec::with_capacity(4);
    fields.push((METHOD, HeaderValue::from_static(method.as_str())));
    if let Some(value) = name.and_then(|name| HeaderValue::from_str(&mcp::header::encode(name)).ok()) {
        fields.push((NAME, value));
    }
    fields
}

/// The headers that repeat arguments.
pub(crate) fn repeated(declared: &[mcp::header::Declared], arguments: Option<Node<'_>>) -> Vec<(HeaderName, HeaderValue)> {
    let field = |one: &mcp::header::Declared| {
        let value = HeaderValue::from_str(&one.value(arguments)?).ok()?;
        Some((HeaderName::from_bytes(one.header().as_bytes()).ok()?, value))
    };
    declared.iter().filter_map(field).collect()
}

/// A request of our own. `params` is one object without `_meta`.
pub(super) fn request(revision: Revision, abilities: Abilities, id: &Id, method: Method, params: Option<&[u8]>) -> Frame {
    let mut text = Vec::with_capacity(512);
    if revision.is_legacy() {
        mcp::print_request(&mut text, id, method.as_str(), params);
        return text.into();
    }
    let mut meta = Vec::with_capacity(256);
    let own = Meta { revision, capabilities: &print_abilities(abilities), version: VERSION, log_level: None, progress: None };
    mcp::print::print_meta(&mut meta, &own);
    let mut whole = Vec::with_capacity(320);
    let mut object = json::Object::open(&mut whole);
    object.raw("_meta", &meta);
    let document = params.and_then(|params| Document::parse(params.to_vec().into(), &mcp::Bounds::default()).ok());
    let mut name = None;
    for member in document.iter().flat_map(|document| document.root().members()) {
        object.raw(&member.name(), member.value.raw());
        if matches!(&*member.name(), "name" | "uri") && matches!(method, Method::CallTool | Method::GetPrompt | Method::ReadResource) {
            name = Node::text(member.value).map(std::borrow::Cow::into_owned);
        }
    }
    object.close();
    mcp::print_request(&mut text, id, method.as_str(), Some(&whole));
    Frame { text, fields: fields(revision, method, name.as_deref()) }
}
