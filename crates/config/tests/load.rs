//! Files through the public face: what is taken, what is refused, and what is said.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may end where its world does not hold")]

use config::{
    Access, Entry, Facts, Fault, KeySource, Loaded, Preset, Problems, Profile, Revision, Scope, Sort, Source, Span, Starter, Step, Store,
    Unlock, init_text, load, not_built, schema,
};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use terms::{Label, Name, ServerName, Trust, Utc};

const SKELETON: &str = include_str!("skeleton.yaml");

fn source(text: &str) -> Source<'_> {
    Source {
        path: Path::new("/home/ana/.config/bastide/bastide.yaml"),
        bytes: text.as_bytes(),
        home: Some(Path::new("/home/ana")),
        user: Some(Name::new("ana").unwrap()),
        now: Utc::parse("2026-11-21T10:00:00Z").unwrap(),
        facts: Some(Facts { steps: Vec::new(), own: 1000 }),
    }
}

fn good(text: &str) -> Loaded {
    match load(&source(text)) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{}", problems.carets()),
    }
}

fn bad(text: &str) -> Problems {
    load(&source(text)).err().unwrap_or_else(|| panic!("this was taken:\n{text}"))
}

fn says(text: &str, expected: &str) {
    let lines = bad(text).lines();
    assert!(lines.contains(expected), "expected {expected:?} in:\n{lines}");
}

fn server(name: &str) -> ServerName {
    ServerName::new(name).unwrap()
}

#[test]
fn the_skeleton_has_no_other_fault_than_what_is_not_built() {
    let problems = bad(SKELETON);
    for problem in &problems.list {
        assert_eq!(problem.fault, Fault::NotBuilt, "{}", problem.sentence());
    }
    let keys: Vec<&str> = problems.list.iter().map(|problem| problem.key.as_str()).collect();
    let expected = [
        "vault.unlock",
        "roles.coder.ask",
        "roles.coder.grant",
        "inspect.injection.action",
        "audit.siem",
        "approvals.notify",
        "approvals.expire",
        "approvals.quorum",
    ];
    assert_eq!(keys.iter().copied().collect::<std::collections::BTreeSet<_>>(), expected.into_iter().collect());
}

