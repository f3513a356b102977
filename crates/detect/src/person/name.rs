//! Full names: words with capitals in a row, judged by lists of names and of ordinary words, and by what stands beside them.

use super::words::{FAMILY, GIVEN, ORDINARY};
use crate::detector::{Detector, Sheet};
use crate::number::Labels;
use crate::view::View;
use std::borrow::Cow;
use terms::{Class, Span};

/// The most words of one name.
const MOST: usize = 6;
/// Small words inside names.
const PARTICLES: &[&str] = &["de", "da", "di", "do", "del", "della", "dello", "degli", "dos", "das", "du", "des", "van", "von", "der", "den", "ter", "ten", "zu", "zur", "vom", "la", "le", "el", "al", "bin", "ibn", "ben", "bint", "af", "av", "y", "e", "i", "san", "ap", "ó", "mac"];
/// Words before a name that make it one.
const TITLES: &[&str] = &["mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "dame", "herr", "frau", "hr", "fr", "monsieur", "madame", "mme", "mlle", "señor", "señora", "sr", "sra", "srta", "don", "doña", "signor", "signora", "sig", "dott", "ing", "senhor", "senhora", "dhr", "mevr", "pan", "pani", "г-н", "г-жа", "judge", "rev", "capt", "sgt", "nurse"];
/// Keys and words that announce the name of a person.
const STRONG: &[&str] = &[
    "fullname", "full_name", "full name", "patient", "passenger", "cardholder", "card holder", "card_holder", "kontoinhaber", "account holder", "account_holder", "accountholder", "applicant", "employee", "insured",
    "beneficiary", "recipient", "tenant", "guest", "attendee", "participant", "candidate", "spouse", "next of kin", "emergency contact", "contact person", "contact name", "contact_name", "customer name", "customer_name",
    "customername", "first_name", "firstname", "last_name", "lastname", "surname", "given name", "vorname", "nachname", "empfänger", "patientin", "mitarbeiter", "antragsteller", "titulaire", "destinataire", "bénéficiaire",
    "salarié", "nom complet", "prénom", "nombre completo", "titular", "paciente", "empleado", "apellidos", "destinatario", "intestatario", "paziente", "dipendente", "nome completo", "passageiro", "rekeninghouder",
    "naam", "pasient", "imię", "фио", "пациент", "получатель", "displayname", "display_name", "realname", "real_name", "legal name", "legal_name", "signed by", "signatory", "card on file for", "doctor", "physician", "teacher", "student", "witness", "defendant", "plaintiff", "claimant",
];
/// Words that often stand before a name.
const WEAK: &[&str] = &["name", "customer", "contact", "user", "owner", "author", "assignee", "reporter", "manager", "sender", "from", "to", "cc", "by", "dear", "hi", "hello", "regards", "sincerely", "nombre", "nom", "nome", "attn", "for", "with", "client", "member", "agent", "kunde", "client", "cliente", "ship", "told", "says", "ask", "met"];
/// What follows a name that is one of a thing or a place.
const THINGS: &[&str] = &[
    "street", "st", "road", "rd", "avenue", "ave", "lane", "drive", "boulevard", "square", "bridge", "park", "airport", "hospital", "church", "cathedral", "school", "college", "university", "institute", "museum", "library", "theatre", "theater",
    "hotel", "station", "foundation", "prize", "award", "medal", "cup", "stadium", "arena", "inc", "ltd", "llc", "gmbh", "ag", "corp", "company", "co", "plc", "sa", "bv", "group", "partners", "bank", "county", "island", "islands", "river", "lake", "mountain",
    "bay", "beach", "valley", "region", "province", "district", "city", "town", "village", "theorem", "algorithm", "method", "equation", "distribution", "test", "law", "effect", "syndrome", "disease", "license", "licence", "package", "library", "compiler",
    "language", "framework", "server", "database", "protocol", "format", "model", "version", "release", "edition", "center", "centre", "building", "tower", "house", "hall", "room", "court", "whiskey", "whisky", "vodka", "wine", "beer", "records", "studios", "motors", "airlines", "academy", "clinic", "team",
];
/// Full names that are of brands and places.
const KNOWN: &[&str] = &[
    "jack daniels", "jack daniel", "jim beam", "johnnie walker", "captain morgan", "calvin klein", "tommy hilfiger", "ralph lauren", "louis vuitton", "giorgio armani", "marc jacobs", "kate spade", "michael kors", "hugo boss", "christian dior", "yves rocher",
    "jean paul gaultier", "laura ashley", "paul smith", "karl lagerfeld", "aston martin", "rolls royce", "harley davidson", "wells fargo", "morgan stanley", "goldman sachs", "merrill lynch", "charles schwab", "ernst young", "betty crocker", "uncle ben", "elizabeth arden", "max factor",
    "thomas cook", "mary kay", "dr pepper", "dr martens", "ben jerry", "harry potter", "sherlock holmes", "james bond", "mickey mouse", "santa claus", "san francisco", "san diego", "san jose", "santa clara", "santa fe", "santa monica", "santa cruz", "los angeles",
    "las vegas", "buenos aires", "rio grande", "saint louis", "saint paul", "martin luther", "new york", "new jersey", "new zealand", "south carolina", "north carolina", "virginia beach", "jackson hole", "costa rica", "puerto rico", "el salvador", "hong kong", "sri lanka",
    "saudi arabia", "ada lovelace", "mary poppins", "lorem ipsum", "john lewis", "charles river", "george washington", "abraham lincoln", "victoria falls", "lake victoria", "mont blanc", "grand canyon", "apache kafka", "jupyter notebook", "ruby on", "visual studio", "red hat", "sandy bridge", "insurance no",
];

/// Finds them.
pub(crate) struct Names;

/// One word of a row.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    start: usize,
}

