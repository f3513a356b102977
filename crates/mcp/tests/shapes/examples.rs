//! An example of the params and of the result of each method, with every member that the revision has.

use bytes::Bytes;
use mcp::{Bounds, Document, Method, Peer, Revision, check_result, parse_message};

pub const NOVEMBER: Revision = Revision::R2025_11_25;
pub const MODERN: Revision = Revision::R2026_07_28;

/// The revisions whose schemas are published and whose examples stand here.
pub const BOTH: &[Revision] = &[NOVEMBER, MODERN];
const OLD: &[Revision] = &[NOVEMBER];
const NEW: &[Revision] = &[MODERN];

/// What of a method it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is sent, by this side. On the modern revision a client's `_meta` is put in where there is `META`.
    Params(Peer),
    /// What is answered.
    Result,
}

/// One example.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    pub method: Method,
    pub part: Part,
    pub revisions: &'static [Revision],
    /// What the schema calls it.
    pub definition: &'static str,
    text: &'static str,
}

const CLIENT: Part = Part::Params(Peer::Client);
const SERVER: Part = Part::Params(Peer::Server);

const fn example(method: Method, part: Part, revisions: &'static [Revision], definition: &'static str, text: &'static str) -> Example {
    Example { method, part, revisions, definition, text }
}

const REQUEST_META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{},"elicitation":{"form":{}}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1","title":"C","description":"d","websiteUrl":"https://a/","icons":[{"src":"https://a/i","mimeType":"image/png","sizes":["any"],"theme":"dark"}]},"io.modelcontextprotocol/logLevel":"info","progressToken":"t","traceparent":"00-1-2-01","com.example/x":1}"#;
const PLAIN_META: &str = r#"{"com.example/x":{"y":1}}"#;
const ICONS: &str = r#"[{"src":"https://a/i","mimeType":"image/png","sizes":["48x48"],"theme":"light"}]"#;
const NOTES: &str = r#"{"audience":["user","assistant"],"priority":0.5,"lastModified":"2025-01-12T15:00:58Z"}"#;
const BLOCKS: &str = r#"{"type":"text","text":"a","annotations":NOTES,"_meta":{"a":1}},{"type":"image","data":"AAAA","mimeType":"image/png","annotations":NOTES,"_meta":{}},{"type":"audio","data":"AA==","mimeType":"audio/wav","annotations":NOTES,"_meta":{}},{"type":"resource_link","uri":"a:b","name":"n","title":"N","description":"d","mimeType":"text/plain","size":7,"annotations":NOTES,"icons":ICONS,"_meta":{}},{"type":"resource","resource":{"uri":"a:b","mimeType":"text/plain","text":"t","_meta":{}},"annotations":NOTES,"_meta":{}},{"type":"resource","resource":{"uri":"a:c","mimeType":"text/plain","blob":"AA==","_meta":{}}}"#;
const TOOL: &str = r#"{"name":"t","title":"T","description":"d","inputSchema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},"outputSchema":{"type":"object"},"annotations":{"title":"T","readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":false},"icons":ICONS,"_meta":{}}"#;
const FORM: &str = r#"{"mode":"form","message":"m","requestedSchema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"a":{"type":"string","title":"A","description":"d","minLength":1,"maxLength":9,"format":"email","default":"x"},"b":{"type":"number","title":"B","description":"d","minimum":1,"maximum":9,"default":2},"c":{"type":"integer","minimum":1},"d":{"type":"boolean","title":"D","description":"d","default":true},"e":{"type":"string","enum":["x","y"],"enumNames":["X","Y"],"default":"x"},"f":{"type":"string","oneOf":[{"const":"x","title":"X"}],"default":"x"},"g":{"type":"array","items":{"type":"string","enum":["x"]},"minItems":1,"maxItems":2,"default":["x"]},"h":{"type":"array","items":{"anyOf":[{"const":"x","title":"X"}]}}},"required":["a"]}}"#;
const SAMPLE: &str = r#"{"messages":[{"role":"user","content":{"type":"text","text":"x"},"_meta":{}},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"t","input":{"a":1},"_meta":{}}]},{"role":"user","content":[{"type":"tool_result","toolUseId":"1","content":[BLOCKS],"structuredContent":{"a":1},"isError":false,"_meta":{}}]}],"maxTokens":5,"modelPreferences":{"hints":[{"name":"m"}],"costPriority":0.5,"speedPriority":0.5,"intelligencePriority":0.5},"systemPrompt":"s","includeContext":"none","temperature":0.5,"stopSequences":["x"],"metadata":{"x":{}},"tools":[TOOL],"toolChoice":{"mode":"auto"}}"#;
const SAMPLED: &str = r#"{"role":"assistant","content":[{"type":"text","text":"x"},{"type":"tool_use","id":"1","name":"t","input":{}}],"model":"m","stopReason":"endTurn","_meta":{}}"#;
const ELICITED: &str = r#"{"action":"accept","content":{"a":"x","b":1,"c":true,"d":["x"]}}"#;
const ROOTS: &str = r#"{"roots":[{"uri":"file:///a","name":"A","_meta":{}}]}"#;
const WHOLE: &str = r#""resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"},"a":1}"#;
const CACHED: &str = r#""ttlMs":60000,"cacheScope":"public","resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}"#;
const FILTER: &str = r#"{"toolsListChanged":true,"promptsListChanged":false,"resourcesListChanged":true,"resourceSubscriptions":["a:b"]}"#;
const TASK: &str = r#""taskId":"t","status":"working","statusMessage":"s","createdAt":"x","lastUpdatedAt":"x","ttl":null,"pollInterval":5"#;

