//! Full names: words with capitals in a row, judged by lists of names and of ordinary words, and by what stands beside them.

use super::hint;
use super::words::{FAMILY, GIVEN, Known, LEAD, Lexicon, ORDINARY, THING, TITLE};
use crate::detector::{Detector, Sheet};
use crate::mask::{Places, alphanumeric, within};
use crate::number::Labels;
use crate::view::View;
use std::borrow::Cow;
use std::collections::BTreeSet;
use terms::{Class, Span};

/// The most words of one name.
const MOST: usize = 6;
/// Words before a name that make it one.
const TITLES: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "dr",
    "prof",
    "professor",
    "sir",
    "dame",
    "herr",
    "frau",
    "hr",
    "fr",
    "monsieur",
    "madame",
    "mme",
    "mlle",
    "señor",
    "señora",
    "sr",
    "sra",
    "srta",
    "don",
    "doña",
    "signor",
    "signora",
    "sig",
    "dott",
    "ing",
    "senhor",
    "senhora",
    "dhr",
    "mevr",
    "pan",
    "pani",
    "г-н",
    "г-жа",
    "judge",
    "rev",
    "capt",
    "sgt",
    "nurse",
];
/// Keys and words that announce the name of a person.
const STRONG: &[&str] = &[
    "fullname",
    "full_name",
    "full name",
    "patient",
    "passenger",
    "cardholder",
    "card holder",
    "card_holder",
    "kontoinhaber",
    "account holder",
    "account_holder",
    "accountholder",
    "applicant",
    "employee",
    "insured",
    "beneficiary",
    "recipient",
    "tenant",
    "guest",
    "attendee",
    "participant",
    "candidate",
    "spouse",
    "next of kin",
    "emergency contact",
    "contact person",
    "contact name",
    "contact_name",
    "customer name",
    "customer_name",
    "customername",
    "first_name",
    "firstname",
    "last_name",
    "lastname",
    "surname",
    "given name",
    "vorname",
    "nachname",
    "empfänger",
    "patientin",
    "mitarbeiter",
    "antragsteller",
    "titulaire",
    "destinataire",
    "bénéficiaire",
    "salarié",
    "nom complet",
    "prénom",
    "nombre completo",
    "titular",
    "paciente",
    "empleado",
    "apellidos",
    "destinatario",
    "intestatario",
    "paziente",
    "dipendente",
    "nome completo",
    "passageiro",
    "rekeninghouder",
    "naam",
    "pasient",
    "imię",
    "фио",
    "пациент",
    "получатель",
    "displayname",
    "display_name",
    "realname",
    "real_name",
    "legal name",
    "legal_name",
    "signed by",
    "signatory",
    "card on file for",
    "doctor",
    "physician",
    "teacher",
    "student",
    "witness",
    "defendant",
    "plaintiff",
    "claimant",
];
/// Words that often stand before a name.
const WEAK: &[&str] = &[
    "name",
    "customer",
    "contact",
    "user",
    "owner",
    "author",
    "assignee",
    "reporter",
    "manager",
    "sender",
    "from",
    "to",
    "cc",
    "by",
    "dear",
    "hej",
    "hei",
    "hallo",
    "kære",
    "kjære",
    "sayın",
    "bonjour",
    "ciao",
    "olá",
    "hola",
    "salut",
    "caro",
    "cara",
    "dragă",
    "vážený",
    "vážená",
    "szia",
    "kedves",
    "estimado",
    "estimada",
    "querido",
    "querida",
    "beste",
    "geachte",
    "liebe",
    "lieber",
    "geehrte",
    "geehrter",
    "hi",
    "hello",
    "regards",
    "sincerely",
    "nombre",
    "nom",
    "nome",
    "attn",
    "for",
    "with",
    "client",
    "member",
    "agent",
    "kunde",
    "client",
    "cliente",
    "ship",
    "told",
    "says",
    "ask",
    "met",
];
/// What follows a name that is one of a thing or a place.
const THINGS: &[&str] = &[
    "street",
    "st",
    "road",
    "rd",
    "avenue",
    "ave",
    "lane",
    "drive",
    "boulevard",
    "square",
    "bridge",
    "park",
    "airport",
    "hospital",
    "church",
    "cathedral",
    "school",
    "college",
    "university",
    "institute",
    "museum",
    "library",
    "theatre",
    "theater",
    "hotel",
    "station",
    "foundation",
    "prize",
    "award",
    "medal",
    "cup",
    "stadium",
    "arena",
    "inc",
    "ltd",
    "llc",
    "gmbh",
    "ag",
    "corp",
    "company",
    "co",
    "plc",
    "sa",
    "bv",
    "group",
    "partners",
    "bank",
    "county",
    "island",
    "islands",
    "river",
    "lake",
    "mountain",
    "bay",
    "beach",
    "valley",
    "region",
    "province",
    "district",
    "city",
    "town",
    "village",
    "theorem",
    "algorithm",
    "method",
    "equation",
    "distribution",
    "test",
    "law",
    "effect",
    "syndrome",
    "disease",
    "license",
    "licence",
    "package",
    "library",
    "compiler",
    "language",
    "framework",
    "server",
    "database",
    "protocol",
    "format",
    "model",
    "version",
    "release",
    "edition",
    "center",
    "centre",
    "building",
    "tower",
    "house",
    "hall",
    "room",
    "court",
    "whiskey",
    "whisky",
    "vodka",
    "wine",
    "beer",
    "records",
    "studios",
    "motors",
    "airlines",
    "academy",
    "clinic",
    "team",
    "celebration",
    "fellowship",
    "temple",
    "football",
    "rice",
    "opera",
    "festival",
    "parade",
    "grosso",
    "radicals",
    "ideographs",
    "syllables",
    "extended",
    "supplement",
    "fund",
    "trust",
    "scholarship",
    "lecture",
    "conference",
    "summit",
    "cafe",
    "restaurant",
    "bakery",
    "garden",
    "palace",
    "castle",
    "orchestra",
    "ensemble",
    "stadion",
    "club",
    "league",
    "cemetery",
    "memorial",
    "monument",
];
/// Ends of the names of places that start as a person's.
const STATES: &[&str] =
    &["texas", "nevada", "dakota", "carolina", "california", "arizona", "kansas", "ohio", "iowa", "alabama", "oregon", "janeiro"];
