//! `http`: URL libraries of Python and Node read what the guard lets through.

use super::chance::Chance;
use super::speaker::Speaker;
use super::{Tally, cases};
use e2e::Peers;
use guards::{Guard, GuardKind, Words, path::Lexical};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::Command;

/// A policy, and who may be reached by it: the host, or `.domain` for all below, and its ports.
struct Open {
    guard: Guard,
    schemes: &'static [&'static str],
    hosts: &'static [(&'static str, &'static [u16])],
}

fn open(schemes: &'static [&'static str], list: &[&str], hosts: &'static [(&'static str, &'static [u16])]) -> Open {
    let strings = |list: &[&str]| Some(list.iter().map(|one| (*one).to_owned()).collect());
    let words = Words { schemes: strings(schemes), allow_hosts: strings(list), ..Words::default() };
    Open { guard: Guard::new(GuardKind::Http, &words).unwrap(), schemes, hosts }
}

fn policies() -> Vec<Open> {
    vec![
        open(
            &["https"],
            &["api.shop.test", "*.cdn.shop.test", "files.shop.test:8443", "bücher.test", "8.8.8.8", "[2606:4700::1111]"],
            &[
                ("api.shop.test", &[443]),
                (".cdn.shop.test", &[443]),
                ("files.shop.test", &[8443]),
                ("xn--bcher-kva.test", &[443]),
                ("8.8.8.8", &[443]),
                ("2606:4700::1111", &[443]),
            ],
        ),
        open(&["http", "https"], &["*"], &[]),
        open(&["http", "https", "wss"], &["shop.test", "*.shop.test:*"], &[("shop.test", &[80, 443]), (".shop.test", &[])]),
    ]
}

const SCHEMES: &[&str] = &[
    "https",
    "https",
    "https",
    "https",
    "http",
    "http",
    "HTTPS",
    "hTTp",
    "ws",
    "wss",
    "ftp",
    "file",
    "gopher",
    "view-source:https",
    "url:https",
    "https\t",
    "\u{ff48}ttps",
];
const SLASHES: &[&str] = &["://", "://", "://", "://", "://", "://", "://", ":/", ":", ":\\\\", ":///", ":/\\", "://\t", ":////"];
const GOOD: &[&str] = &[
    "api.shop.test",
    "a.cdn.shop.test",
    "x.y.cdn.shop.test",
    "files.shop.test:8443",
    "shop.test",
    "www.shop.test:9000",
    "example.com",
    "bücher.test",
    "xn--bcher-kva.test",
    "8.8.8.8",
    "[2606:4700::1111]",
    "example.com:8080",
    "API.shop.TEST",
    "api.shop.test.",
    "BÜCHER.test",
    "日本.example.com",
];
const BAD: &[&str] = &[
    "evil.test",
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "169.254.169.254",
    "10.0.0.1",
    "192.168.0.1",
    "172.16.5.5",
    "100.64.0.1",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fd00::1]",
    "[2002:7f00:1::]",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "017700000001",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "1.0x7f",
    "0x7f.0.0.0x1",
    "127.0.0.1.",
    "0",
    "0x",
    "00000000177.0.0.1",
    "①②⑦.⓪.⓪.①",
    "１２７.0.0.1",
    "ⓛocalhost",
    "127。0。0。1",
    "169.254.43518",
    "0xa9fea9fe",
    "2852039166",
    "metadata.google.internal",
    "evil.test.",
    "api.shop.test.evil.test",
    "evilapi.shop.test.",
    "cdn.shop.test",
    "xcdn.shop.test",
    "аpi.shop.test",
    "api.shop.test\u{200d}",
    "api.shoр.test",
    "faß.test",
    "api。shop。test",
    "api.shop.test%2eevil.test",
    "api.shop.test%00.evil.test",
    "127.0.0.1:80",
    "[::1]:443",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "[ff02::1]",
    "[::127.0.0.1]",
    "[0:0:0:0:0:ffff:0a00:0001]",
    "[2001:0:7f00:1::]",
    "1.1.1.1\t",
    "256.256.256.256",
    "1.2.3.4.5",
    "0x1.example.com",
    "a.0x7f000001",
];
const GLUE: &[&str] = &[
    "@", "\\@", ":pass@", "#@", "?@", "%40", "\\", "/", "#", "?", ";", "&", ",", " ", "\t", "%2f", "%5c", "%23", "%00", "..", ".", "。",
    "／", "＠", "＃", "\u{ff0e}", "|", "%09", "%20", "[", "]", "!", "$", "'", "*", "(", "=", "+", "~", "^", "`", "{", "\"", "<",
];
const PORTS: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    ":443",
    ":80",
    ":8443",
    ":0443",
    ":00443",
    ":",
    ":22",
    ":6379",
    ":65979",
    ":4 43",
    ":+443",
    ":443:80",
    ":４４３",
    ":-1",
    ":443\\@evil.test",
    ":80@evil.test",
    ":0",
    ":65536",
    ":443 ",
];
const RESTS: &[&str] = &[
    "",
    "/",
    "/a",
    "/a/b?c=d#e",
    "?q=1",
    "#x",
    "/@evil.test",
    "/\\evil.test",
    "//evil.test/",
    "/..//evil.test/",
    "?@evil.test/",
    "#@evil.test/",
    "?x=@evil.test",
    "/%2e%2e//evil.test",
    "\\evil.test",
    "\\@evil.test/",
    "/a?u=http://127.0.0.1/",
    "/%0d%0aHost:%20evil.test",
    "/%00",
    "/a b",
    "/;@evil.test",
    "/#@127.0.0.1/",
    "/:80@evil.test",
    "/https://evil.test/",
    "/?https://evil.test@x",
    "#\\@evil.test",
    "?\\@evil.test",
    "/ü?ß",
    "/[x]",
    "/a|b",
    "/^",
    "/a%zz",
    "/..\\..\\evil.test",
    "?#@evil.test",
    "//",
    "/./",
    "/\u{2028}",
    "/%E2%80%AE",
    "/a\u{0301}",
];
const LETTERS: &[&str] = &[
    "@", "\\", "/", "#", "?", ":", ".", "%", "%2e", "%40", "。", "．", "\u{200b}", "\u{ad}", "\t", "\n", " ", "[", "]", "-", "_", "0x",
    "x", "１", "ａ", "ß", "K", "\u{130}", "ſ", "é", "e\u{301}", "xn--", "\0", "\u{2024}", "℀", "㏂", "a", "1", ";", "&", "\u{3002}",
    "\u{202e}",
];

