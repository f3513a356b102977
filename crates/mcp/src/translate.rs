//! From the revision of one side to that of the other: what changes in results, definitions, params, questions and errors.
//!
//! The shapes know which members a revision has, so most of it is taking out what the reader's does not. Every function only notes changes; the
//! text is printed once, with whatever else was changed in it. Between two sides of the same legacy revision nothing is noted and nothing looked at.

mod output;

pub use output::Output;

use crate::definition::Sort;
use crate::document::{Edits, Kind, Node};
use crate::fault::{INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RESOURCE_NOT_FOUND, URL_ELICITATION_REQUIRED};
use crate::header::DECLARATION;
use crate::json::{self, Object};
use crate::method::Method;
use crate::revision::Revision;
use crate::shape::{self, SERVER_KEY};
use crate::view::{self, ResultKind};
use crate::{print, schema};

/// The revisions of the two sides of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Legs {
    /// What we speak with the client.
    pub client: Revision,
    /// What we speak with the server.
    pub server: Revision,
}

/// A question that the client's revision has no way to put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the client's revision of the protocol has no such question")]
pub struct Unbridged;

/// The prefix of the protocol's own keys in `_meta`.
const RESERVED: &str = "io.modelcontextprotocol/";

impl Legs {
    /// Whether what one side says can go to the other as it is.
    pub fn alike(self) -> bool {
        self.client == self.server && self.client.is_legacy()
    }

    /// Notes what makes the `result` of `method`, checked for the server's revision, one of the client's.
    ///
    /// A result that is `input_required` is not touched: its questions are put one by one. `output` is how the tool's structured content is
    /// listed, [`Output::Plain`] for other methods. What a server says of itself goes in any case; [`sign`] puts our name there. The end of a listen stream belongs to one leg
    /// and is not for this.
    pub fn result(self, method: Method, result: Node<'_>, output: Output, edits: &mut Edits) {
        if self.alike() || view::result_kind(result) != ResultKind::Complete {
            return;
        }
        for member in result.get("_meta").into_iter().flat_map(Node::members).filter(|member| member.name().starts_with(RESERVED)) {
            edits.remove(member.value.index());
        }
        if self.client != self.server {
            shape::refit_result(method, result, (self.server, self.client), edits);
            if method == Method::ListTools {
                result.get("tools").into_iter().flat_map(Node::items).for_each(|tool| self.schemas(tool, edits));
            }
        }
        if !self.client.is_legacy() {
            complete(method, result, edits);
        } else if method == Method::CallTool
            && self.client >= Revision::R2025_06_18
            && let Some(content) = result.get("structuredContent")
            && (output == Output::Enclosed || content.kind() != Kind::Object)
        {
            edits.enclose(content.index(), output::KEY);
        }
    }

    /// Notes what makes a `definition`, as its server lists it, one of the client's revision.
    ///
    /// Between revisions a tool asks for no headers: a legacy client sends none, and a legacy server has not asked for what a modern client reads
    /// there. A schema of output that is none of an object is enclosed for legacy clients; what is changed in it must be noted before.
    pub fn definition(self, sort: Sort, definition: Node<'_>, edits: &mut Edits) {
        if self.client == self.server {
            return;
        }
        shape::refit_definition(sort, definition, (self.server, self.client), edits);
        if sort == Sort::Tool {
            self.schemas(definition, edits);
        }
    }

    fn schemas(self, tool: Node<'_>, edits: &mut Edits) {
        if let Some(schema) = tool.get("inputSchema") {
            schema::each(schema, &mut |schema| {
                if let Some(declaration) = schema.get(DECLARATION) {
                    edits.remove(declaration.index());
                }
                true
            });
        }
        if self.client.is_legacy()
            && self.client >= Revision::R2025_06_18
            && let Some(schema) = tool.get("outputSchema")
        {
            output::enclose(schema, edits);
        }
    }

