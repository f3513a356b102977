//! Postal addresses: a street with its number, and the place and code around it, in the forms of many countries.

use crate::detector::{Reader, Sheet};
use crate::error::Error;
use crate::view::View;
use crate::words::Stands;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::borrow::Cow;
use terms::{Class, Span};

/// How far before a word of streets an address may start, and how long it may be, in bytes.
const BEFORE: usize = 80;
const LONGEST: usize = 240;

/// Words that addresses hold, written as they are there, the forms that are tried around each, and how far before and behind the word a digit has to stand, in bytes.
#[rustfmt::skip]
const WORDS: &[Group] = &[
    (&[" Street", " St,", " St.", " St ", " St\n", " Road", " Rd,", " Rd.", " Rd ", " Rd\n", " Avenue", " Ave", " Lane", " Ln,", " Ln ", " Ln\n", " Drive", " Dr,", " Dr ", " Dr\n", " Court", " Ct,", " Ct ", " Boulevard", " Blvd", " Terrace", " Close,", " Close\n",
       " Crescent", " Square", " Parkway", " Pkwy", " Highway", " Hwy", " Way", " Place", " Row,", " Row\n", " Gardens", " Grove", " Mews", " Hill,", " Circle", " Cir,", " Trail", " Walk", " Quay", " Parade"], &[0], (64, 0)),
    (&["Nagar", " Marg", " Chowk", "Flat ", "Plot ", "House No", "Shop No", "Unit ", "Sector ", "H.No", "Door No"], &[1], (48, 96)),
    (&["straße", "strasse", "str.", "Str.", "Straße", "Strasse", "weg ", "Weg ", "platz", "Platz", "allee", "Allee", "gasse", "Gasse", "damm ", "Damm ", "ufer ", "Ufer ", "ring ", "Ring ", "Markt ",
       "straat", "laan ", "plein ", "gracht", "kade ", "singel ", "gatan", "vägen", "vej ", "gade ", "veien", "gata ", "katu ", "tie ", "utca"], &[2], (0, 48)),
    (&["straße", "strasse", "str."], &[3], (0, 24)),
    (&["rue ", "Rue ", "avenue ", "Avenue ", "boulevard ", "Boulevard ", "chemin ", "Chemin ", "impasse ", "Impasse ", "allée ", "Allée ", "quai ", "Quai ", "cours ", "Cours ", "route ", "Route ", "place ", "Place ", "square ", "passage ", "Passage "], &[4], (24, 0)),
    (&["Calle ", "Avenida ", "Av. ", "Avda", "Plaza ", "Paseo ", "Carrer ", "Carretera ", "Camino ", "Ronda ", "Travesía ", "C/ ", "Via ", "Viale ", "Corso ", "Piazza", "Largo ", "Vicolo ", "Strada ", "Rua ", "Travessa ", "Alameda ", "Praça ", "Estrada ", "Rodovia ",
       "Ul.", "ul.", "Ulica ", "Aleja ", "al. ", "Al. ", "Plac ", "Bulevardul ", "Bd.", "Jalan ", "Jl.", "Lorong "], &[5], (24, 96)),
    (&["ул.", "улица", "проспект", "пр-т", "переулок", "пер.", "вул.", "наб.", "бульвар"], &[6], (24, 96)),
    (&["Cad.", "Cadde", "Sokak", "Sok.", "Mah.", "Mahallesi", "Bulvarı"], &[7], (0, 96)),
    (&["区", "路", "街", "町", "丁目", "番地", "大道"], &[8], (48, 96)),
    (&["로 ", "길 ", "로", "길"], &[9], (0, 48)),
    (&["utca ", "utca", " út ", " tér ", "körút ", "ulica ", "nábřeží ", "náměstí ", "třída ", "sokak ", "bulevar ", "iela ", "gatvė ", "tänav "], &[11], (0, 48)),
    (&["Rue ", "rue ", "Avenue ", "Chaussée ", "Boulevard ", "Place ", "Quai "], &[12], (0, 64)),
    (&["Blk ", "Block "], &[13], (0, 96)),
    (&["ddress", "adres", "Adres", "irección", "ireccion", "ndereço", "ndirizzo", "ship to", "Ship to", "deliver to", "Deliver to", "lives at", "living at", "resides at", "nschrift", "dresse", "wohnhaft", "domicil", "Domicil", "адрес", "Адрес", "lakcím", "Lakcím", "διεύθυνση", "Διεύθυνση", "osoite", "Osoite", "alamat", "Alamat", "địa chỉ", "Địa chỉ"], &[14], (0, 96)),
    (&["P.O. Box", "PO Box", "P.O.Box", "P. O. Box", "Postfach", "Apartado", "Casilla", "Boîte postale", "B.P. "], &[10], (0, 24)),
];
/// Words, forms, reach.
type Group = (&'static [&'static str], &'static [usize], (usize, usize));

