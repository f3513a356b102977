//! What the engine allows, through its public face.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use policy::{
    Action, CedarSource, Engine, Entry, Facts, Inventory, Judgement, Measure, Method, Miss, Obligation, Place, Question, Quota, Reason,
    RoleSource, ServerEntries, Sources, Subject, Unit, Wait, Why,
};
use proptest::prelude::*;
use terms::{Authenticated, Code, Label, Name, Operation, Principal, ServerName, Workload};

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

fn who(agent: &str, user: Option<&str>) -> Principal {
    Principal {
        agent: Name::new(agent).unwrap(),
        user: user.map(|user| Name::new(user).unwrap()),
        workload: Workload::Remote,
        authenticated: Authenticated::Peer,
    }
}

fn at(line: u32) -> Place {
    Place::new("bastide.yaml", line, 5)
}

fn entries(name: &str, line: u32, texts: &[&str]) -> ServerEntries {
    ServerEntries { server: server(name), place: at(line), entries: texts.iter().map(|text| Entry::new(*text, at(line))).collect() }
}

fn role(name: &str, line: u32, members: &[&str], clearance: Label) -> RoleSource {
    let members = members.iter().map(|member| Entry::new(*member, at(line))).collect();
    RoleSource { members, clearance, ..RoleSource::new(Name::new(name).unwrap(), at(line)) }
}

fn sources(roles: Vec<RoleSource>, cedar: &str) -> Sources {
    let cedar = if cedar.is_empty() { vec![] } else { vec![CedarSource { file: "extra.cedar".to_owned(), text: cedar.to_owned() }] };
    Sources { servers: ["files", "github", "ledger"].map(server).to_vec(), roles, cedar, ..Sources::default() }
}

fn coder() -> RoleSource {
    RoleSource {
        allow: vec![
            entries("files", 24, &["read_*", "list"]),
            entries("github", 25, &["prompt:fix_*", "resource:repo://*", "question:roots"]),
        ],
        ask: vec![entries("files", 26, &["write_file", "read_secret*"])],
        grant: vec![entries("ledger", 27, &["query"])],
        ..role("coder", 20, &["agent:claude-code", "user:ana", "group:engineering"], Label::Internal)
    }
}

fn engine(roles: Vec<RoleSource>, cedar: &str) -> Engine {
    Engine::compile(sources(roles, cedar))
        .unwrap_or_else(|problems| panic!("{}", problems.iter().map(|one| format!("{one}\n")).collect::<String>()))
}

fn reason(engine: &Engine, principal: &Principal, at: &str, subject: Subject<'_>) -> Reason {
    engine.decide(&Facts::new(principal, &server(at), subject)).reason
}

