//! `files`: the system opens what the guard lets through, as it is and as programs read it that decode, fold and expand.

use super::chance::Chance;
use super::speaker::Speaker;
use super::{Tally, cases};
use e2e::Peers;
use gateway::links::FileSystem;
use guards::{Guard, GuardKind, Words};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Folders and files below the first root, plain ones.
const PLAIN: &[&str] = &[
    "a",
    "b",
    "a/deep",
    "a/deep/er",
    "file.txt",
    "a/note.md",
    "café",
    "cafe\u{301}",
    "..x",
    "...",
    "x..",
    "a b",
    " lead",
    "%2e%2e",
    "50%25",
    "%61",
    "~",
    "~ana",
    "$HOME",
    "..\\up",
    "b\\c",
    "；",
    "．．x",
    "C",
    "console",
    "é%20",
    "new;x",
    "-rf",
    "日本",
    "a/deep/...",
    "K",
    "k",
];

/// Links below the first root, and where they lead.
const LINKS: &[(&str, &str)] = &[
    ("inner", "a/deep"),
    ("inner2", "../in/b"),
    ("leak", "../out"),
    ("a/leak", "../../out"),
    ("leakfile", "../out/secret"),
    ("chain", "chain2"),
    ("chain2", "leak"),
    ("up", ".."),
    ("a/up", "../.."),
    ("dangling", "../out/made"),
    ("dead", "nowhere/yet"),
    ("loop", "loop"),
    ("lÍnk", "../out"),
    ("li nk", "../out"),
    ("％", "../out"),
    ("leak\\x", "../out"),
    ("null", "/dev/null"),
    ("own", "/proc/self/cwd"),
    ("root", "/"),
    ("ﬁ", "../out"),
    ("fi", "../out"),
    ("Ａ", "../out"),
    ("a/fd", "/dev/fd"),
    ("..;", "../out"),
    (".. ", "../out"),
    ("b\\leak", "../out"),
    ("%6Ceak", "b"),
    ("box", "../box"),
    ("Å", "../out"),
    ("nfde\u{301}", "../out"),
    ("\u{212b}", "b"),
];