/// Addresses of no person, which licences and manuals hold.
const KNOWN: &[&str] = &[
    "51 Franklin St",
    "59 Temple Pl",
    "675 Mass Ave",
    "10 Downing St",
    "1600 Pennsylvania Ave",
    "1600 Amphitheatre",
    "221B Baker St",
    "1 Hacker Way",
    "1 Infinite Loop",
    "1 Microsoft Way",
    "444 Castro St",
    "171 Second St",
    "548 Market St",
];

/// The words and what is tried around each, one number a word.
type Around = (&'static str, &'static [usize], (usize, usize));

/// The form that words such as `address` announce.
const ANNOUNCED: usize = 14;

/// Finds them.
pub(crate) struct Addresses {
    forms: Vec<Regex>,
    words: Vec<Around>,
}

/// Forms of addresses. `U` is a word with a capital, `N` a house number.
const FORMS: &[&str] = &[
    // 81 Church Lane, Bristol BS1 5AM; 123 N Main St Apt 4, Springfield, IL 62704; 12/5 George Street, Sydney NSW 2000.
    r"(?:(?:Flat|Apt\.?|Apartment|Unit|Suite|House|Level) [0-9A-Z]{1,6},? )?[0-9]{1,6}[A-Za-z]?(?:[-/][0-9]{1,5}[A-Za-z]?)?,? (?:(?:[NSEW]{1,2}\.?|North|South|East|West|St\.?|The|Old|New|Upper|Lower|Great|Little) )?(?:U ){1,4}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Terrace|Ter|Close|Crescent|Cres|Square|Sq|Parkway|Pkwy|Highway|Hwy|Way|Place|Pl|Row|Gardens|Grove|Mews|Hill|Circle|Cir|Trail|Walk|Quay|Parade)\b\.?(?: (?:N|S|E|W|NE|NW|SE|SW))?T",
    // Flat 211, MG Road, Mumbai 400071; Plot 12, Sector 5, Noida 201301.
    r"(?:Flat|House|Plot|Shop|Door|Unit|Block|No\.?|H\.?No\.?)(?: No\.?)? ?[0-9A-Z][0-9A-Z/-]{0,7}, (?:[A-Z0-9][A-Za-z0-9.'-]{0,24} ?){1,5}(?:, (?:[A-Z0-9][A-Za-z0-9.'-]{0,24} ?){1,4}){0,4}(?:,? ?-? ?[1-9][0-9]{2} ?[0-9]{3})",
    // Goethestr. 161, 41539 Leipzig; Am Markt 5, 12345 Berlin; Kerkstraat 12, 1017 GC Amsterdam; Storgatan 5, 111 22 Stockholm.
    r"(?:(?:U|Am|An|Auf|Im|In|Zum|Zur|der|dem|den|von|van|de|het) ){0,4}(?:W(?:straße|strasse|str\.|weg|platz|allee|gasse|damm|ufer|ring|straat|laan|plein|gracht|kade|singel|gatan|vägen|vej|gade|veien|gata|katu|tie|utca)|Straße|Strasse|Str\.|Weg|Platz|Allee|Gasse|Ring|Markt|Damm|Ufer) [0-9]{1,4} ?[a-zA-Z]?(?:-[0-9]{1,4})?(?:, ?| ?\n ?| )(?:[A-Z]{1,2}-)?[0-9]{3,4}(?: ?[0-9]{1,2}| [A-Z]{2})? U(?:[ -](?:U|am|an|der|im|ob)){0,3}",
    r"W(?:straße|strasse|str\.) [0-9]{1,4} ?[a-zA-Z]?\b",
    // 12 bis, rue de la Paix, 75002 Paris.
    r"[0-9]{1,4}(?: ?(?:bis|ter|[A-D]))?,? (?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Cc]hemin|[Ii]mpasse|[Aa]llée|[Qq]uai|[Cc]ours|[Rr]oute|[Pp]lace|[Ss]quare|[Pp]assage|[Vv]illa) (?:(?:de|du|des|la|le|les|l'|d'|L'|D'|aux?|sur|en|sous|et) ?|U[ -]?|[0-9]{1,2} ){1,8}(?:,? (?:\n ?)?[0-9]{5} U(?:[ -](?:U|de|la|le|les|sur|en|sous|d'|l')){0,5}|, U(?:[ -]U){0,3},? [A-Z]{2}(?: [A-Z][0-9][A-Z] ?[0-9][A-Z][0-9])?)?",
    // Calle Mayor 126, 2º B, 28013 Madrid; Via Garibaldi 182, 20121 Milano; Rua Augusta, 123 - Centro, São Paulo - SP, 01305-000; ul. Długa 5/7, 00-238 Warszawa.
    r"(?:Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Paseo|Carrer|Carretera|Camino|Ronda|Travesía|Via|Viale|Corso|Piazza|Piazzale|Largo|Vicolo|Strada|Rua|Travessa|Alameda|Praça|Estrada|Rodovia|Ulica|[Uu]l\.|[Aa]l\.|Aleja|Plac|Strada|Bulevardul|Bd\.|Jalan|Jl\.|Lorong) (?:(?:de|del|della|delle|dei|di|da|do|dos|das|la|las|los|el|e|y|San|Santa|Sant') ?|U\.? ?|[0-9]{1,2} (?:de) ){1,8}(?:,? (?:n\.?[ºo°]? ?|nº |No\. ?)?[0-9]{1,5}[A-Za-z]?(?:/[0-9]{1,4})?)(?:,? [0-9]{1,2}[ºª°]?(?: ?[A-Za-z]{1,4})?)?(?: ?- ?(?:U ?){1,4})?(?:, (?:U ?){1,4}(?:- [A-Z]{2})?)?(?:,? ?(?:\n ?)?(?:[A-Z]{1,2}-)?[0-9]{2}-?[0-9]{3}(?:-[0-9]{3})?(?: U(?:[ -](?:U|de|del|la|di|da)){0,4})?)?",
    // г. Москва, ул. Тверская, д. 12, кв. 5.
    r"(?:[0-9]{6}, ?)?(?:г\. ?V, ?)?(?:ул\.|улица|проспект|пр-т|переулок|пер\.|вул\.|наб\.|бульвар) ?(?:V ?){1,4},? ?(?:д\.|дом|буд\.)? ?[0-9]{1,4}[а-яА-Я]?(?:, ?(?:кв\.|корп\.|стр\.|оф\.) ?[0-9]{1,4}){0,3}",
    // Atatürk Cad. No: 12, 34000 İstanbul.
    r"(?:U ){1,4}(?:Mah\.|Mahallesi|Cad\.|Caddesi|Sok\.|Sokak|Bulvarı),? (?:(?:U ){1,3}(?:Cad\.|Caddesi|Sok\.|Sokak),? )?No:? ?[0-9]{1,4}(?:[/,] ?[0-9A-Za-z: ]{1,10})?(?:,? [0-9]{5})? ?(?:U(?:/U)?)?",
    // 上海市浦东新区世纪大道69号; 東京都千代田区丸の内1丁目2番3号; 서울특별시 강남구 테헤란로 152.
    r"(?:〒? ?[0-9]{3}-[0-9]{4} ?)?Z{2,12}(?:省|市|县|縣|都|道|府|区|區|郡)Z{1,24}(?:路|街|道|巷|弄|町|村|丁目|番地|里|镇|大道|胡同)?Z{0,12}[0-9０-９一二三四五六七八九十]{1,5}(?:号|號|番|番地|丁目|-[0-9]{1,4})(?:[0-9-]{0,8}(?:号|室|楼|栋|单元|階|号室|弄)){0,4}",
    r"K{2,12}(?:시|도|특별시|광역시) K{1,8}(?:구|군|시) (?:K{1,8}(?:구|읍|면|동) )?K{1,12}(?:로|길) ?[0-9]{1,4}(?:-[0-9]{1,4})?",
    r"(?:P\. ?O\. ?Box|PO Box|P\.O\.Box|Postfach|Apartado(?: de [Cc]orreos)?|Casilla|Boîte postale|B\.P\.) [0-9][0-9 ]{1,8}(?:,? (?:[A-Z]{1,2}-)?[0-9]{4,5})?(?:,? U(?: U){0,2})?(?:,? [A-Z]{2} [0-9]{5})?",
    // Váci utca 19, 1052 Budapest; Nemanjina ulica 4, 11000 Beograd; Vinohradská třída 48, 120 00 Praha 2.
    r"(?:(?:U|V) ){1,3}(?:utca|út|tér|körút|ulica|nábřeží|náměstí|třída|sokak|bulevar|iela|gatvė|tänav) [0-9]{1,4}[A-Za-z]?(?:/[0-9]{1,4})?(?:, (?:[A-Z]{2}-)?[0-9]{3} ?[0-9]{1,2}(?: U){1,2}(?: [0-9]{1,2})?)?",
    // Rue Neuve 111, 1000 Bruxelles.
    r"(?:[Rr]ue|Avenue|Chaussée|Boulevard|Place|Quai) (?:(?:de|du|des|la|le|les|l'|d'|et) ?|U[ -]?){1,6}[0-9]{1,4}[A-Za-z]?,? [1-9][0-9]{3} U(?:[ -]U){0,2}",
    // Blk 123 Ang Mo Kio Ave 3 #04-56, Singapore 560123.
    r"Bl(?:k|ock) [0-9]{1,4}[A-Z]? (?:U ){1,5}(?:[0-9]{1,2})?(?: ?#[0-9]{1,2}-[0-9]{1,4})?,? Singapore [0-9]{6}",
    // Behind a word that says so: a street with its number, and a code with its place.
    r"(?:(?:U|V|de|del|da|di|la|le|van|der) ?){1,6},? (?:[Nn]o\.? ?)?[0-9]{1,5}[A-Za-z]?(?:[-/][0-9]{1,4})?(?:, (?:(?:U|V)[ -]?|[0-9]{1,3}[.ºª]? ?){1,5}){0,3},? (?:(?:U ){1,3})?(?:[A-Z]{1,2}-?)?(?:[0-9]{3} [0-9]{2}|[0-9]{4,6})(?:-[0-9]{3,4})?(?:,? (?:U|V)(?:[ -](?:U|V|[0-9]{1,2})){0,3})?",
];

