//! `tools.http`: URLs in arguments lead to what was opened, and what a server connects to is judged by the address at the moment of connecting: inner addresses are refused, whatever leads there.

use super::{does_not_start, facts, guarded, passes, refuses};
use crate::network::{Outside, PAGE, events, refused, run, world, world_with};
use crate::runtime::until;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use testkit::{Names, layers};

/// Asks for pages by URL, redirects followed.
const PAGES: &str = r#"
import urllib.request
def page(url):
    try: return urllib.request.urlopen(url, timeout=20).read().decode()
    except OSError as fault: return 'failed'
"#;

/// Inner addresses, with the name that leads to each: of this host, private, shared, of the link with the metadata services on it, of many hosts, of
/// nobody, and those that hold another one (RFC 4291 §2.5.5.2, RFC 6052, RFC 3056).
const INNER: [(&str, &str); 18] = [
    ("own", "127.0.0.2"),
    ("ten", "10.0.0.1"),
    ("house", "192.168.1.1"),
    ("middle", "172.16.0.1"),
    ("shared", "100.64.0.1"),
    ("metadata", "169.254.169.254"),
    ("provider", "168.63.129.16"),
    ("nowhere", "0.0.0.0"),
    ("many", "224.0.0.251"),
    ("standing", "198.18.0.1"),
    ("six", "::1"),
    ("unique", "fd00::1"),
    ("metadata-six", "fd00:ec2::254"),
    ("link-six", "fe80::1"),
    ("mapped", "::ffff:127.0.0.1"),
    ("mapped-metadata", "::ffff:169.254.169.254"),
    ("translated", "64:ff9b::7f00:1"),
    ("tunnelled", "2002:7f00:1::1"),
];

#[test]
fn what_is_listed_is_reached_by_its_url_and_over_a_redirect() {
    if !layers::are_there() {
        return;
    }
    let code = format!(
        "{PAGES}said = json.dumps([page('http://web.example:PORT/'), page('http://web.example:PORT/to/http://other.example:PORT/')])"
    );
    let outside = Outside::new();
    let names = Names::new(|_, _| [127, 0, 0, 1]);
    let list = format!("\"http://web.example:{0}\", \"http://other.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    assert_eq!(run(&world_with(&names, &code, &outside, &list)), json!([PAGE, PAGE]));
    assert_eq!(outside.came(), 3);
}

#[test]
fn a_listed_name_that_leads_inwards_is_refused_unless_that_is_listed_too() {
    if !layers::are_there() {
        return;
    }
    let code = r#"said = json.dumps(tried(lambda: say(ask('localhost')[1], PORT, get % 'localhost:PORT')).endswith('outside'))"#;
    let outside = Outside::new();
    let held = world(code, &outside, &format!("\"http://localhost:{}\"", outside.port));
    assert_eq!((run(&held), outside.came()), (json!(false), 0));
    let record = refused(&held, "inner-address");
    assert_eq!(
        (&record["decision"]["control"], &record["severity"], &record["detail"]["name"]),
        (&json!("tools.http"), &json!("high"), &json!("localhost"))
    );
    let listed = world(code, &outside, &outside.listed());
    assert_eq!((run(&listed), outside.came()), (json!(true), 1));
}

#[test]
fn no_listed_name_leads_to_an_inner_address_of_any_sort() {
    if !layers::are_there() {
        return;
    }
    let names = Names::new(|name, _| {
        let label = name.split('.').next().unwrap_or_default();
        INNER.iter().find(|(known, _)| *known == label).map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |(_, to)| to.parse().unwrap())
    });
    let outside = Outside::new();
    let labels: Vec<&str> = INNER.iter().map(|(label, _)| *label).collect();
    // By either door in turn: of more of one sort than twenty a while only the count is on record.
    let code = r#"
def direct(name): return say(ask(name)[1], PORT, get % (name + ':PORT'))
def proxied(name): return connect(name + ':PORT', get % (name + ':PORT'))
said = json.dumps([tried(lambda: (direct if at % 2 else proxied)(label + '.inner.example')) for at, label in enumerate(LABELS)])"#
        .replace("LABELS", &json!(labels).to_string());
    let world = world_with(&names, &code, &outside, &format!("\"http://*.inner.example:{}\"", outside.port));
    let said = run(&world);
    for ((label, to), one) in INNER.iter().zip(said.as_array().unwrap_or_else(|| panic!("{said}"))) {
        assert!(!one.as_str().unwrap().contains(PAGE), "{label} at {to}: {one}");
    }
    assert_eq!(outside.came(), 0, "an inner address was reached: {said}");
    let of = |label: &str| {
        let name = format!("{label}.inner.example");
        events(&world, "network.refused").into_iter().filter(|record| record["detail"]["name"] == name.as_str()).collect::<Vec<_>>()
    };
    for (label, to) in INNER {
        until(|| !of(label).is_empty());
        for record in of(label) {
            assert_eq!(record["detail"]["reason"], "inner-address", "{label}: {record}");
            assert_eq!((&record["decision"]["control"], &record["severity"]), (&json!("tools.http"), &json!("high")), "{label}: {record}");
            assert!(record["detail"]["address"].is_string(), "{label} at {to}: {record}");
        }
    }
    for label in ["metadata", "mapped-metadata"] {
        assert_eq!(of(label)[0]["mitre"][0], "T1552.005", "{label}");
    }
}

