//! Messages that each revision allows, built by choices: a second statement of the protocol, written from its specification and not from our shapes.

mod client;
mod server;

pub use server::ANSWERED;

use crate::tree::object;
use crate::{Input, Tree};
use mcp::{Method, Need, Peer, Revision, Sort};

pub(crate) const MARCH: Revision = Revision::R2025_03_26;
pub(crate) const JUNE: Revision = Revision::R2025_06_18;
pub(crate) const NOVEMBER: Revision = Revision::R2025_11_25;
pub(crate) const MODERN: Revision = Revision::R2026_07_28;

/// The revisions that are spoken.
pub const SPOKEN: [Revision; 4] = [MARCH, JUNE, NOVEMBER, MODERN];

/// Builds values of one revision.
pub struct Maker<'i, 'a> {
    /// By which choices.
    pub input: &'i mut Input<'a>,
    /// Of which revision.
    pub revision: Revision,
}

type Make = fn(&mut Maker<'_, '_>) -> Tree;

/// A member of an object: whether it must be there, and from which revision to which.
struct Field {
    key: &'static str,
    must: bool,
    since: Revision,
    until: Revision,
    make: Make,
}

const fn must(key: &'static str, make: Make) -> Field {
    Field { key, must: true, since: MARCH, until: MODERN, make }
}

const fn may(key: &'static str, make: Make) -> Field {
    Field { must: false, ..must(key, make) }
}

impl Field {
    const fn since(self, since: Revision) -> Self {
        Self { since, ..self }
    }

    const fn until(self, until: Revision) -> Self {
        Self { until, ..self }
    }
}

const WORDS: [&str; 18] = [
    "a",
    "echo",
    "",
    "é",
    "\u{1f600}",
    "a b",
    " ",
    "line\nline\ttab",
    "\"quoted\\\"",
    "</script>",
    "=?base64?YQ==?=",
    "ghp_",
    "0",
    "true",
    "\u{202e}abc",
    "e\u{301}",
    "\u{7f}",
    "日本語",
];
const NAMES: [&str; 12] =
    ["echo", "canary__echo", "a", "é", "read mail", "x.y-z_1", "\u{1f600}", "\"", "A", "get__issue", "=?base64??=", "\u{7f}"];
const URIS: [&str; 8] = [
    "file:///a/b",
    "a:b",
    "https://example.com/%20?q=1#f",
    "bastide://canary/x",
    "test://é",
    "urn:x:y",
    "data:,x",
    "bastide://canary/test%3A%2F%2Fa",
];
const KEYS: [&str; 10] = ["a", "é", "Name", "x-mcp-header", "$ref", "properties", "task", "-", "a/b", "\u{1f600}"];
const INTEGERS: [i64; 8] = [0, 1, -1, 7, 100, (1 << 53) - 1, -((1 << 53) - 1), 65_536];
const NUMBERS: [&str; 9] = ["0", "1", "-1.5", "0.10", "1e3", "-0", "9007199254740993", "1E-7", "0.30000000000000004"];

impl Maker<'_, '_> {
    fn object(&mut self, fields: &[Field]) -> Tree {
        let mut members = Vec::new();
        for field in fields {
            let known = field.since <= self.revision && self.revision <= field.until;
            if known && (field.must || self.input.rarely(3)) {
                members.push((field.key.to_owned(), (field.make)(self)));
            }
        }
        if !members.is_empty() && self.input.rarely(4) {
            let by = self.input.below(members.len());
            members.rotate_left(by);
        }
        Tree::Object(members)
    }

    fn list(&mut self, most: usize, make: Make) -> Tree {
        Tree::Array((0..self.input.below(most + 1)).map(|_| make(self)).collect())
    }

    /// An object with other keys each time, of which no two look alike.
    fn map(&mut self, make: Make) -> Tree {
        let members = (0..self.input.below(4)).map(|place| (format!("{}{place}", self.input.pick(&KEYS)), make(self)));
        Tree::Object(members.collect())
    }