/// What may follow a street of the English form: parts of a house, the place, the state, the code.
const TAIL: &str = r"(?:,? (?:#|Apt\.?|Apartment|Unit|Suite|Ste\.?|Floor|Fl\.?|Flat) ?[0-9A-Z-]{1,6})?(?:(?:, | ?\n ?)U(?:[ -](?:U|on|upon|in|the|under|le)){0,4}){0,3}(?:,? (?:[A-Z]{2,3} )?(?:[0-9]{5}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[0-9]{4}|[A-Z][0-9]{2} [A-Z0-9]{4}|[0-9]{3} ?[0-9]{3})\b)?(?:,? (?:USA?|UK|Canada|Australia|Ireland|United Kingdom|United States|New Zealand|India|Singapore))?";

impl Addresses {
    pub fn new() -> Result<Self, Error> {
        let forms = FORMS.iter().map(|form| compiled(&expand(form))).collect::<Result<_, Error>>()?;
        let words = WORDS.iter().flat_map(|(words, forms, reach)| words.iter().map(move |word| (*word, *forms, *reach))).collect();
        Ok(Self { forms, words })
    }
}

/// A form with its letters written out: `U` a word with a capital, `W` the start of one, `V` a Cyrillic one, `Z` a Han or Kana and `K` a Hangul character, `T` the tail.
fn expand(form: &str) -> String {
    const LATIN: &str = "A-Za-zÀ-ÖØ-öø-ɏ";
    const CAPITAL: &str = "A-ZÀ-ÖØ-ÞĀ-Ɏ";
    let mut out = String::new();
    let letters: Vec<char> = form.chars().collect();
    let mut inside = false;
    for (at, letter) in letters.iter().copied().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at)).copied().unwrap_or(' ');
        let after = letters.get(at + 1).copied().unwrap_or(' ');
        match letter {
            '[' if before != '\\' => inside = true,
            ']' if before != '\\' => inside = false,
            _ => {}
        }
        let alone = !inside
            && !before.is_alphanumeric()
            && before != '\\'
            && before != '.'
            && !after.is_alphanumeric()
            && after != '.'
            && after != '\'';
        match letter {
            'U' if alone => out.push_str(&format!("(?:[{CAPITAL}][{LATIN}'’.]*(?:-[{CAPITAL}][{LATIN}]+)*)")),
            'W' if alone => out.push_str(&format!("(?:[{CAPITAL}][{LATIN}-]*?)")),
            'V' if alone => out.push_str("(?:[А-ЯЁІЇЄҐ][а-яёіїєґ-]+)"),
            'Z' if alone => out.push_str("[\u{3040}-\u{30ff}\u{4e00}-\u{9fff}]"),
            'K' if alone => out.push_str("[\u{ac00}-\u{d7a3}]"),
            'T' if alone && at + 1 == letters.len() => out.push_str(&expand(TAIL)),
            other => out.push(other),
        }
    }
    out
}

