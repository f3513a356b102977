//! Tools, prompts, templates and resources as their servers state them, read from the results of lists.

use crate::document::Node;
use crate::fault::{About, Fault, Place};
use crate::method::Method;
use crate::revision::Revision;
use crate::shape;
use serde_json::Value;

/// What is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A template of resources.
    Template,
    /// A resource.
    Resource,
}

/// What a server claims of a tool. Shown, never trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: Option<bool>,
    /// It may destroy.
    pub destructive: Option<bool>,
    /// Twice is as once.
    pub idempotent: Option<bool>,
    /// It reaches outside.
    pub open_world: Option<bool>,
}

/// Whether a tool can run as a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TaskSupport {
    /// It cannot.
    #[default]
    Forbidden,
    /// It can.
    Optional,
    /// It runs no other way, so it is not listed.
    Required,
}

/// An argument of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Whether it must be given.
    pub required: bool,
}

/// A tool, prompt, template or resource as its server states it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// What it is.
    pub sort: Sort,
    /// Its true name.
    pub name: String,
    /// The address of a resource, or the template.
    pub uri: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What it says that it does.
    pub description: Option<String>,
    /// The whole in canonical text: what is pinned by its digest and listed.
    pub text: String,
    /// The schema of a tool's arguments.
    pub input_schema: Option<Value>,
    /// The schema of a tool's structured content.
    pub output_schema: Option<Value>,
    /// A tool's claims.
    pub annotations: Annotations,
    /// Whether a tool runs as a task.
    pub task_support: TaskSupport,
    /// A prompt's arguments.
    pub arguments: Vec<PromptArgument>,
}

/// Reads one page of a list: the result of `tools/list`, `prompts/list`, `resources/list` or `resources/templates/list`.
///
/// # Errors
/// What [`shape::check_result`] finds, a schema with a number that cannot be carried, or row 68 for a method that lists nothing.
pub fn definitions(method: Method, result: Node<'_>, revision: Revision) -> Result<Vec<Definition>, Fault> {
    let (key, sort) = match method {
        Method::ListTools => ("tools", Sort::Tool),
        Method::ListPrompts => ("prompts", Sort::Prompt),
        Method::ListResourceTemplates => ("resourceTemplates", Sort::Template),
        Method::ListResources => ("resources", Sort::Resource),
        _ => return Err(Fault::at(68, Place::Result, About::Response)),
    };
    shape::check_result(method, result, revision)?;
    result.get(key).into_iter().flat_map(Node::items).map(|node| Definition::read(sort, node)).collect()
}

impl Definition {
    /// Reads one definition that passed the check of its list.
    ///
    /// # Errors
    /// The [`Fault`] of row 68 when a schema holds a number that cannot be carried.
    pub fn read(sort: Sort, node: Node<'_>) -> Result<Self, Fault> {
        let string = |key| node.get(key).and_then(Node::text).map(std::borrow::Cow::into_owned);
        let schema = |key| match node.get(key).map(Node::to_value) {
            None => Ok(None),
            Some(Ok(schema)) => Ok(Some(schema)),
            Some(Err(_)) => Err(Fault::at(68, Place::Result, About::Response)),
        };
        let mut text = Vec::new();
        node.canonical(&mut text);
        let annotations = node.get("annotations");
        let claim = |key| annotations.and_then(|node| node.get(key)).and_then(Node::truth);
        let support = node.get("execution").and_then(|execution| execution.get("taskSupport"));
        let arguments = if sort == Sort::Prompt { node.get("arguments") } else { None };
        Ok(Self {
            sort,
            name: string("name").unwrap_or_default(),
            uri: string("uri").or_else(|| string("uriTemplate")),
            title: string("title").or_else(|| annotations?.get("title")?.text().map(std::borrow::Cow::into_owned)),
            description: string("description"),
            text: String::from_utf8(text).unwrap_or_default(),
            input_schema: schema("inputSchema")?,
            output_schema: schema("outputSchema")?,
            annotations: Annotations {
                read_only: claim("readOnlyHint"),
                destructive: claim("destructiveHint"),
                idempotent: claim("idempotentHint"),
                open_world: claim("openWorldHint"),
            },
            task_support: match support {
                Some(support) if support.is_text("required") => TaskSupport::Required,
                Some(support) if support.is_text("optional") => TaskSupport::Optional,
                Some(_) | None => TaskSupport::Forbidden,
            },
            arguments: arguments.into_iter().flat_map(Node::items).map(argument).collect(),
        })
    }
}

fn argument(node: Node<'_>) -> PromptArgument {
    let string = |key| node.get(key).and_then(Node::text).map(std::borrow::Cow::into_owned);
    PromptArgument {
        name: string("name").unwrap_or_default(),
        description: string("description"),
        required: node.get("required").and_then(Node::truth).unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Document};
    use bytes::Bytes;

    #[test]
    fn a_tool_is_read_with_its_canonical_text() {
        let source = r#"{"tools":[{"name":"t","title":"T","inputSchema":{"type":"object","properties":{"constructor":{"type":"string"}}},
            "annotations":{"readOnlyHint":true},"execution":{"taskSupport":"optional"}}]}"#;
        let document = Document::parse(Bytes::from_static(source.as_bytes()), &Bounds::default()).unwrap();
        let tools = definitions(Method::ListTools, document.root(), Revision::R2025_11_25).unwrap();
        let tool = tools.first().unwrap();
        assert_eq!(
            tool.text,
            r#"{"annotations":{"readOnlyHint":true},"execution":{"taskSupport":"optional"},"inputSchema":{"properties":{"constructor":{"type":"string"}},"type":"object"},"name":"t","title":"T"}"#
        );
        assert_eq!(tool.annotations.read_only, Some(true));
        assert_eq!(tool.task_support, TaskSupport::Optional);
        assert!(tool.input_schema.is_some() && tool.output_schema.is_none());
    }

    #[test]
    fn prompts_and_templates_are_read() {
        let source = br#"{"prompts":[{"name":"p","arguments":[{"name":"a","required":true},{"name":"b"}]}]}"#;
        let document = Document::parse(Bytes::from_static(source), &Bounds::default()).unwrap();
        let prompts = definitions(Method::ListPrompts, document.root(), Revision::R2025_11_25).unwrap();
        assert_eq!(prompts.first().unwrap().arguments.iter().map(|argument| argument.required).collect::<Vec<_>>(), [true, false]);
        let source = br#"{"resourceTemplates":[{"name":"p","uriTemplate":"a://{b}"}]}"#;
        let document = Document::parse(Bytes::from_static(source), &Bounds::default()).unwrap();
        let templates = definitions(Method::ListResourceTemplates, document.root(), Revision::R2025_11_25).unwrap();
        assert_eq!(templates.first().unwrap().uri.as_deref(), Some("a://{b}"));
        assert_eq!(definitions(Method::ListTools, document.root(), Revision::R2025_11_25).unwrap_err().row, 8);
    }
}
