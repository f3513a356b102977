//! What servers say: results, questions, notifications.

use super::{JUNE, MODERN, Maker, NOVEMBER, may, must};
use crate::Tree;
use crate::tree::object;
use mcp::Method;

/// The methods of clients whose results have a form.
pub const ANSWERED: [Method; 17] = [
    Method::Initialize,
    Method::Discover,
    Method::ListTools,
    Method::CallTool,
    Method::ListResources,
    Method::ListResourceTemplates,
    Method::ReadResource,
    Method::ListPrompts,
    Method::GetPrompt,
    Method::Complete,
    Method::Ping,
    Method::Subscribe,
    Method::Unsubscribe,
    Method::SetLevel,
    Method::GetTask,
    Method::ListTasks,
    Method::Listen,
];

impl Maker<'_, '_> {
    /// The params of a server's message.
    pub fn server_params(&mut self, method: Method) -> Tree {
        let mut params = match method {
            Method::Elicit | Method::CreateMessage | Method::ListRoots => return self.question(method),
            Method::ListenAcknowledged => self.object(&[must("notifications", |it| it.filter())]),
            Method::ResourceUpdated => self.object(&[must("uri", |it| it.uri())]),
            Method::LogMessage => {
                self.object(&[must("level", |it| it.level()), must("data", |it| it.anything()), may("logger", |it| it.text())])
            }
            Method::ElicitationComplete => self.object(&[must("elicitationId", |it| it.name())]),
            Method::Cancelled => self.object(&[must("requestId", |it| it.token()), may("reason", |it| it.text())]),
            Method::Progress => self.progress(),
            Method::GetTask | Method::TaskResult | Method::CancelTask => self.object(&[must("taskId", |it| it.name())]),
            Method::ListTasks => self.object(&[may("cursor", |it| it.text())]),
            Method::TaskStatus => return self.task(),
            _ => object([]),
        };
        if self.input.rarely(3) {
            params.put("_meta", self.meta());
        }
        params
    }

    /// The params of a question to the client.
    pub fn question(&mut self, method: Method) -> Tree {
        let mut params = match method {
            Method::Elicit if self.revision >= NOVEMBER && self.input.rarely(3) => self.object(&[
                must("mode", |_| "url".into()),
                must("message", |it| it.text()),
                must("url", |it| it.page()),
                must("elicitationId", |it| it.name()).until(NOVEMBER),
            ]),
            Method::Elicit => self.object(&[
                may("mode", |_| "form".into()).since(NOVEMBER),
                must("message", |it| it.text()),
                must("requestedSchema", |it| {
                    it.object(&[
                        may("$schema", |it| it.text()).since(NOVEMBER),
                        may("title", |it| it.text()),
                        may("description", |it| it.text()),
                        must("type", |_| "object".into()),
                        must("properties", |it| it.map(|it| it.primitive())),
                        may("required", |it| it.texts()),
                    ])
                }),
            ]),
            Method::CreateMessage => self.object(&[
                must("messages", |it| {
                    it.list(3, |it| {
                        it.object(&[
                            must("role", |it| it.role()),
                            must("content", |it| it.said()),
                            may("_meta", |it| it.meta()).since(NOVEMBER),
                        ])
                    })
                }),
                must("maxTokens", |it| it.integer()),
                may("modelPreferences", |it| {
                    it.object(&[
                        may("hints", |it| it.list(2, |it| it.object(&[may("name", |it| it.text())]))),
                        may("costPriority", |it| it.number()),
                        may("speedPriority", |it| it.number()),
                        may("intelligencePriority", |it| it.number()),
                    ])
                }),
                may("systemPrompt", |it| it.text()),
                may("includeContext", |it| it.one_of(&["none", "thisServer", "allServers"])),
                may("temperature", |it| it.number()),
                may("stopSequences", |it| it.texts()),
                may("metadata", |it| it.open()),
                may("tools", |it| it.list(2, |it| it.tool())).since(NOVEMBER),
                may("toolChoice", |it| it.object(&[may("mode", |it| it.one_of(&["auto", "none", "required"]))])).since(NOVEMBER),
            ]),
            _ => object([]),
        };
        if self.input.rarely(4) {
            params.put("_meta", self.meta());
        }
        params
    }

    /// A field of a form.
    fn primitive(&mut self) -> Tree {
        let title = || [may("title", |it| it.text()), may("description", |it| it.text())];
        let [one, two] = title();
        match self.input.below(if self.revision >= NOVEMBER { 5 } else { 4 }) {
            0 => self.object(&[
                must("type", |_| "string".into()),
                one,
                two,
                may("minLength", |it| it.natural()),
                may("maxLength", |it| it.natural()),
                may("format", |it| it.one_of(&["date", "date-time", "email", "uri"])),
                may("default", |it| it.text()).since(NOVEMBER),
            ]),
            1 => self.object(&[
                must("type", |_| "string".into()),
                one,
                two,
                must("enum", |it| it.texts()),
                may("enumNames", |it| it.texts()),
                may("default", |it| it.text()).since(NOVEMBER),
            ]),
            2 => self.object(&[must("type", |_| "boolean".into()), one, two, may("default", |it| it.truth())]),
            3 => self.object(&[
                must("type", |it| it.one_of(&["number", "integer"])),
                one,
                two,
                may("minimum", |it| it.number()),
                may("maximum", |it| it.number()),
                may("default", |it| it.number()).since(NOVEMBER),
            ]),
            _ => self.object(&[
                must("type", |_| "array".into()),
                one,
                two,
                may("minItems", |it| it.natural()),
                must("items", |it| it.object(&[must("type", |_| "string".into()), must("enum", |it| it.texts())])),
                may("default", |it| it.texts()),
            ]),
        }
    }