/// Full names that are of brands and places.
const KNOWN: &[&str] = &[
    "jack daniels",
    "jack daniel",
    "jim beam",
    "johnnie walker",
    "captain morgan",
    "calvin klein",
    "tommy hilfiger",
    "ralph lauren",
    "louis vuitton",
    "giorgio armani",
    "marc jacobs",
    "kate spade",
    "michael kors",
    "hugo boss",
    "christian dior",
    "yves rocher",
    "jean paul gaultier",
    "laura ashley",
    "paul smith",
    "karl lagerfeld",
    "aston martin",
    "rolls royce",
    "harley davidson",
    "wells fargo",
    "morgan stanley",
    "goldman sachs",
    "merrill lynch",
    "charles schwab",
    "ernst young",
    "betty crocker",
    "uncle ben",
    "elizabeth arden",
    "max factor",
    "thomas cook",
    "mary kay",
    "dr pepper",
    "dr martens",
    "ben jerry",
    "harry potter",
    "sherlock holmes",
    "james bond",
    "mickey mouse",
    "santa claus",
    "san francisco",
    "san diego",
    "san jose",
    "santa clara",
    "santa fe",
    "santa monica",
    "santa cruz",
    "los angeles",
    "las vegas",
    "buenos aires",
    "rio grande",
    "saint louis",
    "saint paul",
    "martin luther",
    "new york",
    "new jersey",
    "new zealand",
    "south carolina",
    "north carolina",
    "virginia beach",
    "jackson hole",
    "costa rica",
    "puerto rico",
    "el salvador",
    "hong kong",
    "sri lanka",
    "saudi arabia",
    "ada lovelace",
    "mary poppins",
    "lorem ipsum",
    "john lewis",
    "charles river",
    "george washington",
    "abraham lincoln",
    "victoria falls",
    "lake victoria",
    "mont blanc",
    "grand canyon",
    "apache kafka",
    "jupyter notebook",
    "ruby on",
    "visual studio",
    "red hat",
    "sandy bridge",
    "insurance no",
    "texas instruments",
    "les misérables",
    "press ctrl",
    "rio de",
    "sierra nevada",
    "mato grosso",
];

/// Finds them.
pub(crate) struct Names {
    lexicon: Lexicon,
}

