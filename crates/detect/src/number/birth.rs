//! Dates of birth: a date with a word beside it that says so.

use super::Found;
use super::check::{day, number, two};
use super::label::Labels;
use super::shape::Groups;

pub(super) const WORDS: &[&str] = &[
    "date of birth",
    "dob",
    "d.o.b",
    "birth date",
    "birthdate",
    "birth_date",
    "birthday",
    "born",
    "dateofbirth",
    "date_of_birth",
    "geboren",
    "geburtsdatum",
    "geburtstag",
    "né le",
    "née le",
    "date de naissance",
    "naissance",
    "fecha de nacimiento",
    "nacimiento",
    "nacido",
    "nacida",
    "data di nascita",
    "nato il",
    "nata il",
    "data de nascimento",
    "nascimento",
    "geboortedatum",
    "födelsedatum",
    "fødselsdato",
    "data urodzenia",
    "дата рождения",
    "出生日期",
    "生年月日",
    "생년월일",
    "doğum tarihi",
    "syntymäaika",
    "född",
    "født",
    "fodt",
    "születési",
    "datum narození",
    "dátum narodenia",
    "datum rođenja",
    "datum rojstva",
    "data nașterii",
    "дата на раждане",
    "дата народження",
    "датум рођења",
    "ημερομηνία γέννησης",
    "Ημερομηνία γέννησης",
    "sünniaeg",
    "sünnikuupäev",
    "dzimšanas",
    "gimimo data",
    "tanggal lahir",
    "ngày sinh",
    "Ngày sinh",
    "วันเกิด",
    "जन्म तिथि",
    "תאריך לידה",
    "تاريخ الميلاد",
    "fæðingardagur",
];

/// Names of months, by their first letters, in languages that write dates so.
const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mär", "mai", "okt", "dez", "janv", "févr", "fév",
    "avr", "juin", "juil", "août", "déc", "ene", "abr", "ago", "dic", "gen", "mag", "giu", "lug", "set", "ott", "fev", "out", "mrt", "mei",
    "maj", "янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек", "sty", "lut", "kwi", "cze", "lip", "sie",
    "wrz", "paź", "lis", "gru",
];

/// For each first letter of a month the second ones, a bit each; the last bit stands for all beyond ASCII.
const LEADS: [u32; 26] = {
    let mut table = [0; 26];
    let mut at = 0;
    while at < MONTHS.len() {
        let month = MONTHS[at].as_bytes();
        if month[0].is_ascii_lowercase() {
            let second = if month[1].is_ascii_lowercase() { 1 << (month[1] - b'a') } else { 1 << 31 };
            table[(month[0] - b'a') as usize] |= second;
        }
        at += 1;
    }
    table
};

/// Whether a month in letters may start at `at`: its first two letters are those of one.
pub(super) fn month(bytes: &[u8], at: usize) -> bool {
    let letter = |at: usize| bytes.get(at).map(u8::to_ascii_lowercase);
    let (Some(first @ b'a'..=b'z'), Some(second)) = (letter(at), letter(at + 1)) else { return false };
    let bit = if second.is_ascii_lowercase() {
        1 << (second - b'a')
    } else if second >= 0x80 {
        1 << 31
    } else {
        0
    };
    LEADS.get(usize::from(first - b'a')).is_some_and(|seconds| seconds & bit != 0)
}

/// A date with the month in letters at `at`: `22 November 1971`, `March 7, 1967`, `3. Mai 1990`, `5 de mayo de 1980`.
pub(super) fn spelled(bytes: &[u8], at: usize, labels: &Labels<'_>) -> Option<Found> {
    let lead = bytes.get(at..)?.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    let letters = bytes.get(at + lead..bytes.len().min(at + lead + 3))?;
    if lead > 2 || lead > 0 && !letters.iter().any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80) || lead == 0 && !month(bytes, at) {
        return None;
    }
    if !labels.says(at, WORDS) {
        return None;
    }
    let rest = bytes.get(at..bytes.len().min(at + 40))?;
    let text = match std::str::from_utf8(rest) {
        Ok(text) => text,
        Err(cut) => std::str::from_utf8(rest.get(..cut.valid_up_to())?).ok()?,
    };
    let (mut days, mut months, mut years, mut end) = (0, 0, 0, 0);
    let mut place = 0;
    for part in text.split_inclusive([' ', '-', '/', ',', '\n', '"']).take(7) {
        let word = part.trim_end_matches([' ', '-', '/', ',', '.', '\n', '"', ';', ')']);
        let digits = word.trim_end_matches(|letter: char| letter.is_alphabetic());
        let lower = word.to_lowercase();
        match digits.parse::<u16>() {
            Ok(1..=31) if days == 0 && digits.len() <= 2 && years == 0 => days = 1,
            Ok(1890..=2035) if years == 0 && months == 1 && digits.len() == 4 => years = 1,
            Ok(_) => break,
            Err(_) if months == 0 && MONTHS.iter().any(|month| lower.starts_with(month)) => months = 1,
            Err(_) if matches!(lower.as_str(), "de" | "of" | "del" | "") && place > 0 => {}
            Err(_) => break,
        }
        place += part.len();
        if days + months + years == 3 {
            end = place - part.len() + word.len();
            break;
        }
    }
    (end > 0).then(|| Found::pii("birth-date", terms::Span::new(at, at + end), 0.95))
}

/// The date of birth that the first groups make.
pub(super) fn date(_: &[u8], groups: &Groups, labels: &Labels<'_>) -> Option<Found> {
    groups.each(|date| {
        let d = date.digits;
        let year = |from: usize| d.get(from..from + 4).is_some_and(|year| (1890..=2035).contains(&number(year)));
        let good = match date.shape {
            "4-2-2" | "4/2/2" | "4.2.2" | "8" => year(0) && day(two(d, 4), two(d, 6)),
            "2-2-4" | "2/2/4" | "2.2.4" | "2 2 4" => year(4) && (day(two(d, 2), two(d, 0)) || day(two(d, 0), two(d, 2))),
            "2-2-2" | "2/2/2" | "2.2.2" => day(two(d, 2), two(d, 0)) || day(two(d, 0), two(d, 2)),
            "1/1/4" | "1.1.4" | "1/2/4" | "1.2.4" | "2/1/4" | "2.1.4" => {
                d.get(d.len() - 4..).is_some_and(|year| (1890..=2035).contains(&number(year)))
            }
            _ => false,
        };
        (good && labels.says(date.span.start, WORDS)).then(|| Found::pii("birth-date", date.span, 0.95))
    })
}
