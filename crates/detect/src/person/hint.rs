//! What tells a name that stands in no list: a mail address beside it that is made from it, and the look of a family's name.

use terms::Span;

/// How far from a name a mail address may stand, in bytes, and the fewest letters of it that one has to share with a name.
const NEAR: usize = 160;
const SHARED: usize = 4;
/// Ends of family names in languages of which no list holds more than a part.
#[rustfmt::skip]
const ENDS: &[&str] = &[
    "ová", "ski", "ska", "sky", "cki", "cka", "czyk", "wicz", "vich", "vić", "ić", "enko", "chuk", "escu", "eanu", "opoulos", "opoulou", "idis", "akis", "adis", "shvili", "adze", "yan", "oğlu", "nen", "sson", "ssen", "dóttir", "dottir", "quist", "gren", "strom", "ström", "mann", "stein", "bauer", "meier",
    "ueira", "eira", "inho", "etti", "ucci", "elli", "ini", "ez", "oglu", "aitis", "auskas", "ienė", "iņš", "ović", "ević", "endran", "swamy", "singh", "wala", "abadi", "zadeh", "poor", "yama", "moto", "gawa", "ssi", "lainen", "imi", "avi", "eini", "jafari", "ashvili", "qvist", "lund", "holm", "berg", "gård", "gaard", "sen", "son",
];

/// Whether a mail address stands near `span` of `text` whose local part holds the letters of one of `words`.
pub(super) fn mailed<'a>(text: &str, span: Span, words: impl Iterator<Item = &'a str>) -> bool {
    let bytes = text.as_bytes();
    let from = span.start.saturating_sub(NEAR);
    let Some(around) = bytes.get(from..bytes.len().min(span.end + NEAR)) else { return false };
    let mut signs = memchr::memchr_iter(b'@', around).peekable();
    if signs.peek().is_none() {
        return false;
    }
    let words: Vec<String> = words.map(plain).filter(|word| word.len() >= SHARED).collect();
    signs.any(|at| {
        let local = around.get(..at).unwrap_or_default();
        let len = local.iter().rev().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(byte)).count();
        let local = local.get(local.len() - len..).unwrap_or_default().to_ascii_lowercase();
        words.iter().any(|word| memchr::memmem::find(&local, word.as_bytes()).is_some())
    })
}

/// Whether a word looks like the name of a family: by its end, or by letters that no English word has.
pub(super) fn of_family(word: &str) -> bool {
    let lower = word.to_lowercase();
    let long = lower.chars().count() >= 5;
    long && (lower.chars().any(|letter| !letter.is_ascii() && letter.is_alphabetic()) || ENDS.iter().any(|end| lower.ends_with(end)))
}

/// Whether a word has an end that no ordinary word has.
pub(super) fn of_family_surely(word: &str) -> bool {
    const ENDS: &[&str] = &[
        "opoulos", "opoulou", "adakis", "idis", "ović", "ević", "enko", "escu", "dóttir", "oğlu", "shvili", "sson", "czyk", "wicz",
        "owska", "owski", "ewski", "ová",
    ];
    let lower = word.to_lowercase();
    lower.chars().count() >= 7 && ENDS.iter().any(|end| lower.ends_with(end))
}

/// Whether what starts at `at` of `text` is the value of a member called `name`: `"name": "…"`, `name: …`.
pub(super) fn is_member(text: &str, at: usize) -> bool {
    let before = text.get(text.floor_char_boundary(at.saturating_sub(16))..at).unwrap_or_default();
    let key = before.trim_end_matches([' ', '"']);
    key.len() >= before.len().saturating_sub(3)
        && key.strip_suffix(':').is_some_and(|key| {
            let key = key.trim_end_matches('"');
            key.strip_suffix("name")
                .or_else(|| key.strip_suffix("Name"))
                .is_some_and(|rest| !rest.ends_with(|letter: char| letter.is_alphanumeric() || "_-".contains(letter)))
        })
}

/// Whether a word in lower case is two syllables as given names of Korea are written: `hye-jin`.
pub(super) fn is_korean(word: &[u8]) -> bool {
    let syllable = |part: &[u8]| {
        (2..=5).contains(&part.len()) && part.iter().all(u8::is_ascii_lowercase) && part.iter().any(|byte| b"aeiouy".contains(byte))
    };
    let mut parts = word.split(|byte| *byte == b'-');
    const FIRST: &[&[u8]] = &[
        b"seo", b"hye", b"min", b"ji", b"soo", b"su", b"hyun", b"jae", b"dong", b"sang", b"young", b"yeong", b"eun", b"kyung", b"jun",
        b"joon", b"ha", b"do", b"si", b"ye", b"yu", b"yun", b"tae", b"sung", b"seung", b"chan", b"hee", b"in", b"jin", b"jung", b"won",
        b"woo", b"na", b"mi", b"so", b"bo", b"byung", b"chul", b"kwang", b"hyo",
    ];
    parts.next().is_some_and(|first| FIRST.contains(&first)) && parts.next().is_some_and(syllable) && parts.next().is_none()
}

/// A word as mail addresses have it: in lower case, without marks on its letters.
fn plain(word: &str) -> String {
    let letter = |letter: char| match letter {
        'á' | 'à' | 'â' | 'ã' | 'å' | 'ă' | 'ą' | 'ā' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'é' | 'è' | 'ê' | 'ë' | 'ě' | 'ę' | 'ē' => "e",
        'í' | 'ì' | 'î' | 'ï' | 'ı' | 'ī' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ó' | 'ò' | 'ô' | 'õ' => "o",
        'ö' | 'ø' | 'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ț' | 'ť' => "t",
        'ú' | 'ù' | 'û' | 'ů' | 'ū' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'ğ' => "g",
        _ => "",
    };
    word.chars().flat_map(char::to_lowercase).fold(String::new(), |mut out, one| {
        if one.is_ascii_lowercase() {
            out.push(one);
        } else {
            out.push_str(letter(one));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_made_from_a_name_tells_it() {
        for (text, expect) in [
            ("Qorvan Zeldriff, q.zeldriff@mail.test", true),
            ("{\"mail\": \"jschaefer@mail.test\", \"who\": \"Qorvan Schäfer\"}", true),
            ("Qorvan Zeldriff, sales@mail.test", false),
            ("Qorvan Zeldriff", false),
        ] {
            let start = text.find("Qorvan").unwrap();
            let name: &str = text[start..].split([',', '"']).next().unwrap();
            assert_eq!(mailed(text, Span::new(start, start + name.len()), name.split(' ')), expect, "{text}");
        }
        assert!(of_family("Wiśniewska") && of_family("Petrosyan") && !of_family("Filter"));
    }
}