pub static EXAMPLES: &[Example] = &[
    example(
        Method::Initialize,
        CLIENT,
        OLD,
        "InitializeRequest",
        r#"{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1","icons":ICONS},META}"#,
    ),
    example(
        Method::Initialize,
        Part::Result,
        OLD,
        "InitializeResult",
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"c","version":"1","title":"T","description":"d","websiteUrl":"https://a/","icons":ICONS},"instructions":"i","_meta":{}}"#,
    ),
    example(Method::Initialized, CLIENT, OLD, "InitializedNotification", "{META}"),
    example(Method::Discover, CLIENT, NEW, "DiscoverRequest", "{META}"),
    example(
        Method::Discover,
        Part::Result,
        NEW,
        "DiscoverResult",
        r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"i",CACHED}"#,
    ),
    example(Method::Ping, CLIENT, OLD, "PingRequest", "{META}"),
    example(Method::Ping, Part::Result, OLD, "EmptyResult", r#"{"_meta":{}}"#),
    example(Method::ListTools, CLIENT, BOTH, "ListToolsRequest", r#"{"cursor":"c",META}"#),
    example(
        Method::ListTools,
        Part::Result,
        OLD,
        "ListToolsResult",
        r#"{"tools":[TOOL,{"name":"u","inputSchema":{"type":"object"},"execution":{"taskSupport":"optional"}}],"nextCursor":"n","_meta":{}}"#,
    ),
    example(
        Method::ListTools,
        Part::Result,
        NEW,
        "ListToolsResult",
        r##"{"tools":[TOOL,{"name":"u","inputSchema":{"type":"object","oneOf":[{"properties":{"a":{}}}],"properties":{"b":{"type":"string","x-mcp-header":"B"}}},"outputSchema":{"type":"array","items":{"$ref":"#/$defs/x"},"$defs":{"x":{"type":"integer"}}}}],"nextCursor":"n",CACHED}"##,
    ),
    example(Method::CallTool, CLIENT, OLD, "CallToolRequest", r#"{"name":"t","arguments":{"a":null},"task":{"ttl":60000},META}"#),
    example(
        Method::CallTool,
        CLIENT,
        NEW,
        "CallToolRequest",
        r#"{"name":"t","arguments":{"a":null},"inputResponses":{"a":ELICITED,"b":ROOTS,"c":SAMPLED},"requestState":"s",META}"#,
    ),
    example(
        Method::CallTool,
        Part::Result,
        OLD,
        "CallToolResult",
        r#"{"content":[BLOCKS],"structuredContent":{"a":[1]},"isError":false,"_meta":{}}"#,
    ),
    example(Method::CallTool, Part::Result, NEW, "CallToolResult", r#"{"content":[BLOCKS],"structuredContent":[1],"isError":false,WHOLE}"#),
    example(Method::CallTool, Part::Result, NEW, "CallToolResult", r#"{"content":[],"structuredContent":null,WHOLE}"#),
    example(
        Method::CallTool,
        Part::Result,
        NEW,
        "InputRequiredResult",
        r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":FORM},"b":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://a/"}},"c":{"method":"roots/list","params":{"_meta":{}}},"d":{"method":"sampling/createMessage","params":SAMPLE}},"requestState":"s","_meta":{}}"#,
    ),
    example(Method::ReadResource, Part::Result, NEW, "InputRequiredResult", r#"{"resultType":"input_required","requestState":"s"}"#),
    example(Method::ListResources, CLIENT, BOTH, "ListResourcesRequest", r#"{"cursor":"c",META}"#),
    example(
        Method::ListResources,
        Part::Result,
        OLD,
        "ListResourcesResult",
        r#"{"resources":[{"uri":"a:b","name":"n","title":"N","description":"d","mimeType":"text/plain","size":7,"annotations":NOTES,"icons":ICONS,"_meta":{}}],"nextCursor":"n","_meta":{}}"#,
    ),
    example(
        Method::ListResources,
        Part::Result,
        NEW,
        "ListResourcesResult",
        r#"{"resources":[{"uri":"a:b","name":"n","title":"N","description":"d","mimeType":"text/plain","size":7,"annotations":NOTES,"icons":ICONS,"_meta":{}}],"nextCursor":"n",CACHED}"#,
    ),
    example(Method::ListResourceTemplates, CLIENT, BOTH, "ListResourceTemplatesRequest", r#"{"cursor":"c",META}"#),
    example(
        Method::ListResourceTemplates,
        Part::Result,
        OLD,
        "ListResourceTemplatesResult",
        r#"{"resourceTemplates":[{"uriTemplate":"a:{b}","name":"n","title":"N","description":"d","mimeType":"text/plain","annotations":NOTES,"icons":ICONS,"_meta":{}}],"nextCursor":"n","_meta":{}}"#,
    ),
    example(
        Method::ListResourceTemplates,
        Part::Result,
        NEW,
        "ListResourceTemplatesResult",
        r#"{"resourceTemplates":[{"uriTemplate":"a:{b}","name":"n","title":"N","description":"d","mimeType":"text/plain","annotations":NOTES,"icons":ICONS,"_meta":{}}],"nextCursor":"n",CACHED}"#,
    ),
    example(Method::ReadResource, CLIENT, OLD, "ReadResourceRequest", r#"{"uri":"a:b",META}"#),
    example(
        Method::ReadResource,
        CLIENT,
        NEW,
        "ReadResourceRequest",
        r#"{"uri":"a:b","inputResponses":{"a":ELICITED},"requestState":"s",META}"#,
    ),
    example(
        Method::ReadResource,
        Part::Result,
        OLD,
        "ReadResourceResult",
        r#"{"contents":[{"uri":"a:b","mimeType":"text/plain","text":"t","_meta":{}},{"uri":"a:c","mimeType":"text/plain","blob":"AA==","_meta":{}}],"_meta":{}}"#,
    ),
    example(
        Method::ReadResource,
        Part::Result,
        NEW,
        "ReadResourceResult",
        r#"{"contents":[{"uri":"a:b","mimeType":"text/plain","text":"t","_meta":{}},{"uri":"a:c","mimeType":"text/plain","blob":"AA==","_meta":{}}],CACHED}"#,
    ),
    example(Method::Subscribe, CLIENT, OLD, "SubscribeRequest", r#"{"uri":"a:b",META}"#),
    example(Method::Subscribe, Part::Result, OLD, "EmptyResult", "{}"),
    example(Method::Unsubscribe, CLIENT, OLD, "UnsubscribeRequest", r#"{"uri":"a:b",META}"#),
    example(Method::Unsubscribe, Part::Result, OLD, "EmptyResult", "{}"),
    example(Method::ListPrompts, CLIENT, BOTH, "ListPromptsRequest", r#"{"cursor":"c",META}"#),
    example(
        Method::ListPrompts,
        Part::Result,
        OLD,
        "ListPromptsResult",
        r#"{"prompts":[{"name":"n","title":"N","description":"d","arguments":[{"name":"a","title":"A","description":"d","required":true}],"icons":ICONS,"_meta":{}}],"nextCursor":"n","_meta":{}}"#,
    ),
    example(
        Method::ListPrompts,
        Part::Result,
        NEW,
        "ListPromptsResult",
        r#"{"prompts":[{"name":"n","title":"N","description":"d","arguments":[{"name":"a","title":"A","description":"d","required":true}],"icons":ICONS,"_meta":{}}],"nextCursor":"n",CACHED}"#,
    ),
    example(Method::GetPrompt, CLIENT, OLD, "GetPromptRequest", r#"{"name":"n","arguments":{"a":"b"},META}"#),
    example(
        Method::GetPrompt,
        CLIENT,
        NEW,
        "GetPromptRequest",
        r#"{"name":"n","arguments":{"a":"b"},"inputResponses":{"a":ELICITED},"requestState":"s",META}"#,
    ),
    example(
        Method::GetPrompt,
        Part::Result,
        OLD,
        "GetPromptResult",
        r#"{"description":"d","messages":[{"role":"user","content":{"type":"text","text":"x"}},{"role":"assistant","content":{"type":"resource_link","uri":"a:b","name":"n"}}],"_meta":{}}"#,
    ),
    example(
        Method::GetPrompt,
        Part::Result,
        NEW,
        "GetPromptResult",
        r#"{"description":"d","messages":[{"role":"user","content":{"type":"text","text":"x"}},{"role":"assistant","content":{"type":"resource_link","uri":"a:b","name":"n"}}],WHOLE}"#,
    ),
    example(
        Method::Complete,
        CLIENT,
        BOTH,
        "CompleteRequest",
        r#"{"ref":{"type":"ref/prompt","name":"n","title":"N"},"argument":{"name":"a","value":"b"},"context":{"arguments":{"c":"d"}},META}"#,
    ),
    example(
        Method::Complete,
        CLIENT,
        BOTH,
        "CompleteRequest",
        r#"{"ref":{"type":"ref/resource","uri":"a:{b}"},"argument":{"name":"a","value":"b"},META}"#,
    ),
    example(
        Method::Complete,
        Part::Result,
        OLD,
        "CompleteResult",
        r#"{"completion":{"values":["a"],"total":7,"hasMore":true},"_meta":{}}"#,
    ),
    example(Method::Complete, Part::Result, NEW, "CompleteResult", r#"{"completion":{"values":["a"],"total":7,"hasMore":true},WHOLE}"#),
    example(Method::SetLevel, CLIENT, OLD, "SetLevelRequest", r#"{"level":"alert",META}"#),
    example(Method::SetLevel, Part::Result, OLD, "EmptyResult", "{}"),
    example(Method::Listen, CLIENT, NEW, "SubscriptionsListenRequest", r#"{"notifications":FILTER,META}"#),
    example(
        Method::Listen,
        Part::Result,
        NEW,
        "SubscriptionsListenResult",
        r#"{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"7"}}"#,
    ),
    example(
        Method::ListenAcknowledged,
        SERVER,
        NEW,
        "SubscriptionsAcknowledgedNotification",
        r#"{"notifications":FILTER,"_meta":{"io.modelcontextprotocol/subscriptionId":7}}"#,
    ),
    example(Method::Cancelled, CLIENT, BOTH, "CancelledNotification", r#"{"requestId":7,"reason":"r","_meta":{}}"#),
    example(
        Method::Progress,
        SERVER,
        BOTH,
        "ProgressNotification",
        r#"{"progressToken":"t","progress":0.5,"total":1,"message":"m","_meta":{}}"#,
    ),
    example(Method::LogMessage, SERVER, BOTH, "LoggingMessageNotification", r#"{"level":"info","logger":"l","data":[1],"_meta":{}}"#),
    example(Method::ToolsChanged, SERVER, BOTH, "ToolListChangedNotification", r#"{"_meta":{}}"#),
    example(Method::PromptsChanged, SERVER, BOTH, "PromptListChangedNotification", r#"{"_meta":{}}"#),
    example(Method::ResourcesChanged, SERVER, BOTH, "ResourceListChangedNotification", r#"{"_meta":{}}"#),
    example(Method::ResourceUpdated, SERVER, BOTH, "ResourceUpdatedNotification", r#"{"uri":"a:b","_meta":{}}"#),
    example(Method::Elicit, SERVER, OLD, "ElicitRequest", "FORM"),
    example(
        Method::Elicit,
        SERVER,
        OLD,
        "ElicitRequest",
        r#"{"mode":"url","message":"m","url":"https://a/","elicitationId":"e","task":{},"_meta":{"progressToken":1}}"#,
    ),
    example(Method::Elicit, Part::Result, OLD, "ElicitResult", "ELICITED"),
    example(Method::ElicitationComplete, SERVER, OLD, "ElicitationCompleteNotification", r#"{"elicitationId":"e"}"#),
    example(Method::CreateMessage, SERVER, OLD, "CreateMessageRequest", "SAMPLE"),
    example(Method::CreateMessage, Part::Result, OLD, "CreateMessageResult", "SAMPLED"),
    example(Method::ListRoots, SERVER, OLD, "ListRootsRequest", r#"{"_meta":{}}"#),
    example(Method::ListRoots, Part::Result, OLD, "ListRootsResult", "ROOTS"),
    example(Method::RootsChanged, CLIENT, OLD, "RootsListChangedNotification", "{META}"),
    example(Method::GetTask, CLIENT, OLD, "GetTaskRequest", r#"{"taskId":"t"}"#),
    example(Method::GetTask, Part::Result, OLD, "GetTaskResult", r#"{TASK,"_meta":{}}"#),
    example(Method::TaskResult, CLIENT, OLD, "GetTaskPayloadRequest", r#"{"taskId":"t"}"#),
    example(Method::TaskResult, Part::Result, OLD, "GetTaskPayloadResult", r#"{"anything":1}"#),
    example(Method::CancelTask, CLIENT, OLD, "CancelTaskRequest", r#"{"taskId":"t"}"#),
    example(Method::CancelTask, Part::Result, OLD, "CancelTaskResult", r#"{TASK,"_meta":{}}"#),
    example(Method::ListTasks, CLIENT, OLD, "ListTasksRequest", r#"{"cursor":"c",META}"#),
    example(Method::ListTasks, Part::Result, OLD, "ListTasksResult", r#"{"tasks":[{TASK}],"nextCursor":"n","_meta":{}}"#),
    example(Method::TaskStatus, SERVER, OLD, "TaskStatusNotification", r#"{TASK,"_meta":{}}"#),
];

impl Example {
    /// Its text in `revision`.
    pub fn text(&self, revision: Revision) -> String {
        let mut text = self.text.to_owned();
        let meta = if revision == MODERN && self.part == CLIENT { REQUEST_META } else { PLAIN_META };
        text = text.replace("META}", &format!("\"_meta\":{meta}}}"));
        for (hole, filled) in [
            ("FORM", FORM),
            ("SAMPLED", SAMPLED),
            ("SAMPLE", SAMPLE),
            ("ELICITED", ELICITED),
            ("ROOTS", ROOTS),
            ("[TOOL", &format!("[{TOOL}")),
            ("BLOCKS", BLOCKS),
            ("NOTES", NOTES),
            ("ICONS", ICONS),
            ("WHOLE", WHOLE),
            ("CACHED", CACHED),
            ("FILTER", FILTER),
            ("{TASK", &format!("{{{TASK}")),
        ] {
            text = text.replace(hole, filled);
        }
        text
    }

    /// `value` as it goes over the wire in the schema's words: with an envelope around params, a result as it is.
    pub fn whole(&self, value: &serde_json::Value) -> serde_json::Value {
        let method = self.method.as_str();
        match (self.part, self.method.sort()) {
            (Part::Result, _) => value.clone(),
            (Part::Params(_), mcp::Sort::Request) => serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": value}),
            (Part::Params(_), mcp::Sort::Notification) => serde_json::json!({"jsonrpc": "2.0", "method": method, "params": value}),
        }
    }

    /// Whether we take `value` for one of `revision`.
    pub fn taken(&self, value: &serde_json::Value, revision: Revision) -> bool {
        let source = Bytes::from(serde_json::to_vec(&self.whole(value)).unwrap());
        match self.part {
            Part::Params(peer) => parse_message(source, peer, revision, &Bounds::default()).is_ok(),
            Part::Result => Document::parse(source, &Bounds::default())
                .is_ok_and(|document| check_result(self.method, document.root(), revision).is_ok()),
        }
    }
}

/// Each example in each of its revisions.
pub fn all() -> impl Iterator<Item = (&'static Example, Revision, serde_json::Value)> {
    EXAMPLES.iter().flat_map(|example| {
        example.revisions.iter().map(move |revision| {
            let text = example.text(*revision);
            let value = serde_json::from_str(&text).map_err(|cause| format!("{cause}: {text}")).unwrap();
            (example, *revision, value)
        })
    })
}

#[test]
fn every_example_is_taken_in_its_revision() {
    for (example, revision, value) in all() {
        assert!(example.taken(&value, revision), "{revision} {:?} {:?}: {value}", example.method, example.part);
    }
}

#[test]
fn every_method_has_its_examples() {
    for method in Method::ALL {
        for revision in BOTH.iter().filter(|revision| method.is_in(**revision)) {
            let has = |part: fn(Part) -> bool| {
                EXAMPLES.iter().any(|example| example.method == *method && part(example.part) && example.revisions.contains(revision))
            };
            assert!(has(|part| part != Part::Result), "{method} {revision}");
            assert!(method.sort() == mcp::Sort::Notification || has(|part| part == Part::Result), "{method} {revision}");
        }
    }
}