impl Word<'_> {
    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    fn lower(&self) -> String {
        self.text.to_lowercase().replace('’', "'")
    }

    fn has(&self, known: impl Fn(&str) -> bool) -> bool {
        let lower = self.lower();
        known(&lower) || lower.split('-').all(|part| part.len() > 1 && known(part)) || lower.strip_prefix("o'").is_some_and(&known) || lower.strip_prefix("mc").is_some_and(|rest| rest.len() > 3 && known(rest))
    }

    fn given(&self) -> bool {
        self.has(|word| GIVEN.has(word))
    }

    fn family(&self) -> bool {
        self.has(|word| FAMILY.has(word))
    }

    fn ordinary(&self) -> bool {
        ORDINARY.has(&self.lower())
    }

    fn initial(&self) -> bool {
        self.text.chars().count() == 1
    }

    fn particle(&self) -> bool {
        PARTICLES.contains(&self.text)
    }

    fn capitals(&self) -> bool {
        self.text.chars().count() > 1 && self.text.chars().all(|letter| !letter.is_lowercase())
    }
}

impl Detector for Names {
    fn read(&self, view: &View<'_>, sheet: &mut Sheet<'_>) {
        let text = match std::str::from_utf8(view.bytes) {
            Ok(text) => text,
            Err(cut) => std::str::from_utf8(view.bytes.get(..cut.valid_up_to()).unwrap_or_default()).unwrap_or_default(),
        };
        let mut labels = None;
        let mut at = 0;
        while let Some(start) = capital(text, at) {
            let row = row(text, start);
            at = row.last().map_or(start + 1, Word::end);
            if row.len() < 2 {
                continue;
            }
            if !sheet.allowance.step(64) {
                sheet.allowance.miss("steps", view.trace(Span::new(start, text.len())));
                return;
            }
            let labels = labels.get_or_insert_with(|| Labels::new(view.bytes));
            if let Some((span, confidence)) = judge(text, &row, labels) {
                sheet.add(view, Class::Pii, Cow::Borrowed("person"), span, confidence);
            }
        }
    }
}

/// The next word that starts with a capital.
fn capital(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut before = from.checked_sub(1).and_then(|at| bytes.get(at).copied()).unwrap_or(b' ');
    let mut at = from;
    while let Some(byte) = bytes.get(at).copied() {
        let starts = !before.is_ascii_alphanumeric() && before < 0x80 && !matches!(before, b'_' | b'@' | b'/' | b'$' | b'#' | b'&') && !(before == b'\\');
        if starts && (byte.is_ascii_uppercase() || byte >= 0xc3 && text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(char::is_uppercase)) {
            return Some(at);
        }
        before = byte;
        at += 1;
    }
    None
}