/// Compiles a pattern over UTF-8.
fn compiled(form: &str) -> Result<Regex, Error> {
    Regex::builder()
        .configure(Regex::config().utf8_empty(false).nfa_size_limit(Some(16 << 20)).hybrid_cache_capacity(1 << 20))
        .syntax(syntax::Config::new().unicode(true).utf8(false))
        .build(form)
        .map_err(|cause| Error::Pattern { kind: "address".to_owned(), cause: format!("{cause:?}") })
}

impl Reader for Addresses {
    fn words(&self) -> Vec<(String, Stands, usize)> {
        self.words.iter().enumerate().map(|(number, (word, ..))| ((*word).to_owned(), Stands::Anywhere, number)).collect()
    }

    fn read(&self, view: &View<'_>, at: usize, number: usize, done: &mut usize, sheet: &mut Sheet<'_>) {
        let Some((word, forms, reach)) = self.words.get(number) else { return };
        let as_written = view.bytes.get(at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if at < *done || !as_written || !numbered(view.bytes, at, at + word.len(), *reach) {
            return;
        }
        let from = at.saturating_sub(BEFORE).max(*done);
        let to = view.bytes.len().min(at + word.len() + LONGEST);
        if !sheet.allowance.step((to - from) * 2) {
            sheet.allowance.miss("steps", view.trace(Span::new(from, to)));
            return;
        }
        let Some(window) = view.bytes.get(from..to) else { return };
        let inside = at - from;
        // Where a word only announces an address, that stands behind it.
        let announced = forms.contains(&ANNOUNCED);
        let reach = if announced { word.len() + 6 } else { 12 };
        let around =
            |span: &regex_automata::Match| span.end() > inside && span.start() <= inside + reach && !(announced && span.start() <= inside);
        let best = forms
            .iter()
            .filter_map(|form| self.forms.get(*form)?.find_iter(window).take_while(|span| span.start() <= inside + reach).find(around))
            .max_by_key(|span| span.len());
        let Some(best) = best else { return };
        let text = window.get(best.start()..best.end()).unwrap_or_default();
        let len = text.trim_ascii_end().len();
        let before = (from + best.start()).checked_sub(1).and_then(|at| view.bytes.get(at).copied()).unwrap_or(b' ');
        if KNOWN.iter().any(|known| memchr::memmem::find(text, known.as_bytes()).is_some()) {
            return;
        }
        if len < 8 || before.is_ascii_alphanumeric() || matches!(before, b'_' | b'/' | b'.') || !text.iter().any(u8::is_ascii_digit) {
            return;
        }
        let len = text
            .get(..len)
            .unwrap_or_default()
            .iter()
            .rposition(|byte| !matches!(byte, b',' | b'.' | b'-' | b' ' | b'\n'))
            .map_or(len, |at| at + 1);
        let span = Span::new(from + best.start(), from + best.start() + len);
        sheet.add(view, Class::Pii, Cow::Borrowed("address"), span, 0.85);
        *done = span.end;
    }
}

/// Whether a digit stands at most so far before `start` or behind `end`.
fn numbered(bytes: &[u8], start: usize, end: usize, reach: (usize, usize)) -> bool {
    let digit = |part: Option<&[u8]>| part.is_some_and(|part| part.iter().any(u8::is_ascii_digit));
    digit(bytes.get(start.saturating_sub(reach.0)..start)) || digit(bytes.get(end..bytes.len().min(end + reach.1)))
}
