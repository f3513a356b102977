//! What clients say: the params of their requests and notifications, and their answers to questions.

use super::{JUNE, MODERN, Maker, NOVEMBER, may, must};
use crate::Tree;
use crate::tree::object;
use mcp::{Method, Sort};

impl Maker<'_, '_> {
    /// The params of a client's message.
    pub fn client_params(&mut self, method: Method) -> Tree {
        let mut params = match method {
            Method::Initialize => self.object(&[
                must("protocolVersion", |it| it.one_of(&["2025-11-25", "2025-03-26", "1999-01-01"])),
                must("capabilities", |it| it.open()),
                must("clientInfo", |it| it.implementation()),
            ]),
            Method::ListTools | Method::ListResources | Method::ListResourceTemplates | Method::ListPrompts | Method::ListTasks => {
                self.object(&[may("cursor", |it| it.text())])
            }
            Method::CallTool => {
                let wish = may("task", |it| it.object(&[may("ttl", |it| it.integer())])).since(NOVEMBER).until(NOVEMBER);
                self.asked_anew(&[must("name", |it| it.name()), may("arguments", |it| it.open()), wish])
            }
            Method::GetPrompt => self.asked_anew(&[must("name", |it| it.name()), may("arguments", |it| it.strings())]),
            Method::ReadResource => self.asked_anew(&[must("uri", |it| it.uri())]),
            Method::Subscribe | Method::Unsubscribe => self.object(&[must("uri", |it| it.uri())]),
            Method::Complete => self.object(&[
                must("ref", |it| it.reference()),
                must("argument", |it| it.object(&[must("name", |it| it.name()), must("value", |it| it.text())])),
                may("context", |it| it.object(&[may("arguments", |it| it.strings())])).since(JUNE),
            ]),
            Method::SetLevel => self.object(&[must("level", |it| it.level())]),
            Method::Listen => self.object(&[must("notifications", |it| it.filter())]),
            Method::GetTask | Method::TaskResult | Method::CancelTask => self.object(&[must("taskId", |it| it.name())]),
            Method::TaskStatus => return self.task(),
            Method::Cancelled => self.object(&[must("requestId", |it| it.token()), may("reason", |it| it.text())]),
            Method::Progress => self.progress(),
            _ => object([]),
        };
        if self.revision == MODERN && method.sort() == Sort::Request {
            params.put("_meta", self.own_meta());
        } else if self.input.rarely(3) {
            params.put("_meta", self.meta());
        }
        params
    }

    /// Params of a request that a modern client may make anew, with answers and the state that it was given.
    fn asked_anew(&mut self, fields: &[super::Field]) -> Tree {
        let mut params = self.object(fields);
        if self.revision == MODERN {
            if self.input.rarely(4) {
                let answers = (0..self.input.below(3)).map(|place| {
                    let method = self.input.pick(&[Method::Elicit, Method::CreateMessage, Method::ListRoots]);
                    (format!("q{place}"), self.answer(method))
                });
                let answers = Tree::Object(answers.collect());
                params.put("inputResponses", answers);
            }
            if self.input.rarely(4) {
                params.put("requestState", self.text());
            }
        }
        params
    }

    fn reference(&mut self) -> Tree {
        if self.input.flip() {
            return self.object(&[
                must("type", |_| "ref/prompt".into()),
                must("name", |it| it.name()),
                may("title", |it| it.text()).since(JUNE),
            ]);
        }
        self.object(&[must("type", |_| "ref/resource".into()), must("uri", |it| it.uri())])
    }

    pub(super) fn filter(&mut self) -> Tree {
        self.object(&[
            may("toolsListChanged", |it| it.truth()),
            may("promptsListChanged", |it| it.truth()),
            may("resourcesListChanged", |it| it.truth()),
            may("resourceSubscriptions", |it| it.list(3, |it| it.uri())),
        ])
    }

    pub(super) fn progress(&mut self) -> Tree {
        self.object(&[
            must("progressToken", |it| it.token()),
            must("progress", |it| it.number()),
            may("total", |it| it.number()),
            may("message", |it| it.text()),
        ])
    }

    /// The answer to a server's question.
    pub fn answer(&mut self, method: Method) -> Tree {
        match method {
            Method::Elicit => self.object(&[
                must("action", |it| it.one_of(&["accept", "decline", "cancel"])),
                may("content", |it| {
                    it.map(|it| match it.input.below(4) {
                        0 => it.text(),
                        1 => it.number(),
                        2 => it.truth(),
                        _ => it.texts(),
                    })
                }),
                may("_meta", |it| it.meta()),
            ]),
            Method::CreateMessage => self.object(&[
                must("role", |it| it.role()),
                must("content", |it| it.said()),
                must("model", |it| it.text()),
                may("stopReason", |it| it.text()),
                may("_meta", |it| it.meta()),
            ]),
            _ => self.object(&[
                must("roots", |it| {
                    it.list(3, |it| {
                        it.object(&[must("uri", |it| it.uri()), may("name", |it| it.text()), may("_meta", |it| it.meta()).since(JUNE)])
                    })
                }),
                may("_meta", |it| it.meta()),
            ]),
        }
    }

    /// What a model said or is told.
    pub(super) fn said(&mut self) -> Tree {
        if self.revision >= NOVEMBER && self.input.rarely(3) {
            return self.list(3, |it| it.utterance());
        }
        self.utterance()
    }

    fn utterance(&mut self) -> Tree {
        match self.input.below(if self.revision >= NOVEMBER { 5 } else { 3 }) {
            0 => self.text_block(),
            1 => self.media("image"),
            2 => self.media("audio"),
            3 => self.object(&[
                must("type", |_| "tool_use".into()),
                must("id", |it| it.text()),
                must("name", |it| it.name()),
                must("input", |it| it.open()),
                may("_meta", |it| it.meta()),
            ]),
            _ => self.object(&[
                must("type", |_| "tool_result".into()),
                must("toolUseId", |it| it.text()),
                must("content", |it| it.list(2, |it| it.block())),
                may("structuredContent", |it| it.open()).until(NOVEMBER),
                may("structuredContent", |it| it.anything()).since(MODERN),
                may("isError", |it| it.truth()),
                may("_meta", |it| it.meta()),
            ]),
        }
    }
}
