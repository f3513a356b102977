//! The texts: ordinary ones, and those that are made to cost much.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

/// A sort of text, and how so many bytes of it are made.
pub type Sort = (&'static str, fn(usize) -> String);

/// What servers give and agents send.
pub const ORDINARY: [Sort; 10] = [
    ("prose", prose),
    ("source", source),
    ("json", json),
    ("logs", logs),
    ("base64", blobs),
    ("table", table),
    ("chinese", chinese),
    ("german", german),
    ("escaped", escaped),
    ("candidates", found),
];

/// What somebody sends to whom inspection shall cost much.
pub const HOSTILE: [Sort; 14] = [
    ("near-matches", |len| over(len, "sk_live_AKIA ghp_AAAA password= eyJ-eyJ- 4111 1111 ")),
    ("near-names", |len| over(len, "Anna Maria Anna ")),
    ("near-places", |len| over(len, "12 Main Street, 4 rue de la ")),
    ("marks", |len| over(len, "@a.b://:@<p hidden>![<!--")),
    ("escapes", |len| over(len, "%25\\\\u0025&amp;#37;")),
    ("nested", nested),
    ("bombs", |len| over(len, &format!("{} ", base64(&gzip(&vec![b' '; 8 << 20]))))),
    ("stacked", |len| over(len, &"e\u{301}\u{302}\u{303}".repeat(40))),
    ("unseen", |len| over(len, "a\u{200b}\u{202e}b\u{e0041}\u{ff21}\u{1d400}")),
    ("alike", |len| over(len, "p\u{430}ssw\u{43e}rd s\u{435}cret ")),
    ("not UTF-8", |len| {
        over(len, &format!("{} ", base64(&[b"\xff\xfe\xc3\x28 key \xf0\x9f".as_slice(), &[0x80; 24], b" plain words here "].concat())))
    }),
    ("cut short", |len| over(len, "aGVsbG8gd29ybGQsIGhlbGxvIHdvcmx %4 \\u00 &#x4 H4sIAAAAAAAAA8tIzcnJ ")),
    ("binary", binary),
    ("one word", |len| over(len, "Zm9vYmFyYmF6")),
];

fn over(len: usize, piece: &str) -> String {
    piece.repeat(len / piece.len() + 1)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |part: &[u8]| part.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
    let digit = |group: u32, shift: u32| char::from(DIGITS[(group >> shift & 63) as usize]);
    bytes.chunks(3).flat_map(|part| [18, 12, 6, 0].into_iter().take(part.len() + 1).map(move |shift| digit(group(part), shift))).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).and_then(|()| out.finish()).unwrap_or_default()
}

/// Encodings inside one another, deeper than is looked.
fn nested(len: usize) -> String {
    let mut text = "and more of the same ".to_owned();
    for _ in 0..7 {
        text = base64(text.as_bytes());
    }
    over(len, &format!("{text} "))
}

fn binary(len: usize) -> String {
    let mut dice = Dice(6);
    (0..len / 2 + 1).map(|_| char::from(dice.below(256) as u8)).collect()
}

/// Chance that is the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

const WORDS: &str = include_str!("../../data/words.txt");

fn words(dice: &mut Dice, count: u64) -> String {
    static ALL: LazyLock<Vec<&str>> = LazyLock::new(|| WORDS.lines().filter(|word| word.is_ascii()).collect());
    let all = &*ALL;
    let mut out = String::new();
    for place in 0..count {
        let word = all.get(dice.below(all.len() as u64) as usize).copied().unwrap_or_default();
        if place == 0 {
            out.extend(word.chars().next().map(|letter| letter.to_ascii_uppercase()));
            out.push_str(word.get(1..).unwrap_or_default());
        } else {
            out.push(' ');
            out.push_str(word);
        }
    }
    out
}

fn prose(len: usize) -> String {
    let (mut dice, mut out) = (Dice(1), String::new());
    while out.len() < len {
        let count = 6 + dice.below(14);
        let end = if dice.below(5) == 0 { ".\n\n" } else { ". " };
        let _ = write!(out, "{}{end}", words(&mut dice, count));
    }
    out
}