/// Whether `word` is a small one of those inside names.
#[rustfmt::skip]
fn particle(word: &str) -> bool {
    matches!(word, "de" | "da" | "di" | "do" | "del" | "della" | "dello" | "degli" | "dos" | "das" | "du" | "des" | "van" | "von" | "der" | "den" | "ter" | "ten" | "zu" | "zur" | "vom" | "la" | "le" | "el" | "al" | "bin" | "ibn" | "ben" | "bint" | "af" | "av" | "y" | "e" | "i" | "san" | "ap" | "ó" | "mac")
}

/// One word of a row.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    start: usize,
    known: Known,
}

impl Word<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    fn is(&self, known: Known) -> bool {
        self.known & known != 0
    }

    fn initial(&self) -> bool {
        self.text.chars().nth(1).is_none()
    }

    fn particle(&self) -> bool {
        particle(self.text)
    }

    fn capitals(&self) -> bool {
        !self.initial() && self.text.chars().all(|letter| !letter.is_lowercase())
    }

    /// Capitals inside a word that is not all of them.
    fn odd(&self) -> bool {
        let part = |part: &str| part.chars().nth(1).is_none() || part.chars().all(char::is_uppercase);
        let parted = self.text.contains('-') && !self.capitals() && self.text.split('-').any(part);
        parted || self.text.chars().skip(1).any(char::is_uppercase) && !self.capitals() && !prefixed(self.text)
    }

    /// Whether it is likely one of a place or a product, not of a family.
    fn place(&self) -> bool {
        self.is(THING) || self.capitals() || ["js", "ai", "ml", "os", "db", "api"].iter().any(|end| self.text.eq_ignore_ascii_case(end))
    }
}

/// Words with capitals in a row.
struct Row<'a> {
    words: [Word<'a>; MOST + 2],
    len: usize,
}

impl Names {
    /// With the lists of names, but for those in `without`.
    pub fn new(without: &BTreeSet<String>) -> Self {
        Self { lexicon: Lexicon::new(&[(TITLES, TITLE), (STRONG, LEAD), (WEAK, LEAD), (THINGS, THING)], without) }
    }

    /// What a word is known as, as a whole or in its parts.
    fn known(&self, word: &str) -> Known {
        let mut lower = [0_u8; 64];
        let mut len = 0;
        for letter in word.chars().flat_map(char::to_lowercase) {
            let letter = if letter == '’' { '\'' } else { letter };
            let Some(room) = lower.get_mut(len..).filter(|room| room.len() >= letter.len_utf8()) else { return 0 };
            len += letter.encode_utf8(room).len();
        }
        let lower = lower.get(..len).unwrap_or_default();
        let mut known = self.lexicon.known(lower);
        let names = GIVEN | FAMILY;
        if lower.contains(&b'-') {
            known |= lower
                .split(|byte| *byte == b'-')
                .map(|part| if part.len() > 1 { self.lexicon.known(part) } else { 0 })
                .fold(names, |all, one| all & one);
        }
        if hint::is_korean(lower) {
            known |= GIVEN;
        }
        if let Some(rest) = lower.strip_prefix(b"o'").or_else(|| lower.strip_prefix(b"mc").filter(|rest| rest.len() > 3)) {
            known |= self.lexicon.known(rest) & names;
        }
        known
    }
}

impl Detector for Names {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        let labels = Labels::new(view.bytes);
        if let Ok(text) = std::str::from_utf8(view.bytes) {
            self.stretch(text, 0, &labels, view, sheet);
            return;
        }
        let mut from = 0;
        for chunk in view.bytes.utf8_chunks() {
            if !self.stretch(chunk.valid(), from, &labels, view, sheet) {
                return;
            }
            from += chunk.valid().len() + chunk.invalid().len();
        }
    }
}