#[test]
fn access_deny_by_default_matrix() {
    let admin = RoleSource { allow: vec![entries("github", 31, &["*"])], ..role("admin", 30, &["agent:ops-*"], Label::Restricted) };
    let engine = engine(vec![coder(), admin], "");
    let (code, ana, ops, stranger) = (who("claude-code", None), who("x", Some("ana")), who("ops-1", None), who("engineering", None));
    let mut table = String::new();
    for (place, subject, action) in [
        ("files", Subject::Tool("read_file"), Action::Call),
        ("files", Subject::Tool("read_secret_file"), Action::Call),
        ("files", Subject::Tool("write_file"), Action::Call),
        ("files", Subject::Tool("Read_file"), Action::Call),
        ("files", Subject::Tool("lists"), Action::Call),
        ("files", Subject::Prompt("read_x"), Action::Get),
        ("github", Subject::Tool("read_file"), Action::Call),
        ("github", Subject::Prompt("fix_bug"), Action::Get),
        ("github", Subject::Prompt("fix_bug"), Action::Complete),
        ("github", Subject::Resource("repo://a/b"), Action::Read),
        ("github", Subject::Resource("repo://a/b"), Action::Subscribe),
        ("github", Subject::Resource("file:///etc"), Action::Read),
        ("github", Subject::Method(Method::ResourcesList), Action::List),
        ("github", Subject::Method(Method::LoggingSetLevel), Action::Log),
        ("github", Subject::Question(Question::Roots), Action::Question),
        ("github", Subject::Question(Question::Sampling), Action::Question),
        ("ledger", Subject::Tool("query"), Action::Call),
        ("ledger", Subject::Method(Method::ResourcesList), Action::List),
    ] {
        let cell = |principal: &Principal| match engine.decide(&Facts::new(principal, &server(place), subject).doing(action)).judgement {
            Judgement::Allow(_) => "allow",
            Judgement::Hold(Wait::Approval) => "ask",
            Judgement::Hold(Wait::Grant) => "grant",
            Judgement::Refuse => "-",
        };
        let cells = [&code, &ana, &ops, &stranger].map(cell).join(" ");
        table.push_str(&format!("{place} {} {} {cells}\n", action.as_str(), subject.name()));
    }
    let expected = "\
files call read_file allow allow - -
files call read_secret_file ask ask - -
files call write_file ask ask - -
files call Read_file - - - -
files call lists - - - -
files get read_x - - - -
github call read_file - - allow -
github get fix_bug allow allow allow -
github complete fix_bug - - allow -
github read repo://a/b allow allow allow -
github subscribe repo://a/b - - allow -
github read file:///etc - - allow -
github list resources/list allow allow allow -
github log logging/setLevel - - allow -
github question roots allow allow allow -
github question sampling - - allow -
ledger call query grant grant - -
ledger list resources/list - - - -
";
    assert_eq!(table, expected);
}

#[test]
fn nothing_configured_refuses_everything() {
    let engine = engine(vec![], "");
    assert!(engine.is_empty());
    assert_eq!(reason(&engine, &who("a", None), "files", Subject::Tool("x")), Reason::NoRole);
}

#[test]
fn a_refusal_has_its_code_and_its_line() {
    let engine = engine(vec![coder()], "");
    let (principal, files) = (who("claude-code", None), server("files"));
    let refused = engine.decide(&Facts::new(&principal, &files, Subject::Tool("drop")));
    assert_eq!((refused.reason, refused.code()), (Reason::NoRule, Some(Code::Denied)));
    let allowed = engine.decide(&Facts::new(&principal, &files, Subject::Tool("read_x")));
    assert_eq!(allowed.code(), None);
    assert_eq!(
        allowed.rules.iter().map(|rule| format!("{} {}", rule.place.short(), rule.id)).collect::<Vec<_>>(),
        ["bastide.yaml:24 coder.allow.files[0]"]
    );
}

#[test]
fn data_labels_clearance_is_the_highest_of_the_roles_that_allow() {
    let low = RoleSource { allow: vec![entries("files", 2, &["read_*"])], ..role("low", 1, &["agent:a"], Label::Internal) };
    let high = RoleSource { allow: vec![entries("files", 4, &["read_top"])], ..role("high", 3, &["agent:a"], Label::Confidential) };
    let engine = engine(vec![low, high], "");
    let (principal, files) = (who("a", None), server("files"));
    let of = |tool| Facts::new(&principal, &files, Subject::Tool(tool));
    assert_eq!(engine.decide(&of("read_x")).clearance(), Label::Internal);
    assert_eq!(engine.decide(&of("read_top")).clearance(), Label::Confidential);
    assert!(engine.decide(&of("read_top").label(Label::Confidential)).allows());
    let refused = engine.decide(&of("read_x").label(Label::Confidential));
    assert_eq!(refused.reason, Reason::Clearance { label: Label::Confidential, clearance: Label::Internal });
    assert_eq!((refused.code(), refused.clearance()), (Some(Code::Clearance), Label::Public));
}