#[test]
fn every_row_of_the_table_refuses_by_name() {
    for row in not_built() {
        let problems = bad(row.example);
        assert_eq!(problems.list.len(), 1, "{}:\n{}", row.key, problems.lines());
        let problem = &problems.list[0];
        assert_eq!(problem.fault, Fault::NotBuilt, "{}", row.key);
        let same = |step: &str, pattern: &str| pattern == "*" || step == pattern;
        let steps: Vec<String> = problem.key.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect();
        let pattern: Vec<&str> = row.key.split('.').collect();
        assert_eq!(steps.len(), pattern.len(), "{} against {}", problem.key, row.key);
        assert!(steps.iter().zip(pattern).all(|(step, pattern)| same(step, pattern)), "{} against {}", problem.key, row.key);
        assert!(problem.message.contains("not built in this release") && problem.message.contains(row.instead));
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    let file = good("profile: local\n").file;
    assert_eq!(file.profile, Profile::Local);
    assert_eq!(file.state, PathBuf::from("/home/ana/.local/state/bastide"));
    assert_eq!(
        (file.listen.data.address.to_string(), file.listen.admin.address.to_string()),
        ("127.0.0.1:8420".into(), "127.0.0.1:8421".into())
    );
    assert_eq!((file.listen.data.revisions, file.listen.data.legacy_sse), (vec![Revision::R20260728, Revision::R20251125], false));
    assert_eq!((file.vault.unlock, file.store), (Unlock::Keyfile, Store::Embedded));
    let bounds = &file.bounds;
    assert_eq!((bounds.message.bytes(), bounds.result.bytes()), (4 << 20, 16 << 20));
    assert_eq!((bounds.nesting, bounds.streams, bounds.inflight, bounds.connections), (64, 64, 32, 256));
    assert_eq!([bounds.header, bounds.body, bounds.idle, bounds.write].map(|span| span.duration().as_secs()), [10, 30, 30, 30]);
    assert_eq!(file.audit.retain.to_string(), "400d");
    assert_eq!(good("audit: { retain: 1s }").file.audit.retain, Span::seconds(1));
    says("audit: { retain: 999ms }", "retain is at least 1s");
    says("audit: { retain: 0d }", "retain is at least 1s");
    assert!(file.inspect.secrets.is_none() && file.inspect.financial.is_none() && file.inspect.pii.action.is_none(), "the preset says it");

    let file = good("servers: { a: { run: [a] } }").file;
    let server = &file.servers[&server("a")];
    assert_eq!((server.call, server.idle, server.instances.as_str()), (Span::seconds(30), Span::seconds(600), "session"));
    let sandbox = &server.sandbox;
    assert_eq!((sandbox.memory.bytes(), sandbox.cpu, sandbox.processes, sandbox.files), (512 << 20, 1, 64, 256));
    assert_eq!((server.restart.delay, server.restart.most, server.restart.within), (Span::seconds(1), 5, Span::seconds(600)));
}

#[test]
fn a_misspelt_key_is_named_with_its_place_and_the_nearest_one() {
    let text = "servers: { files: { run: [a] } }\nroles:\n  coder:\n    alow: { files: [\"read_*\"] }\n";
    assert_eq!(bad(text).lines(), "bastide.yaml:4:5 unknown key \"alow\" in roles.coder; did you mean \"allow\"?\n");
    assert_eq!(
        bad(text).carets(),
        "bastide.yaml:4:5 unknown key \"alow\" in roles.coder; did you mean \"allow\"?\n   |\n 4 |     alow: { files: [\"read_*\"] }\n   |     ^^^^\n"
    );
}

#[test]
fn all_problems_come_at_once() {
    let text = "profil: local\nbounds: { message: 4MB, header: 10 }\nservers:\n  A_b: { run: [x] }\n  c: { run: [x], url: \"https://x.example\" }\nroles: { r: { members: [ana], allow: { d: [x] } } }\nlisten: { data: { legacy_sse: maybe } }\ninspect: { secrets: { action: redct } }\n";
    let lines = bad(text).lines();
    for expected in [
        "1:1 unknown key \"profil\"; did you mean \"profile\"?",
        "2:20 bounds.message must be a size such as 200KiB or 4MiB, not \"4MB\"",
        "2:33 bounds.header must be a span of time such as 30s, 10m or 400d, not \"10\"",
        "4:3 servers.A_b must be a server's name",
        "6:25 roles.r.members[0]: a member is agent:NAME, user:NAME, group:NAME, client:NAME, certificate:NAME, network:CIDR or environment:FACT=GLOB; did you mean \"agent:ana\"?",
        "7:31 listen.data.legacy_sse must be true or false, not \"maybe\"",
        "8:31 inspect.secrets.action must be one of flag, redact, mask, tokenise, fence, strip, block, not \"redct\"; did you mean \"redact\"?",
    ] {
        assert!(lines.contains(expected), "expected {expected:?} in:\n{lines}");
    }
    assert_eq!(lines.lines().count(), 7, "{lines}");
}

#[test]
fn values_that_do_not_fit_together_are_refused() {
    let cases = [
        ("servers: { a: {} }", "servers.a needs \"run\", \"image\" or \"url\""),
        ("servers: { bastide: { run: [a] } }", "the name bastide is the gateway's own"),
        ("servers: { a: { run: [a], url: \"https://x.example\" } }", "has both \"run\" and \"url\""),
        ("servers: { a: { url: \"http://x.example\" } }", "http: is for loopback addresses only"),
        ("servers: { a: { url: \"http://127.0.0.1.example.com\" } }", "http: is for loopback addresses only"),
        ("servers: { a: { url: \"ftp://x.example\" } }", "\"ftp\" is not read here"),
        ("servers: { a: { url: \"https://u:p@x.example\" } }", "a credential does not belong in a URL"),
        ("servers: { a: { url: \"https://x.example?api_key=1\" } }", "does not belong in a URL"),
        ("servers: { a: { run: [./a] } }", "a bare name or an absolute path"),
        ("servers: { a: { run: [/opt/../a] } }", "a bare name or an absolute path"),
        ("servers: { a: { url: \"https://x.example\", env: { A: b } } }", "env is for servers that are started here"),
        ("servers: { a: { run: [a], auth: { bearer: vault:a/t } } }", "auth is for servers with a url"),
        ("servers: { a: { run: [a], transport: sse } }", "transport is for servers with a url"),
        ("servers: { a: { url: \"https://x.example\", auth: {} } }", "one of bearer and oauth, or a certificate"),
        ("servers: { a: { url: \"https://x.example\", tls: { pin: [sha256/AAAA] } } }", "a pin is sha256/"),
        ("servers: { a: { run: [a], env: { A: b }, secrets: { A: vault:a/b } } }", "stands under env and under secrets"),
        ("servers: { a: { run: [a], secrets: { A: hunter2 } } }", "must be a place in the vault"),
        ("servers: { a: { run: [a], sandbox: { write: [/home/ana] } } }", "holds the state folder"),
        (
            "servers: { a: { run: [a], sandbox: { write: [/home/ana/.local/state/bastide/audit] } } }",
            "holds the state folder or lies in it",
        ),
        ("servers: { a: { run: [a], sandbox: { read: [/home/ana/.config] } } }", "holds the configuration"),
        ("servers: { a: { run: [a], sandbox: { read: [~/.config/bastide] } } }", "holds the configuration"),
        ("servers: { a: { run: [a], sandbox: { read: [work] } } }", "an absolute path"),
        ("servers: { a: { run: [a], sandbox: { egress: [\"*\"] } } }", "egress is host:port"),
        ("servers: { a: { run: [a], sandbox: { egress: [\"mail.example.com:25\"] } } }", "write smtp://"),
        ("servers: { a: { run: [a], sandbox: { egress: [\"ｅxample.com:443\"] } } }", "in the form in which it is compared"),
        ("servers: { a: { run: [a], sandbox: { egress: [\"a:443\", \"http://a:443\"] } } }", "with another protocol"),
        ("servers: { a: { run: [a], sandbox: { traffic: { opening: 0 } } } }", "sandbox.traffic.opening must be more than nothing"),
        ("dns: { resolver: \"http://resolver.example.com/\" }", "dns.resolver is `system` or an https: or tls: address"),
        ("servers: { a: { image: docker.io/mcp/time } }", "names a registry and a digest"),
        ("servers: { a: { image: \"docker.io/mcp/time:1.2\" } }", "`podman pull NAME:TAG` fetches it"),
        ("servers: { a: { image: \"docker.io/mcp/time:1.2@sha256:DIGEST\" } }", "no tag, which can be moved"),
        ("servers: { a: { image: \"mcp/time@sha256:DIGEST\" } }", "names a registry and a digest"),
        ("servers: { a: { image: \"docker.io/mcp/time@sha256:DIGEST\", url: \"https://a.example\" } }", "has both \"image\" and \"url\""),
        ("servers: { a: { image: \"docker.io/node@sha256:DIGEST\", run: [npx, -y, thing] } }", "fetches what it runs"),
        ("servers: { a: { image: \"docker.io/mcp/time@sha256:DIGEST\", secrets: { A: vault:a/b } } }", "no credential is handed to one"),
        ("servers: { a: { call: 1s } }", "needs \"run\", \"image\" or \"url\""),
        ("telemetry: { otlp: \"http://10.0.0.7:4318\" }", "telemetry.otlp is an https: address, or an http: one of loopback"),
        ("telemetry: { otlp: \"ftp://10.0.0.7\" }", "telemetry.otlp is an https: address"),
        ("telemetry: { otlp: \"https://ana:x@10.0.0.7:4318\" }", "a credential does not belong in a URL"),
        ("telemetry: { otlp: \"https://10.0.0.7:4318/?token=x\" }", "a query does not belong here"),
        ("telemetry: { otlp: \"https://10.0.0.7:4318\", headers: { Host: vault:telemetry/token } }", "a header is a name in small letters"),
        ("telemetry: { otlp: \"https://10.0.0.7:4318\", headers: { host: vault:telemetry/token } }", "none that the gateway writes itself"),
        ("telemetry: { otlp: \"https://10.0.0.7:4318\", headers: { authorization: Bearer x } }", "must be a place in the vault"),
        ("telemetry: { otlp: \"https://10.0.0.7:4318\", sample: 120% }", "a share such as 100%"),
        ("telemetry: { otlp: \"https://10.0.0.7:4318\", every: 10ms }", "every is at least 1s"),
        ("telemetry: { otlp: \"https://10.0.0.7:4318\", tls: { ca: ca.pem } }", "ca is an absolute path"),
        ("telemetry: { otlp: \"http://127.0.0.1:4318\", tls: { ca: /ca.pem } }", "there is no certificate to know with http:"),
        ("telemetry: { sample: 5% }", "needs the key \"otlp\""),
        ("dns: { resolver: systematic }", "dns.resolver is `system` or an https: or tls: address"),
        ("dns: { resolver: \"tls://9.9.9.9/dns\" }", "dns.resolver is `system` or an https: or tls: address"),
        ("servers: { a: { run: [a], call: 0s } }", "must be more than nothing"),
        (
            "servers: { files: { run: [a] } }\nroles: { r: { allow: { file: [x] } } }",
            "there is no server \"file\"; did you mean \"files\"?",
        ),
        (
            "servers: { files: { run: [a] } }\ntools: { fils__x: { operation: read } }",
            "there is no server \"fils\"; did you mean \"files\"?",
        ),
        ("tools: { files_x: { operation: read } }", "a tool written server__tool"),
        ("servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { roots: [/x] } } } }", "roots belongs to a guard"),
        (
            "servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { guard: files } } } }",
            "roots: there must be at least one folder",
        ),
        (
            "servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { guard: files, roots: [work] } } } }",
            "a folder is an absolute path",
        ),
        (
            "servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { guard: files, roots: [/x], tables: [t] } } } }",
            "another guard",
        ),
        (
            "servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { guard: http, schemes: [https], allow_hosts: [a/b] } } } }",
            "allow_hosts: a host is",
        ),
        ("servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { guard: sql, dialect: oracle } } } }", "dialect: write postgres"),
        (
            "servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { guard: sql, dialect: mysql, tables: [] } } } }",
            "tables: a table is",
        ),
        (
            "servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { guard: process, allowed: [git], inline_code: perhaps } } } }",
            "inline_code: write deny or allow",
        ),
        (
            "servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { guard: process, allowed: [git], type: integer } } } }",
            "a guard judges text",
        ),
        (
            "servers: { a: { run: [a] } }\ntools: { a__x: { operation: write, arguments: { p: { guard: files, roots: [/x] } } } }",
            "no path of it may be written",
        ),
        ("servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { pattern: '(' } } } }", "not a regular expression"),
        ("servers: { a: { run: [a] } }\ntools: { a__x: { arguments: { p: { minLength: 3, maxLength: 2 } } } }", "maxLength is less"),
        ("listen: { data: { address: 0.0.0.0:8420 } }", "needs tls"),
        ("listen: { admin: { address: 127.0.0.1:8420 } }", "both listeners have the address"),
        ("listen: { data: { hosts: [\"a/b\"] } }", "a host is a name or an address"),
        ("listen: { admin: { hosts: [\"a/b\"] } }", "listen.admin.hosts: a host is a name or an address"),
        ("listen: { data: { origins: [\"https://a.example/x\"] } }", "an origin is a scheme"),
        ("roles: { r: { limits: { calls: 0/session } } }", "must be more than nothing"),
        ("bounds: { inflight: 0 }", "bounds.inflight must be more than nothing"),
        ("people: [{ name: ana, may: [view] }, { name: ana, may: [kill] }]", "ana is here twice"),
        ("people: [{ may: [view] }]", "people[0] needs the key \"name\""),
        ("state: state", "state must be an absolute path"),
        ("profile: local\nprofile: local", "is here twice"),
        ("", "the file is empty"),
        ("[1, 2]", "the file must be a mapping, not a list"),
        ("a: [", "not valid YAML"),
    ];
    for (text, expected) in cases {
        says(text, expected);
    }
}

#[test]
fn a_credential_in_the_wrong_place_is_not_repeated() {
    let lines = bad("servers: { a: { run: [a], secrets: { A: hunter2-hunter2 } } }").lines();
    assert!(!lines.contains("hunter2"), "{lines}");
}

#[test]
fn trust_follows_reach() {
    let text = "servers:\n  a: { run: [a], sandbox: { egress: [\"db.internal:5432\"] } }\n  b: { run: [b], sandbox: { egress: [\"*.example.com:443\"] } }\n  c: { url: \"https://x.example.com\" }\n  d: { url: \"http://localhost:9\" }\n  e: { url: \"https://x.example.com\", trust: internal, clearance: confidential, label: internal }\n";
    let file = good(text).file;
    let expected = [("a", Trust::Internal), ("b", Trust::External), ("c", Trust::External), ("d", Trust::Internal), ("e", Trust::Internal)];
    for (name, trust) in expected {
        assert_eq!(file.servers[&server(name)].trust(), trust, "{name}");
    }
    assert_eq!(file.servers[&server("c")].clearance(), Label::Public);
    assert_eq!(file.servers[&server("e")].clearance(), Label::Confidential);
}

#[test]
fn accepted_risks_count_until_their_last_day() {
    let text = |until: &str, rest: &str| {
        format!(
            "servers: {{ files: {{ run: [a] }} }}\naccept_risk: [{{ control: supply.pinning, where: server/files, reason: trial, owner: ana, until: {until}{rest} }}]"
        )
    };
    let loaded = good(&text("2026-11-21", ""));
    assert_eq!((loaded.risks.len(), loaded.risks[0].server.as_str()), (1, "files"));
    assert_eq!(loaded.risks[0].ends.to_string(), "2026-11-22T00:00:00.000000000Z");
    let ended = good(&text("2026-11-20", ""));
    assert!(ended.risks.is_empty());
    assert!(ended.warnings[0].message.contains("ended on 2026-11-20"));
    says(&text("soon", ""), "a date such as 2027-01-31");
    says(&text("2027-01-31", "").replace("supply.pinning", "supply.pining"), "did you mean \"supply.pinning\"?");
    says(&text("2027-01-31", "").replace("supply.pinning", "transport.tls"), "not built in this release");
    says(&text("2027-01-31", "").replace("server/files", "server/file"), "did you mean \"server/files\"?");
    says(&text("2027-01-31", "").replace("server/files", "role/coder"), "for one server");
    says(&text("2027-01-31", "").replace("server/files", "files"), "server/NAME, role/NAME or listener/data");
    says(&text("2027-01-31", "").replace("trial", "\" \""), "needs a reason");
    assert_eq!("listener/data".parse::<Scope>().map(|scope| scope.to_string()), Ok("listener/data".into()));
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let text = "profile: local";
    let file = Step { path: "/c/bastide.yaml".into(), sort: Sort::File, access: Access::of_mode(0o666), owner: 1000 };
    let facts = Facts { steps: vec![file], own: 1000 };
    let problems = load(&Source { facts: Some(facts), ..source(text) }).unwrap_err();
    assert_eq!(problems.list[0].fault, Fault::File);
    assert!(problems.lines().contains("chmod go-w '/c/bastide.yaml'"));
}

#[test]
fn a_listener_at_every_address_says_what_it_is_called() {
    let tls = "tls: { certificate: /c, key: /k, client_ca: /a }";
    for listener in ["data", "admin"] {
        for address in ["0.0.0.0:8499", "[::]:8499", "[::ffff:0.0.0.0]:8499"] {
            let text = |more: &str| format!("listen: {{ {listener}: {{ address: \"{address}\", {tls}{more} }} }}");
            let problems = bad(&text(""));
            let keys: Vec<&str> = problems.list.iter().map(|problem| problem.key.as_str()).collect();
            assert_eq!(keys, [format!("listen.{listener}.hosts")], "{address}");
            assert!(
                problems.lines().contains(&format!("is every address of this host: name in listen.{listener}.hosts what")),
                "{}",
                problems.lines()
            );
            good(&text(", hosts: [gw.example.org]"));
            says(&text(", hosts: [\"*.example.org\"]"), "a host is a name or an address, with or without a port");
        }
        good(&format!("listen: {{ {listener}: {{ address: \"10.0.0.1:8499\", {tls} }} }}"));
    }
}

#[test]
fn files_of_tls_may_lie_in_the_home_folder() {
    let text = "listen:\n  data: { tls: { certificate: ~/c, key: ~/k, client_ca: ~/a, crl: ~/l } }\n  \
        admin: { tls: { certificate: ~/c, key: ~/k, client_ca: ~/a, crl: ~/l } }\n\
        telemetry: { otlp: \"https://otel.example.com\", tls: { ca: ~/a } }\n\
        servers:\n  a: { url: \"https://a.example.com\", tls: { ca: ~/a, crl: ~/l }, auth: { certificate: { chain: ~/c, key: vault:a/key } } }\n";
    let file = good(text).file;
    let home = |name: &str| PathBuf::from("/home/ana").join(name);
    for tls in [&file.listen.data.tls, &file.listen.admin.tls] {
        let tls = tls.as_ref().unwrap().files().unwrap();
        assert_eq!((&tls.certificate, &tls.key), (&home("c"), &KeySource::File(home("k"))));
        assert_eq!((&tls.client_ca, &tls.crl), (&Some(home("a")), &Some(home("l"))));
    }
    assert_eq!(file.telemetry.unwrap().tls.unwrap().ca, home("a"));
    let server = &file.servers[&server("a")];
    let tls = server.tls.as_ref().unwrap();
    assert_eq!((&tls.ca, &tls.crl), (&Some(home("a")), &Some(home("l"))));
    assert_eq!(server.auth.as_ref().unwrap().certificate.as_ref().unwrap().chain, home("c"));
    let homeless = load(&Source { home: None, ..source(text) }).err().unwrap();
    let keys: Vec<&str> = homeless.list.iter().map(|problem| problem.key.as_str()).collect();
    for key in ["servers.a.tls.crl", "listen.data.tls.key", "servers.a.auth.certificate.chain"] {
        assert!(keys.contains(&key), "{keys:?}");
    }
}

#[test]
fn a_clients_file_is_a_start_for_its_user() {
    let text = r#"{"mcpServers": {
        "My Files": {"command": "npx", "args": ["-y", "server"], "env": {"GITHUB_TOKEN": "ghp_abcdef", "REGION": "eu"}},
        "remote": {"type": "http", "url": "https://mcp.example.com/mcp", "headers": {"Authorization": "Bearer abc"}}
    }}"#;
    let loaded = good(text);
    let files = &loaded.file.servers[&server("my-files")];
    assert_eq!(files.run, ["npx", "-y", "server"]);
    assert!(loaded.file.servers[&server("remote")].url.is_some());
    let role = &loaded.file.roles[&Name::new("owner").unwrap()];
    assert_eq!(role.members.iter().map(ToString::to_string).collect::<Vec<_>>(), ["user:ana"]);
    assert_eq!(role.allow[&server("remote")], [Entry::Everything]);
    let lines = loaded.warning_lines("mcp.json");
    for expected in
        ["GITHUB_TOKEN of my-files looks like a credential", "the header \"Authorization\" of remote", "\"My Files\" is called my-files"]
    {
        assert!(lines.contains(expected), "{lines}");
    }
    assert!(!lines.contains("ghp_abcdef") && !lines.contains("REGION") && !lines.contains("abc\""), "{lines}");

    let stranger = load(&Source { user: None, ..source(text) }).unwrap();
    assert!(stranger.file.roles.is_empty());
    says(r#"{"mcpServers": {"a": {"type": "sse", "url": "https://x.example"}}}"#, "which is not spoken here");
    says(r#"{"mcpServers": {"a b": {"command": "x"}, "a-b": {"command": "y"}}}"#, "two servers would be called a-b");
    says(r#"{"mcpServers": {"a": {"url": "http://x.example"}}}"#, "http: is for loopback");
}

#[test]
fn what_init_writes_is_valid() {
    let user = Name::new("ana").unwrap();
    let starters = [
        Starter {
            name: server("files"),
            run: vec!["npx".into(), "-y".into(), "s: # \"x\"".into()],
            url: None,
            write: vec!["/home/ana/work".into()],
        },
        Starter { name: server("github"), run: vec![], url: Some("https://mcp.example.com/mcp".into()), write: vec![] },
    ];
    for starters in [&starters[..], &[]] {
        let text = init_text(Profile::Local, &user, starters);
        assert!(text.starts_with("# yaml-language-server: $schema="));
        let loaded = good(&text);
        assert!(loaded.warnings.is_empty(), "{}", loaded.warning_lines("bastide.yaml"));
        assert_eq!(loaded.file.servers.len(), starters.len());
        assert_eq!(loaded.file.people.len(), 1);
    }
    let loaded = good(&init_text(Profile::Local, &user, &starters));
    assert_eq!(loaded.file.servers[&server("files")].run[2], "s: # \"x\"");
    assert!(loaded.file.roles[&Name::new("reader").unwrap()].limits.calls.0.len() == 1);
    let preset = |starters: &[Starter]| good(&init_text(Profile::Local, &user, starters)).file.inspect.preset;
    assert_eq!((preset(&starters), preset(&[])), (Preset::Code, Preset::Balanced));
    let run =
        |words: &[&str]| Starter { name: server("a"), run: words.iter().map(|word| (*word).into()).collect(), url: None, write: vec![] };
    assert_eq!(preset(&[run(&["uvx", "mcp-server-git"])]), Preset::Code);
    assert_eq!(preset(&[run(&["uvx", "mcp-server-digits"])]), Preset::Balanced);
}

#[test]
fn the_digest_is_that_of_the_bytes() {
    let one = good("profile: local\n").digest;
    assert_eq!(one, good("profile: local\n").digest);
    assert_ne!(one, good("profile: local # x\n").digest);
}

#[test]
fn places_lead_to_the_line() {
    let loaded =
        good("servers:\n  files: { run: [a] }\nroles:\n  r:\n    members: [\"user:ana\"]\n    allow: { files: [\"read_*\", x] }\n");
    let place = loaded.place(&["roles", "r", "allow", "files", "1"]);
    assert_eq!((place.line, place.column), (6, 32));
}

#[test]
fn the_schema_knows_every_key_and_no_other() {
    let schema = schema();
    assert_eq!(schema["additionalProperties"], false);
    for key in ["profile", "state", "listen", "servers", "roles", "tools", "inspect", "audit", "approvals", "accept_risk"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    let server = &schema["properties"]["servers"]["additionalProperties"];
    assert_eq!(server["additionalProperties"], false);
    assert_eq!(server["properties"]["call"]["pattern"], "^[0-9]+(ms|s|m|h|d)$");
    let person = &schema["properties"]["people"]["items"];
    assert_eq!(person["required"], serde_json::json!(["name", "may"]));
}

proptest! {
    #[test]
    fn no_text_ends_the_reader(text in "[a-z:{}\\[\\], \"'\n&*!#|>%-]{0,200}") {
        let _ = load(&source(&text));
    }

    #[test]
    fn an_edit_of_the_skeleton_never_ends_the_reader(at in 0_usize..3000, with in ".{0,3}") {
        let at = SKELETON.char_indices().map(|(at, _)| at).nth(at).unwrap_or(0);
        let text = format!("{}{with}{}", &SKELETON[..at], &SKELETON[at..]);
        if let Err(problems) = load(&source(&text)) {
            prop_assert!(!problems.list.is_empty());
            prop_assert!(!problems.carets().is_empty());
        }
    }
}