fn build(root: &Path) {
    for folder in ["in", "box/sub", "out/sub", "in2", "IN", "in/a/deep/er", "in/b"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (file, text) in [("out/secret", "s"), ("in2/secret", "s"), ("IN/secret", "s"), ("box/x", "x"), ("out/sub/key", "k")] {
        std::fs::write(root.join(file), text).unwrap();
    }
    for name in PLAIN {
        let path = root.join("in").join(name);
        if !path.exists() {
            std::fs::write(&path, "plain").unwrap();
        }
    }
    for (name, to) in LINKS {
        let _ = symlink(to, root.join("in").join(name));
    }
    // A folder that decoding, folding or other separators make of a name that is no link.
    for (name, to) in [("b/leak", "../../out"), ("b/x", "../../out")] {
        symlink(to, root.join("in").join(name)).unwrap();
    }
    assert!(Command::new("mkfifo").arg(root.join("in/pipe")).status().unwrap().success());
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "deep",
    "file.txt",
    "note.md",
    "new.txt",
    "café",
    "cafe\u{301}",
    "a b",
    "x",
    "..",
    "..",
    ".",
    "",
    "inner",
    "inner2",
    "leak",
    "leakfile",
    "chain",
    "up",
    "dangling",
    "dead",
    "loop",
    "pipe",
    "null",
    "own",
    "root",
    "secret",
    "out",
    "in2",
    "IN",
    "box",
    "sub",
    "%2e%2e",
    "%2E%2E%2F",
    "..%2f",
    "..%5c",
    "%252e%252e",
    "%c0%ae%c0%ae",
    "．．",
    "‥",
    "..\\",
    "..\\..\\out",
    "b\\leak",
    "leak\\x",
    "...",
    "....",
    ".. ",
    "..;",
    "...;x",
    "%6Ceak",
    "l%65ak",
    "le%61k",
    "%6c%65%61%6b",
    "ﬁ",
    "fi",
    "f%69",
    "lÍnk",
    "li nk",
    "li%20nk",
    "Ａ",
    "A",
    "％",
    "%EF%BC%A1",
    "Å",
    "A\u{30a}",
    "nfdé",
    "nfde\u{301}",
    "\u{212b}",
    "~",
    "~ana",
    "$HOME",
    "$OUT",
    "${OUT}",
    "%OUT%",
    "CON",
    "nul.txt",
    "aux",
    "COM1",
    "-rf",
    "fd",
    "0",
    "proc",
    "dev",
    "etc",
    "passwd",
    "b%5cleak",
    "b／leak",
    "b∕leak",
    "b＼leak",
    "leak%00",
    "leak%00.txt",
    "*",
    "?",
    "[a-z]",
    "日本",
    "K",
    "\u{212a}",
    "k",
];
const LETTERS: &[&str] = &[
    "/", "\\", ".", "..", "%2e", "%2f", "%5c", "%00", "\0", "%", "~", "$", "．", "／", "∕", "\u{200b}", "\u{301}", " ", "\t", "\n", ";",
    ":", "'", "\"", "{", ",", "}", "a", "l", "%61", "\u{202e}", "e\u{301}", "／..", "|", "*",
];

fn value(chance: &mut Chance, root: &str) -> String {
    let starts =
        ["", "", "", "/in/", "/in/", "/in/", "/in/a/", "/in/../in/", "/box/", "/in", "/in2/", "/IN/", "/out/", "./", "/in//", "/in/./b/"];
    let odd = [
        "~/",
        "~root/",
        "$OUT/",
        "file://",
        "FILE:",
        "//host/",
        "\\\\host\\",
        "C:\\",
        "/proc/self/root/",
        "/dev/",
        " ",
        "\"",
        "'",
        "%2f",
        "\u{feff}",
        "/proc/self/cwd/",
        "..\\",
        "%2e%2e/",
    ];
    let mut made = if chance.in_hundred(6) {
        chance.one(&odd).to_owned()
    } else {
        let start = chance.one(&starts);
        if start.starts_with('/') { format!("{root}{start}") } else { start.to_owned() }
    };
    for at in 0..=chance.below(4) {
        if at > 0 {
            made.push('/');
        }
        let few = if chance.in_hundred(60) { &NAMES[..22] } else { NAMES };
        made.push_str(chance.one(few));
    }
    if chance.in_hundred(20) { chance.bent(&made, LETTERS, 2) } else { made }
}

#[test]
fn the_system_is_not_led_out() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    build(&root);
    let place = |name: &str| root.join(name).display().to_string();
    let mut oracle = Speaker::start(
        Command::new(peers.python("python"))
            .arg(Speaker::script("paths.py"))
            .args([place("in"), place("out")])
            .current_dir(root.join("in")),
        folder.path(),
        "paths",
    );
    let words = Words { roots: Some(vec![place("in"), place("box")]), write: Some(true), ..Words::default() };
    let guard = Guard::new(GuardKind::Files, &words).unwrap();
    let (open, mut chance, mut tally) = ([place("in"), place("box")], Chance::new(0x66_696c_6573), Tally::default());
    let root = root.display().to_string();
    while tally.cases < cases() {
        let mut allowed = Vec::new();
        while allowed.len() < 500 && tally.cases < cases() {
            let value = value(&mut chance, &root);
            tally.cases += 1;
            if let Ok(judged) = guard.judge_text(&value, &FileSystem) {
                tally.allowed += 1;
                if judged.normal != value {
                    allowed.push(judged.normal);
                }
                allowed.push(value);
            }
        }
        let values: Vec<Value> = allowed.iter().map(|value| json!(value)).collect();
        for (value, readings) in allowed.iter().zip(oracle.ask(&values)) {
            for reading in readings.as_array().unwrap() {
                tally.asked += 1;
                let real = Path::new(reading[1].as_str().unwrap());
                if !open.iter().any(|open| real.starts_with(open)) || reading[2] != "plain" {
                    tally.wrong(format!("{value:?}: {reading}"));
                }
            }
        }
    }
    tally.close("files", 15);
}