#[test]
fn a_name_that_changes_its_address_is_judged_anew_and_held() {
    if !layers::are_there() {
        return;
    }
    // It leads to a listed address when it is looked at, and to another one the next time.
    let code = r#"said = json.dumps([tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT')).endswith('outside') for _ in range(2)])"#;
    let outside = Outside::new();
    let names = Names::new(|_, asked| if asked == 0 { [127, 0, 0, 1] } else { [127, 0, 0, 2] });
    let list = format!("\"http://web.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let world = world_with(&names, code, &outside, &list);
    assert_eq!((run(&world), outside.came()), (json!([true, false]), 1));
    let record = refused(&world, "inner-address");
    assert_eq!((&record["detail"]["name"], &record["detail"]["address"]), (&json!("web.example"), &json!("127.0.0.2")), "{record}");
}

#[test]
fn a_redirect_leads_no_further_than_a_url() {
    if !layers::are_there() {
        return;
    }
    let (outside, inside) = (Outside::new(), Outside::new());
    let names = Names::new(|name, _| if name.starts_with("inner") { [127, 0, 0, 2] } else { [127, 0, 0, 1] });
    let code = format!(
        "{PAGES}said = json.dumps([page('http://web.example:PORT/to/' + to) for to in ['http://web.example:{0}/', 'http://127.0.0.1:{0}/', 'http://inner.example:PORT/', 'http://169.254.169.254/latest/meta-data/', 'http://[::ffff:127.0.0.1]:{0}/', 'http://2130706433:{0}/', 'file:///etc/passwd']])",
        inside.port
    );
    let list = format!("\"http://web.example:{0}\", \"http://inner.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let world = world_with(&names, &code, &outside, &list);
    assert_eq!(run(&world), json!(vec!["failed"; 7]));
    assert_eq!((outside.came(), inside.came()), (7, 0));
    let record = refused(&world, "inner-address");
    assert_eq!((&record["detail"]["name"], &record["detail"]["address"]), (&json!("inner.example"), &json!("127.0.0.2")), "{record}");
}

#[test]
fn an_address_is_no_way_round_in_whatever_notation() {
    if !layers::are_there() {
        return;
    }
    let outside = Outside::new();
    let hosts = [
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "localhost.",
        "169.254.169.254",
        "0.0.0.0",
    ];
    let code =
        format!("said = json.dumps([tried(lambda: connect(host + ':PORT', get % (host + ':PORT')))[:12] for host in {}])", json!(hosts));
    let names = Names::new(|_, _| [127, 0, 0, 1]);
    let world = world_with(&names, &code, &outside, &format!("\"http://web.example:{}\"", outside.port));
    let said = run(&world);
    for (host, one) in hosts.iter().zip(said.as_array().unwrap_or_else(|| panic!("{said}"))) {
        assert!(["HTTP/1.1 403", "HTTP/1.1 400"].contains(&one.as_str().unwrap()), "{host}: {one}");
    }
    assert_eq!(outside.came(), 0);
}

#[test]
fn a_name_that_cannot_be_looked_up_is_connected_to_nowhere() {
    if !layers::are_there() {
        return;
    }
    let code = r#"said = json.dumps([tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT')), tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT'))])"#;
    let outside = Outside::new();
    let mut names = Names::new(|_, _| [127, 0, 0, 1]);
    names.url = format!("http://127.0.0.1:{}/dns-query", testkit::free_port());
    let list = format!("\"http://web.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let world = world_with(&names, code, &outside, &list);
    let said = run(&world);
    assert!(!said.to_string().contains(PAGE), "{said}");
    assert_eq!(outside.came(), 0);
    until(|| events(&world, "network.failed").iter().any(|record| record["detail"]["reason"] == "unresolved"));
}

#[test]
fn a_name_that_leads_to_a_listed_and_to_an_inner_address_leads_nowhere() {
    if !layers::are_there() {
        return;
    }
    let code = r#"said = json.dumps(tried(lambda: say(ask('web.example')[1], PORT, get % 'web.example:PORT')).endswith('outside'))"#;
    let outside = Outside::new();
    let names = Names::several(|_, _| vec![Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 2).into()]);
    let list = format!("\"http://web.example:{0}\", \"http://127.0.0.1:{0}\"", outside.port);
    let world = world_with(&names, code, &outside, &list);
    assert_eq!((run(&world), outside.came()), (json!(false), 0));
    assert_eq!(refused(&world, "inner-address")["detail"]["address"], "127.0.0.2");
}

const POLICY: &str = "{ guard: http, schemes: [https], allow_hosts: [wiki.example.com, \"*.files.example.com\"] }";

#[test]
fn urls_of_listed_hosts_arrive_as_they_are() {
    let world = guarded(POLICY);
    let mut agent = world.agent();
    passes(
        &mut agent,
        &["https://wiki.example.com/a?next=http://127.0.0.1/", "https://x.files.example.com/b", "https://WIKI.example.com:443/a/../c"],
    );
    let last = facts(&world);
    assert_eq!((&last["guard"], &last["normal"]), (&json!("http"), &json!("https://wiki.example.com/c")));
}

#[test]
fn urls_that_lead_elsewhere_are_refused() {
    let world = guarded(POLICY);
    let texts = [
        ("http://wiki.example.com/", "tools.http/scheme"),
        ("https://evil.example/", "tools.http/host"),
        ("https://wiki.example.com.evil.example/", "tools.http/host"),
        ("https://files.example.com/", "tools.http/host"),
        ("https://wiki.example.com:22/", "tools.http/host"),
        ("https://wiki.example.com@evil.example/", "tools.http/form"),
        ("https://evil.example\\.files.example.com/", "tools.http/form"),
        ("https://wiki.example.com\t.evil.example/", "tools.http/form"),
        ("https://wiki。example。com/", "tools.http/form"),
        ("file:///etc/passwd", "tools.http/form"),
        ("https://127.0.0.1/", "tools.http/address"),
        ("https://169.254.169.254/", "tools.http/address"),
        ("https://[::ffff:10.0.0.1]/", "tools.http/address"),
        ("https://localhost/", "tools.http/address"),
        ("https://2130706433/", "tools.http/form"),
    ];
    refuses(&world, &mut world.agent(), &texts);
}

#[test]
fn a_policy_of_urls_that_means_nothing_stops_the_start() {
    does_not_start("{ guard: http }", "allow_hosts: there must be at least one host");
    does_not_start("{ guard: http, schemes: [file], allow_hosts: [a.example] }", "schemes: a scheme is");
}