impl Names {
    /// Adds the names in `text`, which starts at `base` of the view; false when the allowance has ended.
    fn stretch(&self, text: &str, base: usize, labels: &Labels<'_>, view: &View<'_>, sheet: &mut Sheet<'_>) -> bool {
        let capital = |byte: u8| within(byte, b'A', b'Z') | (byte >= 0xc3);
        let glue = |byte: u8| {
            let joint =
                (byte == b'_') | (byte == b'@') | (byte == b'/') | (byte == b'$') | (byte == b'#') | (byte == b'&') | (byte == b'\\');
            alphanumeric(byte) | (byte >= 0x80) | joint
        };
        let mut places = Places::new(text.as_bytes(), capital, glue);
        let mut at = 0;
        while let Some(start) = places.from(at) {
            if let Some(end) = alone(text.as_bytes(), start) {
                at = end;
                continue;
            }
            if !text.get(start..).and_then(|rest| rest.chars().next()).is_some_and(char::is_uppercase) {
                at = start + 1;
                continue;
            }
            let Some(mut row) = row(text, start) else {
                at = start + text.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                continue;
            };
            at = row.end().max(start + 1);
            if row.len < 2 {
                continue;
            }
            if !sheet.allowance.step(64) {
                sheet.allowance.miss("steps", view.trace(Span::new(base + start, view.bytes.len())));
                return false;
            }
            for word in row.words.iter_mut().take(row.len) {
                word.known = self.known(word.text);
            }
            if let Some((span, confidence)) = self.judge(text, base, row.words.get(..row.len).unwrap_or_default(), labels) {
                sheet.add(view, Class::Pii, Cow::Borrowed("person"), Span::new(base + span.start, base + span.end), confidence);
            }
        }
        true
    }
}

/// Where the word at `start` ends, when a word without a capital follows that stands in no name.
fn alone(bytes: &[u8], start: usize) -> Option<usize> {
    let letters = |at: usize| bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let end = start + letters(start);
    if end == start || bytes.get(end) != Some(&b' ') || !bytes.get(end + 1).is_some_and(u8::is_ascii_lowercase) {
        return None;
    }
    let word = bytes.get(end + 1..end + 1 + letters(end + 1))?;
    let goes_on = bytes.get(end + 1 + word.len()).is_some_and(|byte| *byte >= 0x80);
    (!goes_on && !std::str::from_utf8(word).is_ok_and(particle)).then_some(end)
}

impl Row<'_> {
    fn end(&self) -> usize {
        self.len.checked_sub(1).and_then(|last| self.words.get(last)).map_or(0, Word::end)
    }
}

/// The words in a row from `start`: with capitals, initials, and particles between them. Nothing where a single word stands.
fn row(text: &str, start: usize) -> Option<Row<'_>> {
    let mut row = Row { words: [Word { text: "", start, known: 0 }; MOST + 2], len: 0 };
    let mut at = start;
    while row.len < MOST + 2 {
        let rest = text.get(at..)?;
        let plain = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let len = match rest.as_bytes().get(plain) {
            Some(b'\'' | b'-' | 0x80..) => rest
                .char_indices()
                .find(|(place, letter)| !(letter.is_alphabetic() || matches!(letter, '\'' | '’' | '-') && *place > 0))
                .map_or(rest.len(), |(place, _)| place),
            _ => plain,
        };
        let word = rest.get(..len).unwrap_or_default().trim_end_matches(['\'', '’', '-']);
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
        let capital = word.chars().next().is_some_and(char::is_uppercase);
        let word = Word { text: word, start: at, known: 0 };
        if word.text.is_empty() || !(capital || row.len > 0 && word.particle()) {
            break;
        }
        if rest.as_bytes().get(len).is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'(' | b'@' | b'=')) {
            break;
        }
        *row.words.get_mut(row.len)? = word;
        row.len += 1;
        if word.text.len() < len {
            break;
        }
        at += len;
        let rest = text.get(at..).unwrap_or_default();
        let titled = || TITLES.iter().any(|title| word.text.eq_ignore_ascii_case(title));
        at += match rest.as_bytes() {
            [b'.', b' ', ..] if word.initial() || titled() => 2,
            [b' ', b' ', ..] => break,
            [b' ', ..] => 1,
            [0xc2, 0xa0, ..] => 2,
            _ => break,
        };
    }
    while row.len > 0 && row.words.get(row.len - 1).is_some_and(Word::particle) {
        row.len -= 1;
    }
    (row.len > 0).then_some(row)
}