/// The words in a row from `start`: with capitals, initials, and particles between them.
fn row(text: &str, start: usize) -> Vec<Word<'_>> {
    let mut row: Vec<Word<'_>> = Vec::new();
    let mut at = start;
    while row.len() < MOST + 2 {
        let Some(rest) = text.get(at..) else { break };
        let len = rest.char_indices().find(|(place, letter)| !(letter.is_alphabetic() || matches!(letter, '\'' | '’' | '-') && *place > 0)).map_or(rest.len(), |(place, _)| place);
        let word = rest.get(..len).unwrap_or_default().trim_end_matches(['\'', '’', '-']);
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(word);
        let capital = word.chars().next().is_some_and(char::is_uppercase);
        let word = Word { text: word, start: at };
        if word.text.is_empty() || !(capital || !row.is_empty() && word.particle()) {
            break;
        }
        let cut = word.text.len() < len || rest.as_bytes().get(len).is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'(' | b'@' | b'='));
        if cut && rest.as_bytes().get(len).is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'(' | b'@' | b'=')) {
            break;
        }
        row.push(word);
        at += len;
        if cut {
            break;
        }
        let rest = text.get(at..).unwrap_or_default();
        let dotted = rest.starts_with(". ") && (word.initial() || TITLES.contains(&word.lower().as_str()));
        let gap = if dotted { 2 } else if rest.starts_with(' ') && !rest.starts_with("  ") { 1 } else if rest.starts_with('\u{a0}') { 2 } else { break };
        at += gap;
    }
    while row.last().is_some_and(Word::particle) {
        row.pop();
    }
    row
}

fn judge(text: &str, row: &[Word<'_>], labels: &Labels<'_>) -> Option<(Span, f32)> {
    let mut row = row;
    let mut titled = false;
    // Words before the name: titles, roles, the start of a sentence.
    while let Some((first, rest)) = row.split_first() {
        let lower = first.lower();
        let title = TITLES.contains(&lower.as_str());
        let lead = title || first.particle() || first.ordinary() && !(first.given() && rest.first().is_some_and(|next| next.family() && !next.ordinary())) || STRONG.contains(&lower.as_str()) || WEAK.contains(&lower.as_str());
        if !lead || rest.is_empty() {
            break;
        }
        titled |= title;
        row = rest;
    }
    while let Some((last, rest)) = row.split_last() {
        let plain = last.ordinary() && !last.family() || last.particle();
        if !plain || rest.len() < 2 {
            break;
        }
        if THINGS.contains(&last.lower().as_str()) {
            return None;
        }
        row = rest;
    }
    let (first, last) = (row.first()?, row.last()?);
    let count = row.iter().filter(|word| !word.particle()).count();
    if !(2..=MOST).contains(&count) || first.initial() && count < 2 {
        return None;
    }
    let span = Span::new(first.start, last.end());
    let whole = text.get(span.start..span.end)?.to_lowercase();
    let after = text.get(span.end..).unwrap_or_default();
    let next = after.trim_start_matches([' ', ',']).split(|letter: char| !letter.is_alphabetic()).next().unwrap_or_default().to_lowercase();
    if KNOWN.iter().any(|known| whole.starts_with(known)) || after.starts_with(' ') && THINGS.contains(&next.as_str()) {
        return None;
    }
    let (given, family) = (first.given() || first.initial(), last.family());
    let late = last.given() && first.family();
    let ordinary = row.iter().filter(|word| word.ordinary()).count();
    let capitals = row.iter().all(Word::capitals);
    let odd = row.iter().any(|word| word.text.chars().skip(1).any(char::is_uppercase) && !word.capitals() && !prefixed(word.text));
    let mailed = after.starts_with(" <") && after.get(2..).is_some_and(|rest| rest.split('>').next().is_some_and(|inside| inside.contains('@')));
    let strong = titled || mailed || labels.says(first.start, STRONG);
    let weak = strong || labels.says(first.start, WEAK);
    let known = row.iter().filter(|word| word.given() || word.family()).count();
    let confidence = if given && family && ordinary == 0 && !(capitals && !weak) && !(first.initial() && !weak) {
        0.9
    } else if given && family && weak && ordinary < count {
        0.85
    } else if strong && ordinary == 0 && !odd && (known > 0 || count <= 3) {
        0.85
    } else if !odd && ordinary == 0 && !capitals && !first.initial() && (given && !place(last) || late || known == count && weak) {
        if weak { 0.8 } else { 0.65 }
    } else if !odd && ordinary == 0 && weak && family && !capitals {
        0.7
    } else {
        return None;
    };
    (confidence >= 0.65).then_some((span, confidence))
}

/// `MacDonald`, `McKay`, `DeLuca`, `O'Neil`, `Anna-Lena`.
fn prefixed(word: &str) -> bool {
    ["Mac", "Mc", "De", "Di", "Le", "La", "Van", "Von", "O'", "O’", "D'", "D’", "L'", "L’", "Fitz"].iter().any(|lead| word.starts_with(lead)) || word.contains('-')
}

/// Whether a word is likely one of a place or a product, not of a family.
fn place(word: &Word<'_>) -> bool {
    let lower = word.lower();
    THINGS.contains(&lower.as_str()) || word.capitals() || ["js", "ai", "ml", "os", "db", "api"].contains(&lower.as_str())
}