    /// A whole result of `method`.
    pub fn result(&mut self, method: Method) -> Tree {
        let mut result = match method {
            Method::Initialize => self.object(&[
                must("protocolVersion", |it| it.revision.as_str().into()),
                must("capabilities", |it| it.open()),
                must("serverInfo", |it| it.implementation()),
                may("instructions", |it| it.text()),
            ]),
            Method::Discover => self.object(&[
                must("supportedVersions", |_| Tree::Array(vec![MODERN.as_str().into()])),
                must("capabilities", |it| it.open()),
                may("instructions", |it| it.text()),
            ]),
            Method::ListTools => self.object(&[must("tools", |it| it.list(3, |it| it.tool())), may("nextCursor", |it| it.text())]),
            Method::CallTool => self.object(&[
                must("content", |it| it.list(3, |it| it.block())),
                may("structuredContent", |it| it.open()).since(JUNE).until(NOVEMBER),
                may("structuredContent", |it| it.anything()).since(MODERN),
                may("isError", |it| it.truth()),
            ]),
            Method::ListResources => {
                self.object(&[must("resources", |it| it.list(3, |it| it.resource("uri"))), may("nextCursor", |it| it.text())])
            }
            Method::ListResourceTemplates => self
                .object(&[must("resourceTemplates", |it| it.list(3, |it| it.resource("uriTemplate"))), may("nextCursor", |it| it.text())]),
            Method::ReadResource => self.object(&[must("contents", |it| it.list(3, |it| it.contents()))]),
            Method::ListPrompts => self.object(&[must("prompts", |it| it.list(3, |it| it.prompt())), may("nextCursor", |it| it.text())]),
            Method::GetPrompt => self.object(&[
                may("description", |it| it.text()),
                must("messages", |it| it.list(3, |it| it.object(&[must("role", |it| it.role()), must("content", |it| it.block())]))),
            ]),
            Method::Complete => self.object(&[must("completion", |it| {
                it.object(&[must("values", |it| it.texts()), may("total", |it| it.integer()), may("hasMore", |it| it.truth())])
            })]),
            Method::GetTask | Method::CancelTask => return self.task(),
            Method::ListTasks => self.object(&[must("tasks", |it| it.list(2, |it| it.task())), may("nextCursor", |it| it.text())]),
            _ => object([]),
        };
        if method == Method::Listen {
            let mut meta = self.meta();
            meta.put("io.modelcontextprotocol/subscriptionId", self.token());
            result.put("_meta", meta);
        } else if self.input.rarely(3) {
            result.put("_meta", self.meta());
        }
        if self.revision == MODERN && !matches!(method, Method::Initialize) && !method.is_task() {
            if self.input.rarely(3) {
                result.put("resultType", "complete".into());
            }
            if method.is_cached() {
                result.put("ttlMs", self.natural());
                result.put("cacheScope", self.one_of(&["private", "public"]));
            }
        }
        result
    }

    /// Questions in the place of a result.
    pub fn input_required(&mut self) -> Tree {
        let mut result = object([("resultType", "input_required".into())]);
        let state = self.input.flip();
        if state {
            result.put("requestState", self.text());
        }
        if !state || self.input.flip() {
            let questions = (0..self.input.below(3)).map(|place| {
                let method = self.input.pick(&[Method::Elicit, Method::CreateMessage, Method::ListRoots]);
                (format!("q{place}"), object([("method", method.as_str().into()), ("params", self.question(method))]))
            });
            let questions = Tree::Object(questions.collect());
            result.put("inputRequests", questions);
        }
        result
    }

    fn resource(&mut self, address: &'static str) -> Tree {
        let mut resource = self.object(&[
            must("name", |it| it.name()),
            may("title", |it| it.text()).since(JUNE),
            may("description", |it| it.text()),
            may("mimeType", |it| it.text()),
            may("annotations", |it| it.annotations()),
            may("icons", |it| it.icons()).since(NOVEMBER),
            may("_meta", |it| it.meta()).since(JUNE),
        ]);
        resource.put(address, self.uri());
        if address == "uri" && self.input.rarely(3) {
            resource.put("size", self.integer());
        }
        resource
    }

    fn prompt(&mut self) -> Tree {
        self.object(&[
            must("name", |it| it.name()),
            may("title", |it| it.text()).since(JUNE),
            may("description", |it| it.text()),
            may("arguments", |it| {
                it.list(2, |it| {
                    it.object(&[
                        must("name", |it| it.name()),
                        may("title", |it| it.text()).since(JUNE),
                        may("description", |it| it.text()),
                        may("required", |it| it.truth()),
                    ])
                })
            }),
            may("icons", |it| it.icons()).since(NOVEMBER),
            may("_meta", |it| it.meta()).since(JUNE),
        ])
    }
}