    fn one_of(&mut self, choices: &[&str]) -> Tree {
        self.input.pick(choices).into()
    }

    fn text(&mut self) -> Tree {
        if self.input.rarely(8) { Tree::Text(self.input.own(24)) } else { self.one_of(&WORDS) }
    }

    fn name(&mut self) -> Tree {
        if self.input.rarely(8) { Tree::Text("n".repeat(1 + self.input.below(128))) } else { self.one_of(&NAMES) }
    }

    fn uri(&mut self) -> Tree {
        self.one_of(&URIS)
    }

    /// The address of a page that a person is sent to.
    fn page(&mut self) -> Tree {
        self.one_of(&["https://example.com/%20?q=1#f", "HTTP://localhost:1/é", "https://a"])
    }

    fn integer(&mut self) -> Tree {
        self.input.pick(&INTEGERS).into()
    }

    fn natural(&mut self) -> Tree {
        self.input.pick(&[0, 1, 300_000, (1 << 53) - 1]).into()
    }

    fn number(&mut self) -> Tree {
        Tree::Number(self.input.pick(&NUMBERS).to_owned())
    }

    fn truth(&mut self) -> Tree {
        Tree::Bool(self.input.flip())
    }

    fn base64(&mut self) -> Tree {
        self.one_of(&["", "AAAA", "YWI=", "YQ==", "+/+/", "Z2hwXw=="])
    }

    fn token(&mut self) -> Tree {
        match self.input.below(3) {
            0 => self.integer(),
            1 => self.one_of(&["7", "t", "é", "a b"]),
            _ => Tree::Text("t".repeat(1 + self.input.below(256))),
        }
    }

    /// Anything, of no more than three levels.
    pub fn anything(&mut self) -> Tree {
        self.value(3)
    }

    fn value(&mut self, levels: usize) -> Tree {
        match self.input.below(if levels == 0 { 5 } else { 8 }) {
            0 => self.text(),
            1 => self.integer(),
            2 => self.number(),
            3 => self.truth(),
            4 => Tree::Null,
            5 => Tree::Array((0..self.input.below(4)).map(|_| self.value(levels - 1)).collect()),
            _ => self.keyed(levels),
        }
    }

    fn keyed(&mut self, levels: usize) -> Tree {
        let count = self.input.below(4);
        Tree::Object((0..count).map(|place| (format!("{}{place}", self.input.pick(&KEYS)), self.value(levels.saturating_sub(1)))).collect())
    }

    /// An object of anybody's making.
    pub fn open(&mut self) -> Tree {
        self.keyed(2)
    }

    fn strings(&mut self) -> Tree {
        self.map(|it| it.text())
    }

    fn texts(&mut self) -> Tree {
        self.list(3, |it| it.text())
    }

    /// A JSON Schema of an object, as a tool states it for its arguments.
    pub fn schema(&mut self) -> Tree {
        let mut schema = object([("type", "object".into())]);
        if self.input.flip() {
            let properties: Vec<_> =
                (0..self.input.below(4)).map(|place| (format!("{}{place}", self.input.pick(&KEYS)), self.property(2))).collect();
            schema.put("properties", Tree::Object(properties));
        }
        if self.input.rarely(4) {
            schema.put("additionalProperties", Tree::Bool(false));
        }
        schema
    }

    fn property(&mut self, levels: usize) -> Tree {
        let kind = self.input.pick(&["string", "integer", "boolean", "object", "array", "number"]);
        let mut schema = object([("type", kind.into())]);
        if kind == "object" && levels > 0 {
            let inner = self.property(levels - 1);
            schema.put("properties", object([("inner", inner)]));
        }
        if kind == "array" && levels > 0 {
            let inner = self.property(levels - 1);
            schema.put("items", inner);
        }
        if self.input.rarely(3) {
            let name = self.input.pick(&["A", "b-c", "Region", "a", "X.1"]);
            schema.put("x-mcp-header", name.into());
        }
        if self.input.rarely(6) {
            schema.put("$ref", self.input.pick(&["#", "#/properties/a0", "#/$defs/x", "other.json"]).into());
        }
        schema
    }