    /// Notes what makes the `params` of a server's question `method` such of the client's revision. `name` is what a legacy client shall call a
    /// page to be visited.
    ///
    /// # Errors
    /// [`Unbridged`] when the client's revision has no such question.
    pub fn question(self, method: Method, params: Node<'_>, name: &str, edits: &mut Edits) -> Result<(), Unbridged> {
        if self.alike() {
            return Ok(());
        }
        let page = params.get("mode").is_some_and(|mode| mode.is_text("url"));
        let titled = |property: Node<'_>| property.get("oneOf").is_some();
        let form = params.get("requestedSchema").and_then(|schema| schema.get("properties"));
        let old = self.client < Revision::R2025_11_25;
        let asks = self.client >= Revision::R2025_06_18 || method != Method::Elicit;
        if !asks || (old && (page || form.into_iter().flat_map(Node::members).any(|member| titled(member.value)))) {
            return Err(Unbridged);
        }
        if self.client == self.server {
            return Ok(());
        }
        if !shape::refit_params(method, params, (self.server, self.client), edits) {
            return Err(Unbridged);
        }
        if method == Method::CreateMessage {
            params.get("tools").into_iter().flat_map(Node::items).for_each(|tool| self.schemas(tool, edits));
            let said = params.get("messages").into_iter().flat_map(Node::items).filter_map(|message| message.get("content"));
            said.for_each(|content| objects(content, self.client, edits));
        }
        if page && self.client.is_legacy() && !self.server.is_legacy() {
            let mut text = Vec::new();
            json::write_str(&mut text, name);
            edits.append(params.index(), "elicitationId", text);
        }
        Ok(())
    }

    /// Notes what makes a client's answer to the question `method`, checked for its revision, one of the server's.
    pub fn answer(self, method: Method, answer: Node<'_>, edits: &mut Edits) {
        if self.client != self.server {
            shape::refit_result(method, answer, (self.client, self.server), edits);
            if let (Method::CreateMessage, Some(content)) = (method, answer.get("content")) {
                objects(content, self.server, edits);
            }
        }
    }

    /// The code that the client is told for one of the server: what means to a client what the server meant. All others are our fault, or the
    /// server's as far as the client goes. A resource that there is not has a code of its own in legacy revisions alone; its address goes with
    /// either ([`not_found`]).
    pub fn code(self, method: Method, code: i64, data: Option<Node<'_>>) -> i64 {
        let missing = method == Method::ReadResource && data.is_some_and(|data| data.get("uri").is_some());
        match code {
            RESOURCE_NOT_FOUND if !self.client.is_legacy() => INVALID_PARAMS,
            INVALID_PARAMS if self.client.is_legacy() && !self.server.is_legacy() && missing => RESOURCE_NOT_FOUND,
            URL_ELICITATION_REQUIRED if (self.client, self.server) == (Revision::R2025_11_25, Revision::R2025_11_25) => code,
            INVALID_PARAMS | INTERNAL_ERROR | METHOD_NOT_FOUND | -32019..=-32000 => code,
            _ => INTERNAL_ERROR,
        }
    }
}

/// The `data` of the error for a resource that there is not: its address, as the client spells it.
pub fn not_found(uri: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut data = Object::open(&mut out);
    data.text("uri", uri);
    data.close();
    out
}

/// Notes what a modern client must read in a whole result of `method`: that it is whole and, where the method asks for it, how long it may be kept.
/// It never may be shared, as what we answer depends on who asks; a server's time is kept, and without one it is none.
fn complete(method: Method, result: Node<'_>, edits: &mut Edits) {
    let mut add = |key, json: &[u8]| {
        if result.get(key).is_none() {
            edits.append(result.index(), key, json);
        }
    };
    add("resultType", b"\"complete\"");
    if method.is_cached() {
        add("ttlMs", b"0");
        add("cacheScope", b"\"private\"");
        if let Some(scope) = result.get("cacheScope") {
            edits.set_text(scope.index(), "private");
        }
    }
}

/// Notes that the structured content of each tool's result in `content`, one block or several, is an object where `reader` knows objects alone.
fn objects(content: Node<'_>, reader: Revision, edits: &mut Edits) {
    let blocks = content.items().chain(Some(content).filter(|content| content.kind() == Kind::Object));
    for structured in blocks.filter_map(|block| block.get("structuredContent")) {
        if reader.is_legacy() && structured.kind() != Kind::Object {
            edits.enclose(structured.index(), output::KEY);
        }
    }
}

/// Notes our name and `version` in the `_meta` of a result for a modern client, in the place of the server's.
pub fn sign(result: Node<'_>, version: &str, edits: &mut Edits) {
    let mut info = Vec::new();
    match result.get("_meta") {
        Some(meta) => {
            if let Some(theirs) = meta.get(SERVER_KEY) {
                edits.remove(theirs.index());
            }
            print::print_implementation(&mut info, version);
            edits.append(meta.index(), SERVER_KEY, info);
        }
        None => {
            print::print_own_meta(&mut info, None, Some(version));
            edits.append(result.index(), "_meta", info);
        }
    }
}

#[cfg(test)]
mod tests;