#[test]
fn a_forbid_wins_and_reads_the_facts() {
    let engine = engine(
        vec![coder()],
        r#"@id("no-secrets") forbid (principal, action, resource in Server::"files") when { resource.name like "*secret*" };
           @id("no-deletes") forbid (principal in User::"ana", action == Action::"call", resource)
             when { context has operation && context.operation == "delete" };"#,
    );
    let (ana, code, files) = (who("x", Some("ana")), who("claude-code", None), server("files"));
    assert_eq!(reason(&engine, &code, "files", Subject::Tool("read_secret")), Reason::Forbidden);
    let delete = |principal| engine.decide(&Facts::new(principal, &files, Subject::Tool("read_all")).operation(Operation::Delete));
    let refused = delete(&ana);
    assert_eq!((refused.reason, &*refused.rules[0].id, refused.rules[0].place.line), (Reason::Forbidden, "no-deletes", 2));
    assert!(delete(&code).allows());
    assert!(engine.decide(&Facts::new(&ana, &files, Subject::Tool("read_all"))).allows());
}

#[test]
fn a_cedar_permit_has_its_annotations() {
    let engine = engine(
        vec![role("coder", 1, &["agent:a"], Label::Confidential)],
        r#"permit (principal in Role::"coder", action == Action::"call", resource == Tool::"files/one");
           @clearance("internal") @cap("1000") @redact("all")
           permit (principal == Agent::"a", action == Action::"call", resource == Tool::"files/two");
           permit (principal, action == Action::"call", resource == Tool::"files/three");"#,
    );
    let (principal, files) = (who("a", None), server("files"));
    let of = |tool| engine.decide(&Facts::new(&principal, &files, Subject::Tool(tool)));
    assert_eq!(of("one").obligations(), [Obligation::Clearance(Label::Confidential)]);
    assert_eq!(of("two").obligations(), [Obligation::Clearance(Label::Internal), Obligation::Cap(1000), Obligation::Redact]);
    assert_eq!(of("three").clearance(), Label::Public);
    assert!(engine.decide(&Facts::new(&who("b", None), &files, Subject::Tool("three"))).allows());
    assert_eq!(of("four").reason, Reason::NoRule);
}