    fn output_schema(&mut self) -> Tree {
        if self.revision < MODERN || self.input.flip() {
            return self.schema();
        }
        let mut schema = self.property(2);
        if self.input.rarely(3) {
            schema.put("$schema", "https://json-schema.org/draft/2020-12/schema".into());
        }
        if self.input.rarely(4) {
            schema.put("$id", "urn:own".into());
        }
        schema
    }

    /// `_meta` of what is no request.
    fn meta(&mut self) -> Tree {
        let mut meta = Tree::Object(Vec::new());
        for key in ["a", "com.example/trace-id", "x.y.z/w_1"] {
            if self.input.rarely(3) {
                let value = self.anything();
                meta.put(key, value);
            }
        }
        if self.input.rarely(4) {
            meta.put("progressToken", self.token());
        }
        if self.input.rarely(4) {
            meta.put("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
        }
        if self.revision == MODERN && self.input.rarely(4) {
            meta.put("io.modelcontextprotocol/serverInfo", self.implementation());
        }
        meta
    }

    /// `_meta` of a client's request.
    fn own_meta(&mut self) -> Tree {
        let mut meta = self.meta();
        if self.revision == MODERN {
            meta.put("io.modelcontextprotocol/protocolVersion", MODERN.as_str().into());
            let capabilities = if self.input.flip() {
                object([])
            } else {
                object([("elicitation", object([("url", object([]))])), ("roots", object([]))])
            };
            meta.put("io.modelcontextprotocol/clientCapabilities", capabilities);
            if self.input.rarely(3) {
                meta.put("io.modelcontextprotocol/logLevel", self.level());
            }
            if self.input.rarely(3) {
                meta.put("io.modelcontextprotocol/clientInfo", self.implementation());
            }
        }
        meta
    }

    fn level(&mut self) -> Tree {
        self.one_of(&["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"])
    }

    fn icon(&mut self) -> Tree {
        self.object(&[
            must("src", |it| it.one_of(&["https://example.com/i.png", "data:image/png;base64,AAAA"])),
            may("mimeType", |it| it.text()),
            may("sizes", |it| it.texts()),
            may("theme", |it| it.one_of(&["light", "dark"])),
        ])
    }

    fn icons(&mut self) -> Tree {
        self.list(2, |it| it.icon())
    }

    fn implementation(&mut self) -> Tree {
        self.object(&[
            must("name", |it| it.text()),
            must("version", |it| it.text()),
            may("title", |it| it.text()).since(JUNE),
            may("description", |it| it.text()).since(NOVEMBER),
            may("websiteUrl", |it| it.text()).since(NOVEMBER),
            may("icons", |it| it.icons()).since(NOVEMBER),
        ])
    }

    fn role(&mut self) -> Tree {
        self.one_of(&["user", "assistant"])
    }

    fn annotations(&mut self) -> Tree {
        self.object(&[
            may("audience", |it| it.list(2, |it| it.role())),
            may("priority", |it| it.number()),
            may("lastModified", |it| it.text()).since(JUNE),
        ])
    }

    fn contents(&mut self) -> Tree {
        let tail = [may("mimeType", |it| it.text()), may("_meta", |it| it.meta()).since(JUNE)];
        let head = if self.input.flip() { must("text", |it| it.text()) } else { must("blob", |it| it.base64()) };
        let [kind, meta] = tail;
        self.object(&[must("uri", |it| it.uri()), head, kind, meta])
    }

    /// A block of content.
    pub fn block(&mut self) -> Tree {
        match self.input.below(if self.revision < JUNE { 4 } else { 5 }) {
            0 => self.text_block(),
            1 => self.media("image"),
            2 => self.media("audio"),
            3 => self.object(&[
                must("type", |_| "resource".into()),
                must("resource", |it| it.contents()),
                may("annotations", |it| it.annotations()),
                may("_meta", |it| it.meta()).since(JUNE),
            ]),
            _ => self.object(&[
                must("type", |_| "resource_link".into()),
                must("uri", |it| it.uri()),
                must("name", |it| it.name()),
                may("title", |it| it.text()),
                may("description", |it| it.text()),
                may("mimeType", |it| it.text()),
                may("size", |it| it.integer()),
                may("annotations", |it| it.annotations()),
                may("icons", |it| it.icons()).since(NOVEMBER),
                may("_meta", |it| it.meta()),
            ]),
        }
    }

    fn text_block(&mut self) -> Tree {
        self.object(&[
            must("type", |_| "text".into()),
            must("text", |it| it.text()),
            may("annotations", |it| it.annotations()),
            may("_meta", |it| it.meta()).since(JUNE),
        ])
    }

    fn media(&mut self, kind: &str) -> Tree {
        let mut block = self.object(&[
            must("data", |it| it.base64()),
            must("mimeType", |it| it.text()),
            may("annotations", |it| it.annotations()),
            may("_meta", |it| it.meta()).since(JUNE),
        ]);
        block.put("type", kind.into());
        block
    }

    fn tool(&mut self) -> Tree {
        self.object(&[
            must("name", |it| it.name()),
            must("inputSchema", |it| it.schema()),
            may("title", |it| it.text()).since(JUNE),
            may("description", |it| it.text()),
            may("outputSchema", |it| it.output_schema()).since(JUNE),
            may("annotations", |it| {
                it.object(&[
                    may("title", |it| it.text()),
                    may("readOnlyHint", |it| it.truth()),
                    may("destructiveHint", |it| it.truth()),
                    may("idempotentHint", |it| it.truth()),
                    may("openWorldHint", |it| it.truth()),
                ])
            }),
            may("execution", |it| it.object(&[may("taskSupport", |it| it.one_of(&["forbidden", "optional", "required"]))]))
                .since(NOVEMBER)
                .until(NOVEMBER),
            may("icons", |it| it.icons()).since(NOVEMBER),
            may("_meta", |it| it.meta()).since(JUNE),
        ])
    }

    fn task(&mut self) -> Tree {
        self.object(&[
            must("taskId", |it| it.name()),
            must("status", |it| it.one_of(&["working", "input_required", "completed", "failed", "cancelled"])),
            must("createdAt", |it| it.text()),
            must("lastUpdatedAt", |it| it.text()),
            must("ttl", |it| if it.input.flip() { Tree::Null } else { it.integer() }),
            may("pollInterval", |it| it.integer()),
            may("statusMessage", |it| it.text()),
            may("_meta", |it| it.meta()),
        ])
    }

    /// The methods that `peer` may send in this revision.
    pub fn methods(&self, peer: Peer) -> Vec<Method> {
        Method::ALL.iter().copied().filter(|method| method.may_come_from(peer, self.revision)).collect()
    }

    /// A message that `peer` may send: its method, and the whole of it.
    pub fn message(&mut self, peer: Peer) -> (Method, Tree) {
        let methods = self.methods(peer);
        let method = self.input.pick(&methods);
        let params = match peer {
            Peer::Client => self.client_params(method),
            Peer::Server => self.server_params(method),
        };
        let mut message = object([("jsonrpc", "2.0".into())]);
        if method.sort() == Sort::Request {
            message.put("id", self.token());
        }
        message.put("method", method.as_str().into());
        let modern_request = self.revision == MODERN && method.sort() == Sort::Request;
        let bare = params.get("_meta").is_none() && matches!(&params, Tree::Object(members) if members.is_empty());
        if method.params() == Need::Must || modern_request || !bare || self.input.flip() {
            message.put("params", params);
        }
        (method, message)
    }
}