fn source(len: usize) -> String {
    [
        include_str!("../../src/engine.rs"),
        include_str!("../../src/view.rs"),
        include_str!("../../src/stream.rs"),
        include_str!("../../src/budget.rs"),
        include_str!("../../src/ladder.rs"),
    ]
    .concat()
    .repeat(len / 20_000 + 1)
}

fn json(len: usize) -> String {
    let (mut dice, mut out) = (Dice(2), String::new());
    while out.len() < len {
        let (id, state, title) = (dice.below(100_000), ["open", "closed", "merged"][dice.below(3) as usize], words(&mut dice, 5));
        let trace = format!(
            "{:08x}-{:04x}-4{:03x}-9{:03x}-{:012x}",
            dice.below(1 << 32),
            dice.below(1 << 16),
            dice.below(1 << 12),
            dice.below(1 << 12),
            dice.below(1 << 31)
        );
        let _ = writeln!(
            out,
            "{{\"id\": {id}, \"state\": \"{state}\", \"title\": \"{title}\", \"score\": 0.{}, \"trace\": \"{trace}\", \"labels\": [\"bug\", \"ui\"], \"draft\": false}}",
            dice.below(1000)
        );
    }
    out
}

fn logs(len: usize) -> String {
    let (mut dice, mut out) = (Dice(3), String::new());
    while out.len() < len {
        let (level, message) = (["INFO", "DEBUG", "WARN"][dice.below(3) as usize], words(&mut dice, 6));
        let _ = writeln!(
            out,
            "2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z {level} worker-{} module::queue: {message} took={}ms rows={} status=200",
            1 + dice.below(28),
            dice.below(24),
            dice.below(60),
            dice.below(60),
            dice.below(1000),
            dice.below(16),
            dice.below(900),
            dice.below(50_000)
        );
    }
    out
}

fn blobs(len: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut dice, mut out) = (Dice(4), String::new());
    while out.len() < len {
        out.push_str("data:image/png;base64,iVBORw0KGgo");
        for _ in 0..2_000 {
            out.push(char::from(DIGITS[dice.below(64) as usize]));
        }
        out.push('\n');
    }
    out
}

fn table(len: usize) -> String {
    let (mut dice, mut out) = (Dice(5), String::from("id,title,amount,updated,region\n"));
    while out.len() < len {
        let _ = writeln!(
            out,
            "{},{},{}.{:02},2026-0{}-1{},eu-west-{}",
            dice.below(1 << 20),
            words(&mut dice, 3),
            dice.below(5000),
            dice.below(100),
            1 + dice.below(9),
            dice.below(9),
            dice.below(4)
        );
    }
    out
}

fn chinese(len: usize) -> String {
    "这个项目的文档说明了如何安装和配置服务，请按照步骤操作。如果遇到问题，请查看日志文件。".repeat(len / 120 + 1)
}

fn german(len: usize) -> String {
    "Die Prüfung läuft über mehrere Stufen, und jede Änderung wird geprüft. Größe und Länge der Ausgabe bleiben unverändert. "
        .repeat(len / 120 + 1)
}

fn escaped(len: usize) -> String {
    json(len).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Something of every class in about each KiB of ordinary text.
fn found(len: usize) -> String {
    let (prose, json, logs) = (prose(len / 3), json(len / 3), logs(len / 3));
    let key = ["ghp", "_oe3nflC7dNYXxIzGXSYBj2EeXqDuZM0EE8xY"].concat();
    let values = [
        "card 4111 1111 1111 1111 was charged".to_owned(),
        "mail ana.lopez@example.org about it".to_owned(),
        format!("GITHUB_TOKEN={key}"),
        "call +49 30 901820 after nine".to_owned(),
        "Patient: Maria Gonzalez, born 1971-03-04, 81 Church Lane, Bristol BS1 5AM".to_owned(),
        "postgres://app:s3cr-et9x@db.example.org/main".to_owned(),
        "IBAN DE89 3704 0044 0532 0130 00".to_owned(),
        "SSN: 536-22-8726".to_owned(),
    ];
    let mut out = String::new();
    let lines = prose.lines().chain(json.lines()).chain(logs.lines());
    let (mut next, mut turn) = (1024, 0);
    for line in lines {
        out.push_str(line);
        out.push('\n');
        if out.len() > next {
            out.push_str(&values[turn % values.len()]);
            out.push('\n');
            turn += 1;
            next += 1024;
        }
    }
    out
}