impl Names {
    fn judge(&self, text: &str, base: usize, row: &[Word<'_>], labels: &Labels<'_>) -> Option<(Span, f32)> {
        let mut row = row;
        let mut titled = false;
        // Words before the name: titles, roles, the start of a sentence.
        while let Some((first, rest)) = row.split_first() {
            let plain = first.is(ORDINARY) && !(first.is(GIVEN) && rest.first().is_some_and(|next| next.is(FAMILY) && !next.is(ORDINARY)));
            let article = matches!(first.text, "A" | "An" | "My" | "The") && text.as_bytes().get(first.end()) != Some(&b'.');
            if !(article || first.is(TITLE | LEAD) || first.particle() || plain) || rest.is_empty() {
                break;
            }
            titled |= first.is(TITLE);
            row = rest;
        }
        while let Some((last, rest)) = row.split_last() {
            let plain = last.is(ORDINARY) && !last.is(FAMILY) || last.particle();
            if !plain || rest.len() < 2 {
                break;
            }
            if last.is(THING) {
                return None;
            }
            row = rest;
        }
        let (first, last) = (row.first()?, row.last()?);
        let things = row.iter().rev().take(2).filter(|word| word.is(THING)).count();
        let hall = row.len() > 2 && last.is(THING) && text.get(last.end()..).is_some_and(|rest| rest.starts_with(" of "));
        if things == 2 || hall || STATES.iter().any(|state| last.text.eq_ignore_ascii_case(state)) {
            return None;
        }
        let count = row.iter().filter(|word| !word.particle()).count();
        if !(2..=MOST).contains(&count) {
            return None;
        }
        let ordinary = row.iter().filter(|word| word.is(ORDINARY)).count();
        let known = row.iter().filter(|word| word.is(GIVEN | FAMILY)).count();
        if ordinary >= count || known == 0 && ordinary > 0 {
            return None;
        }
        let span = Span::new(first.start, last.end());
        let after = text.get(span.end..).unwrap_or_default();
        let mailed = after.starts_with(" <")
            && after
                .get(2..)
                .is_some_and(|rest| rest.as_bytes().iter().take(254).take_while(|byte| **byte != b'>').any(|byte| *byte == b'@'));
        let at = base + first.start;
        let agrees = || ordinary == 0 && hint::mailed(text, span, row.iter().map(|word| word.text));
        let strong = titled || mailed || labels.says(at, STRONG) || agrees();
        let weak = strong || labels.says(at, WEAK);
        let stub = last.text.chars().nth(2).is_none() && (last.capitals() || last.initial() || !weak);
        if stub {
            return None;
        }
        let (given, family) = (first.is(GIVEN) || first.initial(), last.is(FAMILY));
        let late = last.is(GIVEN) && first.is(FAMILY);
        let capitals = row.iter().all(Word::capitals);
        let short = |word: &Word<'_>| word.capitals() && word.text.len() <= 3;
        let odd = row.iter().any(Word::odd) || !capitals && row.iter().any(short);
        let hinted = known == 0 && hint::of_family_surely(last.text)
            || !first.initial() && (hint::is_member(text, span.start) || weak && hint::of_family(last.text));
        let confidence = if given && family && ordinary == 0 && (weak || !capitals && !first.initial()) {
            0.9
        } else if given && family && weak && ordinary < count || strong && ordinary == 0 && !odd && (known > 0 || count <= 3) {
            0.85
        } else if !odd && ordinary == 0 && !capitals && !first.initial() && (given && !last.place() || late || known == count && weak) {
            if weak { 0.8 } else { 0.65 }
        } else if !odd && ordinary == 0 && weak && family && !capitals {
            0.7
        } else if !odd && ordinary == 0 && !capitals && count <= 3 && hinted {
            0.6
        } else {
            return None;
        };
        (!self.thing(text.get(span.start..span.end)?, after)).then_some((span, confidence))
    }

    /// Whether it is known as the name of a brand or a place, or one of those follows.
    fn thing(&self, whole: &str, after: &str) -> bool {
        let next = after.trim_start_matches([' ', ',']).split(|letter: char| !letter.is_alphabetic()).next().unwrap_or_default();
        let lower = whole.to_lowercase();
        KNOWN.iter().any(|known| lower.starts_with(known)) || after.starts_with(' ') && self.known(next) & THING != 0
    }
}

/// `MacDonald`, `McKay`, `DeLuca`, `O'Neil`, `Anna-Lena`.
fn prefixed(word: &str) -> bool {
    ["Mac", "Mc", "De", "Di", "Le", "La", "Van", "Von", "O'", "O’", "D'", "D’", "L'", "L’", "Fitz"]
        .iter()
        .any(|lead| word.starts_with(lead))
        || word.contains('-')
}
