//! Members, conditions and hours; and that entries of roles mean what they mean in Cedar.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use policy::{
    Action, Arguments, CedarSource, Circumstances, Compare, Effect, Engine, Entry, Environment, Facts, Glob, Hours, Parameter,
    ParameterKind, Place, Presence, Question, Range, Reason, RoleSource, Scalar, ServerEntries, Situation, Sources, Strict, Subject, Test,
    Tools, Transport, When,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use terms::{Authenticated, Code, Label, Name, Operation, Principal, ServerName, Utc, Workload};

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

fn at(line: u32) -> Place {
    Place::new("bastide.yaml", line, 5)
}

fn who(agent: &str, user: Option<&str>) -> Principal {
    Principal {
        agent: Name::new(agent).unwrap(),
        user: user.map(|user| Name::new(user).unwrap()),
        workload: Workload::Local { uid: 1, executable: Some("/usr/bin/agent".to_owned()) },
        authenticated: Authenticated::Peer,
    }
}

fn role(name: &str, members: &[&str], allow: Vec<Entry>) -> RoleSource {
    RoleSource {
        members: members.iter().map(|member| Entry::new(*member, at(2))).collect(),
        clearance: Label::Internal,
        allow: vec![ServerEntries { server: server("files"), place: at(3), entries: allow }],
        ..RoleSource::new(Name::new(name).unwrap(), at(1))
    }
}

fn tools() -> Tools {
    let parameter = |name: &str, kind| Parameter { name: name.to_owned(), kind, presence: Presence::Optional };
    let parameters = vec![
        parameter("path", ParameterKind::Text),
        parameter("count", ParameterKind::Whole),
        parameter("deep", ParameterKind::Truth),
        parameter("share", ParameterKind::Number),
    ];
    let tools = ["read_a", "write_a"].map(|tool| (tool.to_owned(), parameters.clone()));
    BTreeMap::from([(server("files"), BTreeMap::from(tools))])
}

fn compile(roles: Vec<RoleSource>, cedar: &str) -> Result<Engine, String> {
    let cedar = vec![CedarSource { file: "extra.cedar".to_owned(), text: cedar.to_owned() }];
    let sources = Sources { servers: vec![server("files"), server("other")], roles, cedar, tools: tools() };
    Engine::compile(sources).map_err(|problems| problems.iter().map(|one| format!("{one}\n")).collect())
}

fn engine(roles: Vec<RoleSource>, cedar: &str) -> Engine {
    compile(roles, cedar).unwrap_or_else(|problems| panic!("{problems}"))
}

fn allow(text: &str) -> Entry {
    Entry::new(text, at(4))
}

fn now() -> Circumstances<'static> {
    Circumstances {
        client: Some("Cursor"),
        address: Some("10.1.2.3".parse().unwrap()),
        transport: Some(Transport::Http),
        at: Utc::parse("2026-01-14T12:00:00Z"),
        depth: Some(3),
    }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn glob(text: &str) -> Glob {
    Glob::new(text).unwrap()
}

#[test]
fn members_are_known_by_every_fact() {
    let files = server("files");
    let decided = |member: &str, principal: &Principal, now: Circumstances<'_>| {
        let engine = engine(vec![role("r", &[member], vec![allow("read_a")])], "");
        engine.decide(&Facts::new(principal, &files, Subject::Tool("read_a")).situation(Situation::Is(now))).allows()
    };
    let ana = who("ci-7", Some("ana"));
    for member in [
        "agent:ci-*",
        "agent:ci-7",
        "user:a*",
        "client:Curs*",
        "network:10.1.0.0/16",
        "environment:transport=http",
        "environment:executable=/usr/bin/*",
    ] {
        assert!(decided(member, &ana, now()), "{member}");
    }
    for member in
        ["agent:ci-", "user:bob", "client:Cursor2", "network:10.2.0.0/16", "environment:transport=local", "environment:executable=/opt/*"]
    {
        assert!(!decided(member, &ana, now()), "{member}");
    }
    // Nobody shows a group or a certificate yet, whatever they are called.
    for member in ["group:*", "certificate:*"] {
        assert!(!decided(member, &ana, now()), "{member}");
    }
    // What is not known of a call is nobody's.
    for member in ["client:*", "network:0.0.0.0/0", "environment:transport=http"] {
        assert!(!decided(member, &ana, Circumstances::UNKNOWN), "{member}");
    }
}