fn value(chance: &mut Chance) -> String {
    let host = |chance: &mut Chance| match chance.below(10) {
        0..=6 => chance.one(GOOD).to_owned(),
        _ => chance.one(BAD).to_owned(),
    };
    let mut authority = host(chance);
    if chance.in_hundred(15) {
        let glue = chance.one(GLUE);
        authority = format!("{authority}{glue}{}", host(chance));
    }
    if chance.in_hundred(25) {
        authority.push_str(chance.one(PORTS));
    }
    let scheme = if chance.in_hundred(75) { "https" } else { chance.one(SCHEMES) };
    let slashes = if chance.in_hundred(85) { "://" } else { chance.one(SLASHES) };
    let mut made = format!("{scheme}{slashes}{authority}{}", chance.one(RESTS));
    if chance.in_hundred(8) {
        made.push_str(chance.one(RESTS));
    }
    if chance.in_hundred(30) { chance.bent(&made, LETTERS, 3) } else { made }
}

/// Whether an address is everyone's, by the registries of IANA for special purposes.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            !(a == 0
                || a == 10
                || a == 127
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 169 && b == 254)
                || (a == 172 && (16..32).contains(&b))
                || (a == 192 && b == 168)
                || (a == 192 && b == 0 && (c == 0 || c == 2))
                || (a == 198 && (b == 18 || b == 19 || (b == 51 && c == 100)))
                || (a == 203 && b == 0 && c == 113))
        }
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => six.to_ipv4_mapped().is_some_and(|four| is_public(four.into())),
        IpAddr::V6(six) => {
            let words = six.segments();
            (words[0] & 0xe000) == 0x2000 && !(words[0] == 0x2001 && (words[1] < 0x200 || words[1] == 0xdb8)) && words[0] != 0x2002
        }
    }
}

/// What is wrong with being taken there.
fn fault(open: &Open, reading: &Value) -> Option<&'static str> {
    let text = |at: usize| reading[at].as_str();
    let (scheme, host) = (text(1)?, text(2)?.to_ascii_lowercase());
    if !open.schemes.contains(&scheme) {
        return Some("scheme");
    }
    let address = text(4).map(|address| address.parse::<IpAddr>().unwrap());
    if address.is_some_and(|address| !is_public(address)) {
        return Some("inner address");
    }
    let host = host.trim_end_matches('.');
    if host == "localhost" || host.ends_with(".localhost") || host.ends_with(".internal") {
        return Some("inner name");
    }
    let spelled = address.map_or_else(|| host.to_owned(), |address| address.to_string());
    let port = reading[3].as_u64();
    let fits = |(name, ports): &(&str, &[u16])| {
        let named = if name.starts_with('.') { spelled.ends_with(name) } else { spelled == *name };
        named && (ports.is_empty() || ports.iter().any(|open| Some(u64::from(*open)) == port))
    };
    (!open.hosts.is_empty() && !open.hosts.iter().any(fits)).then_some("host or port")
}

#[test]
fn no_url_library_is_led_elsewhere() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut oracles = [
        Speaker::start(Command::new(peers.python("python")).arg(Speaker::script("urls.py")), folder.path(), "python"),
        Speaker::start(
            Command::new(peers.folder().join("node/node_modules/node/bin/node")).args(["--no-warnings"]).arg(Speaker::script("urls.mjs")),
            folder.path(),
            "node",
        ),
    ];
    let (policies, mut chance, mut tally) = (policies(), Chance::new(0x6874_7470), Tally::default());
    while tally.cases < cases() {
        let mut allowed = Vec::new();
        while allowed.len() < 500 && tally.cases < cases() {
            let (value, open) = (value(&mut chance), &policies[tally.cases % policies.len()]);
            tally.cases += 1;
            if let Ok(judged) = open.guard.judge_text(&value, &Lexical) {
                tally.allowed += 1;
                if judged.normal != value {
                    allowed.push((open, judged.normal));
                }
                allowed.push((open, value));
            }
        }
        let values: Vec<Value> = allowed.iter().map(|(_, value)| json!(value)).collect();
        for oracle in &mut oracles {
            for ((open, value), readings) in allowed.iter().zip(oracle.ask(&values)) {
                for reading in readings.as_array().unwrap() {
                    tally.asked += 1;
                    if let Some(fault) = fault(open, reading) {
                        tally.wrong(format!("{value:?}: {fault}: {reading}"));
                    }
                }
            }
        }
    }
    tally.close("http", 15);
}
