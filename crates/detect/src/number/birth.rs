//! Dates of birth: a date with a word beside it that says so.

use super::Found;
use super::check::{day, number, two};
use super::label::Labels;
use super::shape::Groups;

const WORDS: &[&str] = &[
    "date of birth", "dob", "d.o.b", "birth date", "birthdate", "birth_date", "birthday", "born", "dateofbirth", "date_of_birth", "geboren", "geburtsdatum", "geburtstag", "né le", "née le", "date de naissance",
    "naissance", "fecha de nacimiento", "nacimiento", "nacido", "nacida", "data di nascita", "nato il", "nata il", "data de nascimento", "nascimento", "geboortedatum", "födelsedatum", "fødselsdato", "data urodzenia",
    "дата рождения", "出生日期", "生年月日", "생년월일", "doğum tarihi",
];

/// The date of birth that the first groups make.
pub(super) fn date(_: &[u8], groups: &Groups, labels: &Labels<'_>) -> Option<Found> {
    groups.each(|date| {
        let d = date.digits;
        let year = |from: usize| d.get(from..from + 4).is_some_and(|year| (1890..=2035).contains(&number(year)));
        let good = match date.shape {
            "4-2-2" | "4/2/2" | "4.2.2" | "8" => year(0) && day(two(d, 4), two(d, 6)),
            "2-2-4" | "2/2/4" | "2.2.4" | "2 2 4" => year(4) && (day(two(d, 2), two(d, 0)) || day(two(d, 0), two(d, 2))),
            "2-2-2" | "2/2/2" | "2.2.2" => day(two(d, 2), two(d, 0)) || day(two(d, 0), two(d, 2)),
            "1/1/4" | "1.1.4" | "1/2/4" | "1.2.4" | "2/1/4" | "2.1.4" => d.get(d.len() - 4..).is_some_and(|year| (1890..=2035).contains(&number(year))),
            _ => false,
        };
        (good && labels.says(date.span.start, WORDS)).then(|| Found::pii("birth-date", date.span, 0.95))
    })
}