#[test]
fn a_condition_holds_of_the_call_and_shows_the_tool_beforehand() {
    let files = server("files");
    let when = When(vec![
        Test::Argument("path".to_owned(), Compare::Like(vec![glob("/home/*")])),
        Test::Argument("count".to_owned(), Compare::Within(Range { from: Some(1), to: Some(9) })),
    ]);
    let engine = engine(vec![role("r", &["agent:a"], vec![allow("write_a").when(when)])], "");
    let principal = who("a", None);
    let facts = Facts::new(&principal, &files, Subject::Tool("write_a"));
    for (arguments, allowed) in [
        (json!({"path": "/home/x", "count": 9}), true),
        (json!({"path": "/home/x", "count": 9.0}), true),
        (json!({"path": "/etc/x", "count": 9}), false),
        (json!({"path": "/home/x", "count": 10}), false),
        (json!({"path": "/home/x", "count": "9"}), false),
        (json!({"path": "/home/x"}), false),
        (json!({"path": ["/home/x"], "count": 1}), false),
        (json!({}), false),
    ] {
        let members = object(arguments.clone());
        let verdict = engine.decide(&facts.arguments(Arguments::Are(&members)));
        assert_eq!(verdict.allows(), allowed, "{arguments}");
        // Who sees the tool is told that it is the arguments.
        assert_eq!(verdict.code(), (!allowed).then_some(Code::Arguments), "{arguments}");
    }
    assert!(!engine.decide(&facts).shows(), "without arguments");
    assert!(engine.decide(&facts.arguments(Arguments::Any)).shows(), "in a list");
    let stranger = who("b", None);
    assert!(!engine.decide(&Facts::new(&stranger, &files, Subject::Tool("write_a")).arguments(Arguments::Any)).shows());
}

#[test]
fn outside_of_hours_it_is_an_alert_or_a_refusal() {
    let files = server("files");
    let timed = |name: &str, strict| RoleSource {
        hours: Some(Hours { within: Entry::new("Mon-Fri 07:00-20:00 Europe/Berlin", at(9)), strict }),
        ..role(name, &["agent:a"], vec![allow("read_a")])
    };
    let principal = who("a", None);
    let decide = |engine: &Engine, at: &str| {
        let now = Circumstances { at: Utc::parse(at), ..now() };
        engine.decide(&Facts::new(&principal, &files, Subject::Tool("read_a")).situation(Situation::Is(now)))
    };
    let (noon, night) = ("2026-01-14T12:00:00Z", "2026-01-14T22:00:00Z");
    let strict = engine(vec![timed("r", Strict::Refuse)], "");
    assert!(decide(&strict, noon).allows() && decide(&strict, noon).late.is_none());
    let refused = decide(&strict, night);
    assert_eq!((refused.reason, refused.code(), refused.shows()), (Reason::Hours, Some(Code::Hours), true));
    let untold = Facts::new(&principal, &files, Subject::Tool("read_a"));
    assert_eq!(strict.decide(&untold).reason, Reason::Hours, "an unknown hour is outside");
    let alerted = decide(&engine(vec![timed("r", Strict::Alert)], ""), night);
    assert!(alerted.allows());
    assert_eq!(alerted.late.unwrap().as_str(), "r");
    // Another role that is at work lets it through without an alert, with its own clearance.
    let other = RoleSource { clearance: Label::Public, ..role("q", &["agent:a"], vec![allow("read_*")]) };
    let both = decide(&engine(vec![timed("r", Strict::Refuse), other], ""), night);
    assert!(both.allows() && both.late.is_none());
    assert_eq!(both.clearance(), Label::Public);
    // A permit of Cedar for the role has its hours; a forbid has not.
    let permit = r#"permit (principal in Role::"r", action == Action::"call", resource in Server::"files");"#;
    let empty = || RoleSource { allow: vec![], ..timed("r", Strict::Refuse) };
    assert_eq!(decide(&engine(vec![empty()], permit), night).reason, Reason::Hours);
    assert!(decide(&engine(vec![empty()], permit), noon).allows());
    let forbid = r#"forbid (principal in Role::"r", action == Action::"call", resource in Server::"files");"#;
    let free = role("q", &["agent:a"], vec![allow("read_*")]);
    assert_eq!(decide(&engine(vec![empty(), free], forbid), night).reason, Reason::Forbidden);
}