#[test]
fn an_evaluation_that_errs_refuses() {
    // Overflow errs at run time; Cedar alone would pass the forbid over.
    let engine = engine(vec![coder()], r#"forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };"#);
    let verdict = engine.decide(&Facts::new(&who("claude-code", None), &server("files"), Subject::Tool("read_x")));
    assert_eq!((verdict.reason, verdict.code()), (Reason::Fault, Some(Code::DecideFault)));
}

#[test]
fn malformed_facts_are_refused() {
    let everything = RoleSource { allow: vec![entries("files", 2, &["*"])], ..role("all", 1, &["agent:*"], Label::Restricted) };
    let engine = engine(vec![everything], "");
    let (principal, files) = (who("a", None), server("files"));
    assert_eq!(engine.decide(&Facts::new(&principal, &files, Subject::Tool("x")).doing(Action::Read)).reason, Reason::Malformed);
    assert_eq!(reason(&engine, &principal, "files", Subject::Tool(&"x".repeat(5_000))), Reason::Malformed);
    assert_eq!(reason(&engine, &principal, "files", Subject::Tool(&"x".repeat(1_000))), Reason::Allowed);
    for uri in
        ["file:///a/../b", "file:///a/..", "file:///a/%2e%2E/b", "file:///a/%252e%252e/b", "file:///a/..%2fb", "file:///a\\..\\b", "x:a\nb"]
    {
        assert_eq!(reason(&engine, &principal, "files", Subject::Resource(uri)), Reason::Malformed, "{uri}");
    }
    for uri in ["file:///a/..b", "repo://a/b?c=%20d", "file:///a/b.c"] {
        assert_eq!(reason(&engine, &principal, "files", Subject::Resource(uri)), Reason::Allowed, "{uri}");
    }
}

#[test]
fn access_filtered_discovery_shows_what_may_be_used() {
    let engine = engine(vec![coder()], "");
    let tools = ["read_a", "write_file", "drop", "list"].map(Subject::Tool);
    let seen = engine.visible(&who("claude-code", None), &server("files"), tools);
    assert_eq!(seen.iter().map(|(subject, _)| subject.name()).collect::<Vec<_>>(), ["read_a", "write_file", "list"]);
    assert!(engine.visible(&who("stranger", None), &server("files"), tools).is_empty());
    let servers = engine.servers_of(&who("claude-code", None));
    assert_eq!(servers.iter().map(ServerName::as_str).collect::<Vec<_>>(), ["files", "github", "ledger"]);
    assert!(engine.servers_of(&who("stranger", None)).is_empty());
    assert_eq!(engine.roles_of(&who("b", Some("ana"))).iter().map(|role| role.as_str()).collect::<Vec<_>>(), ["coder"]);
}

#[test]
fn all_problems_come_at_once_with_their_places() {
    let bad = RoleSource {
        allow: vec![entries("fiels", 3, &["read_?", "prompts:x"])],
        ..role("bad", 1, &["claude", "agnet:x", "agent:sp ace"], Label::Public)
    };
    let cedar = "permit (principal, action, resource)\nwhen { resource.size > 3 };\n@clearence(\"internal\")\npermit (principal, action, resource);";
    let problems = Engine::compile(sources(vec![bad, role("bad", 9, &[], Label::Public)], cedar)).unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let all = shown.join("\n");
    for expected in [
        "bastide.yaml:1:5 a member is agent:NAME, user:NAME, group:NAME, client:NAME, certificate:NAME, network:CIDR or environment:FACT=GLOB; did you mean \"agent:claude\"?",
        "did you mean \"agent:x\"?",
        "a name has only",
        "bastide.yaml:3:5 there is no server \"fiels\"; did you mean \"files\"?",
        "\"?\" has no meaning here",
        "\"prompts:\" is not one of",
        "bastide.yaml:9:5 the role \"bad\" is already at bastide.yaml:1",
        "extra.cedar:2:8",
        "    when { resource.size > 3 };\n           ^",
        "extra.cedar:3:1 @clearence has no meaning here; did you mean \"clearance\"?",
    ] {
        assert!(all.contains(expected), "{expected}\nin\n{all}");
    }
    let unparsed = Engine::compile(sources(vec![], "permit (principal, action, resource)\n  wehn { true };")).unwrap_err();
    assert_eq!(unparsed[0].place, Place::new("extra.cedar", 2, 3), "{}", unparsed[0]);
}

#[test]
fn an_explanation_names_the_line_and_the_near_misses() {
    let other = RoleSource { allow: vec![entries("files", 41, &["write_*"])], ..role("writer", 40, &["agent:w"], Label::Public) };
    let engine = engine(vec![coder(), other], "");
    let (principal, files) = (who("claude-code", None), server("files"));
    let allowed = engine.explain(&Facts::new(&principal, &files, Subject::Tool("read_x")));
    assert_eq!(allowed.decided(), ["bastide.yaml:24  allow read_*"]);
    let refused = engine.explain(&Facts::new(&principal, &files, Subject::Tool("write_fil")));
    assert_eq!(refused.verdict.reason, Reason::NoRule);
    assert_eq!((&*refused.near[0].rule.text, &refused.near[0].miss), ("write_file", &Miss::Name { edits: 1 }));
    assert!(refused.near.iter().any(|near| near.miss == Miss::Role(Name::new("writer").unwrap())));
}

#[test]
fn odd_lines_are_noticed() {
    let mut odd = coder();
    odd.allow = vec![entries("files", 24, &["read_*", "read_a", "raed_b", "read_*", "write_file", "*"])];
    let engine = engine(vec![odd, role("empty", 50, &["group:x"], Label::Public)], "");
    let tools = ["read_a", "read_b", "write_file", "read_secret"].map(str::to_owned).to_vec();
    let notices = engine.check(&Inventory::from([(server("files"), tools)]));
    let has = |what: &str, found: fn(&Why) -> bool| notices.iter().any(|notice| notice.what == what && found(&notice.why));
    assert!(has("coder.allow.files[2]", |why| matches!(why, Why::Matches { nearest: Some(near) } if near == "read_b")));
    assert!(has("coder.allow.files[3]", |why| matches!(why, Why::Twice { .. })));
    assert!(has("coder.allow.files[1]", |why| matches!(why, Why::Covered { .. })));
    assert!(has("coder.allow.files[4]", |why| matches!(why, Why::Outweighed { .. } | Why::Covered { .. })));
    assert!(has("coder.allow.files[5]", |why| *why == Why::Everything));
    assert!(has("the role empty", |why| *why == Why::Memberless) && has("the role empty", |why| *why == Why::Empty));
}

#[test]
fn the_rules_print_as_sentences_and_as_cedar() {
    let mut coder = coder();
    coder.limits.each = vec![Quota::window(Measure::Calls, 120, Unit::Minute)];
    let engine = engine(vec![coder], r#"@description("nobody touches it") forbid (principal, action, resource in Server::"ledger");"#);
    assert_eq!(
        engine.as_text(),
        "coder (agent:claude-code, user:ana and group:engineering) may use read_* and list on files, the prompts fix_*, the resources repo://* and roots \
         questions on github; asks a person for write_file and read_secret* on files; finds query on ledger closed until granted; nothing else. It receives \
         what is internal at most. It has at most 120 calls in a minute.\nextra.cedar#1 (extra.cedar:1) forbids, whatever a role says: nobody touches it.\n"
    );
    let cedar = engine.as_cedar();
    assert!(cedar.starts_with(
        "// bastide.yaml:24\n@id(\"coder.allow.files[0]\")\npermit (principal in Role::\"coder\", action == Action::\"call\", resource in Server::\"files\")\n\
         when { resource.name like \"read_*\" };\n"
    ));
    assert!(cedar.contains("// bastide.yaml:26  waits for a person\n"));
}

#[test]
fn the_digest_follows_the_sources() {
    let one = engine(vec![coder()], "");
    assert_eq!(one.digest(), engine(vec![coder()], "").digest());
    let mut other = coder();
    other.clearance = Label::Restricted;
    assert_ne!(one.digest(), engine(vec![other], "").digest());
    assert_eq!(one.digest_hex().len(), 64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn adding_a_forbid_never_allows_more(
        allowed in prop::collection::vec("[ab*]{1,3}", 0..5),
        asked in prop::collection::vec("[ab*]{1,3}", 0..3),
        forbidden in "[ab*]{1,3}",
        name in "[ab]{1,3}",
    ) {
        let texts = |list: &[String]| ServerEntries {
            server: server("files"), place: at(1), entries: list.iter().map(|text| Entry::new(text.clone(), at(1))).collect(),
        };
        let role = RoleSource { allow: vec![texts(&allowed)], ask: vec![texts(&asked)], ..role("r", 1, &["agent:a"], Label::Internal) };
        let forbid = format!("forbid (principal, action, resource in Server::\"files\") when {{ resource.name like \"{forbidden}\" }};");
        let (before, after) = (engine(vec![role.clone()], ""), engine(vec![role], &forbid));
        let (principal, files) = (who("a", None), server("files"));
        let facts = Facts::new(&principal, &files, Subject::Tool(&name));
        let (before, after) = (before.decide(&facts), after.decide(&facts));
        prop_assert!(before.shows() || !after.shows());
        prop_assert!(before.allows() || !after.allows());
        let matches = |list: &[String]| list.iter().any(|text| policy::Glob::new(text).unwrap().matches(&name));
        prop_assert_eq!(before.allows(), matches(&allowed) && !matches(&asked));
        prop_assert_eq!(after.shows(), before.shows() && !matches(&[forbidden]));
    }
}