#[test]
fn cedar_reads_the_facts_of_a_call() {
    let files = server("files");
    let principal = who("a", Some("ana"));
    let forbids = |condition: &str, arguments: Value| {
        let cedar = format!("forbid (principal, action == Action::\"call\", resource) when {{ {condition} }};");
        let engine = engine(vec![role("r", &["agent:a"], vec![allow("*")])], &cedar);
        let members = object(arguments);
        let facts = Facts::new(&principal, &files, Subject::Tool("write_a")).situation(Situation::Is(now()));
        engine.decide(&facts.operation(Operation::Write).arguments(Arguments::Are(&members))).reason
    };
    for condition in [
        r#"context has client && context.client == "Cursor""#,
        r#"context has address && context.address.isInRange(ip("10.0.0.0/8"))"#,
        r#"context has transport && context.transport == "http""#,
        "context has depth && context.depth > 2",
        r#"context has time && context.time > datetime("2026-01-01")"#,
        r#"context.method == "tools/call" && context has operation && context.operation == "write""#,
        r#"context has arguments.files__write_a.path && context.arguments.files__write_a.path like "*.env""#,
        "context has arguments.files__write_a.count && context.arguments.files__write_a.count > 4",
        r#"context has arguments.files__write_a.share && context.arguments.files__write_a.share.greaterThan(decimal("0.25"))"#,
    ] {
        let arguments = json!({"path": "/a/.env", "count": 5, "deep": true, "share": 0.5});
        let expected = if condition.contains("arguments") { Reason::Arguments } else { Reason::Forbidden };
        assert_eq!(forbids(condition, arguments), expected, "{condition}");
    }
    let path = r#"context has arguments.files__write_a.path && context.arguments.files__write_a.path like "*.env""#;
    assert_eq!(forbids(path, json!({"path": "/a/x"})), Reason::Allowed);
    // What Cedar has no value for is not passed over.
    assert_eq!(forbids(path, json!({"path": "/a/x", "share": 0.123456})), Reason::Fault);
    assert_eq!(forbids(path, json!({"path": "/a/x", "count": 1.5})), Reason::Fault);
}

#[test]
fn a_list_shows_what_some_arguments_may_be_allowed_for() {
    let files = server("files");
    let principal = who("a", Some("ana"));
    let shown = |cedar: &str, allowed: Vec<Entry>| {
        let engine = engine(vec![role("r", &["agent:a"], allowed)], cedar);
        engine
            .decide(&Facts::new(&principal, &files, Subject::Tool("write_a")).situation(Situation::Is(now())).arguments(Arguments::Any))
            .shows()
    };
    let some = r#"context has arguments.files__write_a.count && context.arguments.files__write_a.count > 4"#;
    let permit = |condition: &str| format!("permit (principal, action == Action::\"call\", resource) when {{ {condition} }};");
    let forbid = |condition: &str| format!("forbid (principal, action == Action::\"call\", resource) when {{ {condition} }};");
    assert!(shown(&permit(some), vec![]));
    assert!(shown(&forbid(some), vec![allow("write_a")]));
    assert!(!shown(
        &permit(&format!("context.user == \"bob\" && {some}").replace("context.user", "context has user && context.user")),
        vec![]
    ));
    assert!(!shown(&forbid("resource.name == \"write_a\""), vec![allow("write_a")]));
    assert!(!shown(&permit(r#"context has arguments.files__read_a.path && resource.name == "read_a""#), vec![]));
}

#[test]
fn policies_are_checked_against_the_tools_that_are_approved() {
    for (condition, part) in [
        ("context has arguments.files__write_a.path && context.arguments.files__write_a.path > 4", "extra.cedar:1:"),
        ("context.arguments.files__write_a.pth == \"x\"", "pth"),
        ("context has arguments && context.arguments.files__wrote_a.path == \"x\"", "files__wrote_a"),
        ("context has arguments.files__write_a.pth", "did you mean \"path\"?"),
        ("context has arguments.files__wrote_a.path", "did you mean \"files__write_a\"?"),
        ("context.purpose == \"x\"", "purpose"),
    ] {
        let problems =
            compile(vec![], &format!("forbid (principal, action == Action::\"call\", resource) when {{ {condition} }};")).unwrap_err();
        assert!(problems.contains(part) && problems.contains('^'), "{condition}: {problems}");
    }
    let printed = engine(vec![], "").schema().to_owned();
    assert!(printed.contains(r#""files__write_a"?: { "path"?: String, "count"?: Long, "deep"?: Bool, "share"?: decimal },"#), "{printed}");
}

#[test]
fn what_cannot_be_meant_is_a_problem() {
    let argument = || When(vec![Test::Argument("path".to_owned(), Compare::Like(vec![glob("*")]))]);
    let wide = compile(vec![role("r", &["agent:a"], vec![allow("write_*").when(argument())])], "").unwrap_err();
    assert!(wide.contains("bastide.yaml:4:5") && wide.contains("named in full"), "{wide}");
    let whole = RoleSource { when: argument(), ..role("r", &["agent:a"], vec![]) };
    assert!(compile(vec![whole], "").unwrap_err().contains("belong to entries"));
    let hours = Hours { within: Entry::new("Mon-Fri 07:00-20:00 Berlin", at(9)), strict: Strict::Alert };
    let timed = RoleSource { hours: Some(hours), ..role("r", &["agent:a"], vec![]) };
    assert!(compile(vec![timed], "").unwrap_err().contains("bastide.yaml:9:5"), "where it stands");
}

fn name() -> impl Strategy<Value = String> {
    "[a-c_*]{1,4}".prop_filter("not the word for all", |text| text != "*")
}

fn globs() -> impl Strategy<Value = Vec<Glob>> {
    proptest::collection::vec("[a-c_*]{1,3}".prop_map(|text| glob(&text)), 1..3)
}

fn range() -> impl Strategy<Value = Range> {
    (proptest::option::of(-2_i64..6), proptest::option::of(-2_i64..6)).prop_map(|(from, to)| Range { from, to })
}

/// A test; on an argument in the type that the schema has for it, since Cedar is asked the same.
fn test(arguments: bool) -> BoxedStrategy<Test> {
    let plain = prop_oneof![
        proptest::collection::vec("[fo*]{1,3}".prop_map(|text| glob(&text)), 1..3).prop_map(Test::Server),
        globs().prop_map(Test::Tool),
        globs().prop_map(Test::Prompt),
        globs().prop_map(Test::Resource),
        proptest::sample::subsequence(vec!["tools/call", "prompts/get", "resources/read", "roots/list"], 1..4)
            .prop_map(|list| Test::Method(list.into_iter().map(str::to_owned).collect())),
        proptest::sample::subsequence(vec![Operation::Read, Operation::Write, Operation::Delete], 1..3).prop_map(Test::Operation),
        proptest::sample::subsequence(vec![Label::Public, Label::Internal, Label::Confidential], 1..3).prop_map(Test::Label),
        globs().prop_map(Test::Client),
        proptest::sample::select(vec!["10.0.0.0/8", "10.1.0.0/16", "fd00::/8", "0.0.0.0/0"])
            .prop_map(|text| Test::Network(vec![text.parse().unwrap()])),
        proptest::sample::select(vec!["transport=local", "transport=http", "executable=/usr/*", "executable=/opt/*"])
            .prop_map(|text| Test::Environment(vec![text.parse::<Environment>().unwrap()])),
        range().prop_map(Test::Depth),
    ];
    if !arguments {
        return plain.boxed();
    }
    let text = prop_oneof![
        proptest::collection::vec("[ab]{0,2}".prop_map(Scalar::Text), 1..3).prop_map(Compare::OneOf),
        globs().prop_map(Compare::Like)
    ];
    let whole = prop_oneof![
        proptest::collection::vec((-2_i64..6).prop_map(Scalar::Whole), 1..3).prop_map(Compare::OneOf),
        range().prop_map(Compare::Within)
    ];
    prop_oneof![
        3 => plain,
        1 => text.prop_map(|compare| Test::Argument("path".to_owned(), compare)),
        1 => whole.prop_map(|compare| Test::Argument("count".to_owned(), compare)),
        1 => any::<bool>().prop_map(|truth| Test::Argument("deep".to_owned(), Compare::OneOf(vec![Scalar::Truth(truth)]))),
    ]
    .boxed()
}

fn entry() -> impl Strategy<Value = Entry> {
    let when = |arguments| proptest::collection::vec(test(arguments), 0..3).prop_map(When);
    let texts = prop_oneof![
        2 => name(),
        1 => name().prop_map(|name| format!("prompt:{name}")),
        1 => "[a-c:/*]{1,4}".prop_map(|name| format!("resource:{name}")),
        1 => proptest::sample::select(vec!["question:roots".to_owned(), "question:sampling".to_owned(), "*".to_owned()]),
    ];
    prop_oneof![
        2 => (texts, when(false)),
        1 => (proptest::sample::select(vec!["read_a".to_owned(), "write_a".to_owned()]), when(true)),
    ]
    .prop_map(|(text, when)| Entry::new(text, at(4)).when(when))
}

#[derive(Clone, Debug)]
struct Call {
    subject: (u8, String),
    action: usize,
    operation: Option<Operation>,
    label: Option<Label>,
    arguments: Option<Map<String, Value>>,
    client: Option<String>,
    address: Option<std::net::IpAddr>,
    transport: Option<Transport>,
    depth: Option<u64>,
    open: bool,
}

fn call() -> impl Strategy<Value = Call> {
    let arguments = (proptest::option::of("[ab]{0,2}"), proptest::option::of(-2_i64..6), proptest::option::of(any::<bool>())).prop_map(
        |(path, count, deep)| {
            let members = [("path", path.map(Value::from)), ("count", count.map(Value::from)), ("deep", deep.map(Value::from))];
            members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>()
        },
    );
    let tool = prop_oneof!["[a-c_]{1,4}", proptest::sample::select(vec!["read_a".to_owned(), "write_a".to_owned()])];
    let subject = prop_oneof![
        4 => tool.prop_map(|name| (0, name)),
        1 => "[a-c_]{1,4}".prop_map(|name| (1, name)),
        1 => "[a-c:/]{1,4}".prop_map(|name| (2, name)),
        1 => Just((3, String::new())),
        1 => Just((4, String::new())),
    ];
    let known = (
        proptest::option::of("[a-c_]{1,3}"),
        proptest::option::of(proptest::sample::select(vec![
            "10.1.2.3".parse().unwrap(),
            "10.9.0.1".parse().unwrap(),
            "fd00::1".parse().unwrap(),
        ])),
        proptest::option::of(proptest::sample::select(Transport::ALL.to_vec())),
        proptest::option::of(0_u64..6),
    );
    let reviewed = (
        proptest::option::of(proptest::sample::select(vec![Operation::Read, Operation::Write, Operation::Delete])),
        proptest::option::of(proptest::sample::select(vec![Label::Public, Label::Internal])),
    );
    (subject, 0..Action::ALL.len(), reviewed, proptest::option::of(arguments), known, any::<bool>()).prop_map(
        |(subject, action, (operation, label), arguments, (client, address, transport, depth), open)| Call {
            subject,
            action,
            operation,
            label,
            arguments,
            client,
            address,
            transport,
            depth,
            open,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// An engine of roles, and one in which the same roles have no entries while Cedar has what `as_cedar` printed of them.
    #[test]
    fn entries_mean_what_they_mean_in_cedar(
        entries in proptest::collection::vec(entry(), 1..5),
        when in proptest::collection::vec(test(false), 0..2),
        calls in proptest::collection::vec(call(), 1..24),
    ) {
        let whole = RoleSource { when: When(when), ..role("r", &["agent:a"], entries) };
        let native = engine(vec![whole.clone()], "");
        let printed = native.as_cedar().replace("@id(", "@clearance(\"internal\")\n@id(");
        let cedar = engine(vec![RoleSource { allow: vec![], when: When::default(), ..whole }], &printed);
        let (principal, files) = (who("a", Some("ana")), server("files"));
        for call in &calls {
            let subject = match call.subject {
                (0, ref name) => Subject::Tool(name),
                (1, ref name) => Subject::Prompt(name),
                (2, ref name) => Subject::Resource(name),
                (3, _) => Subject::Question(Question::Roots),
                _ => Subject::Method(policy::Method::ResourcesList),
            };
            let action = if call.action < 4 { subject.action() } else { Action::ALL[call.action] };
            let now = Circumstances {
                client: call.client.as_deref(),
                address: call.address,
                transport: call.transport,
                at: None,
                depth: call.depth,
            };
            let arguments = match (&call.arguments, call.open) {
                (_, true) => Arguments::Any,
                (Some(members), false) => Arguments::Are(members),
                (None, false) => Arguments::Absent,
            };
            let facts = Facts { operation: call.operation, label: call.label, ..Facts::new(&principal, &files, subject).doing(action) };
            let facts = facts.arguments(arguments).situation(Situation::Is(now));
            let (one, other) = (native.decide(&facts), cedar.decide(&facts));
            prop_assert_eq!(&one.judgement, &other.judgement, "{:?}\n{}\n{:?} {:?}", call, printed, one, other);
            let ids = |verdict: &policy::Verdict| verdict.rules.iter().map(|rule| rule.id.to_string()).collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(ids(&one), ids(&other));
            prop_assert!(one.rules.iter().all(|rule| rule.effect == Effect::Allow));
        }
    }
}
