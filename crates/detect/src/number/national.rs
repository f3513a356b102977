//! National identity, tax and insurance numbers that are written in digits.
//!
//! Sources: the authorities' descriptions of their numbers, as the European Commission's and the OECD's lists of tax identification numbers collect them.

use super::Found;
use super::check::{day, ean, luhn, mod11_10, number, two, verhoeff, weighted};
use super::label::Labels;
use super::shape::{Groups, Number};
use crate::rule::left_out;
use std::collections::{BTreeMap, BTreeSet};
use terms::Span;

/// One kind of number.
struct Kind {
    name: &'static str,
    /// Shapes that only this number has; they need no words beside them.
    sure: &'static [&'static str],
    /// Shapes that other numbers have too.
    told: &'static [&'static str],
    /// The words, one of which stands beside those.
    words: &'static [&'static str],
    holds: fn(&[u8]) -> bool,
}

macro_rules! kinds {
    ($($name:literal sure [$($sure:literal)*] told [$($told:literal)*] by [$($word:literal)*] if $holds:expr;)*) => {
        &[$(Kind { name: $name, sure: &[$($sure),*], told: &[$($told),*], words: &[$($word),*], holds: $holds }),*]
    };
}

/// Every kind.
#[rustfmt::skip]
const KINDS: &[Kind] = kinds! {
    "us-ssn" sure ["3-2-4"] told ["9" "3 2 4"] by ["ssn" "social security" "social_security" "socialsecurity" "social-security"] if us_ssn;
    "us-itin" sure ["3-2-4"] told ["9"] by ["itin" "taxpayer"] if |d| d.first() == Some(&9) && matches!(two(d, 3), 50..=65 | 70..=88 | 90..=92 | 94..=99);
    "ca-sin" sure [] told ["9" "3 3 3" "3-3-3"] by ["sin" "social insurance" "nas" "assurance sociale"] if |d| luhn(d) && d.first().is_some_and(|first| *first != 0 && *first != 8);
    "mx-nss" sure [] told ["11"] by ["nss" "imss" "seguro social"] if luhn;
    "br-cpf" sure ["3.3.3-2"] told ["11"] by ["cpf"] if br_cpf;
    "ar-cuil" sure ["2-8-1"] told ["11"] by ["cuil" "cuit"] if |d| matches!(two(d, 0), 20 | 23 | 24 | 27) && (11 - weighted(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 == last(d);
    "ar-dni" sure [] told ["2.3.3" "8"] by ["dni" "documento nacional"] if |_| true;
    "co-cedula" sure [] told ["10" "1.3.3.3" "2.3.3"] by ["cédula" "cedula" "c.c."] if |_| true;
    "pe-dni" sure [] told ["8"] by ["dni"] if |_| true;
    "uk-nhs" sure [] told ["10" "3 3 4" "3-3-4"] by ["nhs"] if |d| (11 - weighted(d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11 == last(d);
    "uk-utr" sure [] told ["10" "5 5"] by ["utr" "unique taxpayer"] if |_| true;
    "fr-nir" sure ["1 2 2 2 3 3 2"] told ["13" "15"] by ["nir" "sécurité sociale" "securite sociale" "sécu" "insee" "numéro de sécurité" "social security" "assuré" "carte vitale"] if fr_nir;
    "fr-tax-id" sure [] told ["13" "2 2 3 3 3"] by ["spi" "numéro fiscal" "numero fiscal"] if |d| matches!(d.first(), Some(0..=3)) && number(d.get(..10).unwrap_or_default()) % 511 == number(d.get(10..).unwrap_or_default());
    "de-tax-id" sure ["2 3 3 3"] told ["11"] by ["steuer" "tax id" "tax-id" "taxid" "tax_id" "idnr" "tin"] if |d| d.first() != Some(&0) && repeats(d) && mod11_10(d);
    "nl-bsn" sure [] told ["9" "4.2.3" "3.3.3"] by ["bsn" "burgerservicenummer" "sofi"] if |d| d.len() == 9 && (weighted(d, &[9, 8, 7, 6, 5, 4, 3, 2]) + 10 * 11 - last(d)).is_multiple_of(11);
    "be-rrn" sure ["2.2.2-3.2"] told ["11" "6-3-2" "2 2 2 3 2"] by ["rijksregister" "registre national" "nationaal nummer" "rrn" "niss" "insz"] if be_rrn;
    "lu-matricule" sure [] told ["13"] by ["matricule"] if |d| day(two(d, 4), two(d, 6)) && luhn(d.get(..12).unwrap_or_default());
    "ch-ahv" sure ["3.4.4.2"] told ["13"] by ["ahv" "avs" "sozialversicherung"] if |d| d.starts_with(&[7, 5, 6]) && ean(d);
    "at-svnr" sure [] told ["10" "4 6" "4-6"] by ["svnr" "sozialversicherung" "sv-nummer" "svn"] if |d| weighted(d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 == u32::from(d.get(3).copied().unwrap_or(99));
    "es-nuss" sure [] told ["12" "2/8/2" "2 8 2" "2-8-2"] by ["nuss" "seguridad social" "naf"] if |d| number(d.get(..10).unwrap_or_default()) % 97 == number(d.get(10..).unwrap_or_default());
    "pt-nif" sure [] told ["9" "3 3 3"] by ["nif" "contribuinte"] if |d| pt_nif(d);
    "it-partita-iva" sure [] told ["11"] by ["partita iva" "p.iva" "p. iva"] if luhn;
    "gr-amka" sure [] told ["11"] by ["amka" "αμκα" "ΑΜΚΑ"] if |d| day(two(d, 2), two(d, 0)) && luhn(d);
    "gr-afm" sure [] told ["9"] by ["afm" "αφμ" "ΑΦΜ"] if |d| weighted(d, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == last(d);
    "se-personnummer" sure ["8-4" "6-4"] told ["12" "10"] by ["personnummer" "personal number"] if |d| { let d = d.get(d.len().saturating_sub(10)..).unwrap_or_default(); day(two(d, 2), two(d, 4) % 60) && luhn(d) };
    "no-fnr" sure ["6 5"] told ["11"] by ["fødselsnummer" "fodselsnummer" "personnummer" "fnr"] if no_fnr;
    "dk-cpr" sure [] told ["6-4" "10"] by ["cpr" "personnummer"] if |d| day(two(d, 2), two(d, 0));
    "is-kennitala" sure [] told ["6-4" "10"] by ["kennitala" "kt." "kt:" "kt "] if |d| day(two(d, 2), two(d, 0) % 40) && (11 - weighted(d, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 == u32::from(d.get(8).copied().unwrap_or(99));
    "ee-isikukood" sure [] told ["11"] by ["isikukood" "personal code"] if baltic;
    "lt-asmens-kodas" sure [] told ["11"] by ["asmens kodas" "asmens_kodas" "personal code"] if baltic;
    "lv-personas-kods" sure ["6-5"] told ["11"] by ["personas kods" "personas_kods"] if |d| day(two(d, 2), two(d, 0)) || two(d, 0) == 32;
    "pl-pesel" sure [] told ["11"] by ["pesel"] if |d| day(two(d, 2) % 20, two(d, 4)) && (10 - weighted(d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10 == last(d);
    "pl-nip" sure [] told ["10" "3-3-2-2" "3-2-2-3"] by ["nip"] if |d| weighted(d, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == last(d);
    "cz-rodne-cislo" sure ["6/4"] told ["6/3" "10"] by ["rodné číslo" "rodne cislo" "rodné" "rč"] if |d| day(two(d, 2) % 50 % 20, two(d, 4)) && (d.len() == 9 || number(d).is_multiple_of(11));
    "hu-taj" sure [] told ["9" "3 3 3" "3-3-3"] by ["taj"] if |d| weighted(d, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == last(d);
    "ro-cnp" sure [] told ["13"] by ["cnp" "cod numeric"] if |d| day(two(d, 3), two(d, 5)) && { let sum = weighted(d, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11; (if sum == 10 { 1 } else { sum }) == last(d) };
    "bg-egn" sure [] told ["10"] by ["egn" "егн" "ЕГН"] if |d| day(two(d, 2) % 20, two(d, 4)) && weighted(d, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == last(d);
    "hr-oib" sure [] told ["11"] by ["oib"] if mod11_10;
    "si-emso" sure [] told ["13"] by ["emšo" "emso" "jmbg" "матични"] if |d| day(two(d, 2), two(d, 0)) && (11 - weighted(d, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 % 10 == last(d);
    "ru-snils" sure ["3-3-3 2" "3-3-3-2"] told ["11"] by ["снилс" "snils" "СНИЛС"] if |d| { let sum = weighted(d, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101; (if sum == 100 { 0 } else { sum }) == u32::from(two(d, 9)) };
    "ru-inn" sure [] told ["12"] by ["инн" "inn" "ИНН"] if |d| weighted(d, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == u32::from(d.get(10).copied().unwrap_or(99)) && weighted(d, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == last(d);
    "ru-passport" sure [] told ["4 6" "2 2 6" "10"] by ["паспорт" "Паспорт" "серия" "Серия"] if |_| true;
    "ua-rnokpp" sure [] told ["10"] by ["рнокпп" "іпн" "ипн" "rnokpp" "РНОКПП" "ІПН" "ИПН"] if |d| { let weights = [-1_i64, 5, 7, 9, 4, 6, 10, 5, 7]; let sum: i64 = d.iter().zip(weights).map(|(digit, weight)| i64::from(*digit) * weight).sum(); sum.rem_euclid(11) % 10 == i64::from(last(d)) };
    "tr-kimlik" sure [] told ["11"] by ["tc kimlik" "t.c. kimlik" "kimlik" "tckn"] if tr_kimlik;
    "il-teudat-zehut" sure [] told ["9"] by ["teudat zehut" "teudat" "israeli id" "תעודת זהות" "ת.ז"] if luhn;
    "ae-emirates-id" sure ["3-4-7-1"] told ["15"] by ["emirates id"] if |d| d.starts_with(&[7, 8, 4]);
    "sa-national-id" sure [] told ["10"] by ["iqama" "national id" "الهوية"] if |d| matches!(d.first(), Some(1 | 2)) && luhn(d);
    "eg-national-id" sure [] told ["14"] by ["national id" "الرقم القومي"] if |d| matches!(d.first(), Some(2 | 3)) && day(two(d, 3), two(d, 5));
    "za-id" sure [] told ["13" "6 4 3" "6 4 2 1"] by ["id number" "identity number" "south african id" "said" "rsa id"] if |d| day(two(d, 2), two(d, 4)) && luhn(d);
    "ng-nin" sure [] told ["11"] by ["nin" "national identification number" "bvn"] if |_| true;
    "in-aadhaar" sure ["4 4 4" "4-4-4"] told ["12"] by ["aadhaar" "aadhar" "uidai" "आधार"] if |d| d.first().is_some_and(|first| *first >= 2) && verhoeff(d);
    "pk-cnic" sure ["5-7-1"] told ["13"] by ["cnic"] if |d| d.first() != Some(&0);
    "bd-nid" sure [] told ["10" "13" "17"] by ["nid" "national id"] if |_| true;
    "cn-resident-id" sure ["18"] told [] by [] if |d| cn_resident(d, last(d));
    "kr-rrn" sure ["6-7"] told ["13"] by ["주민등록번호" "rrn" "resident registration"] if |d| day(two(d, 2), two(d, 4)) && matches!(d.get(6), Some(1..=8));
    "jp-my-number" sure [] told ["12" "4 4 4" "4-4-4"] by ["マイナンバー" "my number" "mynumber" "個人番号"] if |d| { let sum = weighted(d, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11; (if sum <= 1 { 0 } else { 11 - sum }) == last(d) };
    "th-national-id" sure ["1-4-5-2-1"] told ["13"] by ["เลขประจำตัวประชาชน" "thai id" "citizen id"] if |d| (11 - weighted(d, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10 == last(d);
    "my-nric" sure ["6-2-4"] told ["12"] by ["mykad" "nric" "kad pengenalan"] if |d| day(two(d, 2), two(d, 4));
    "id-nik" sure [] told ["16"] by ["nik" "ktp"] if |d| day(two(d, 8), two(d, 6) % 40);
    "vn-cccd" sure [] told ["12"] by ["cccd" "căn cước"] if |d| d.first() == Some(&0);
    "ph-sss" sure ["2-7-1"] told [] by [] if |_| true;
    "au-tfn" sure [] told ["9" "3 3 3"] by ["tfn" "tax file"] if |d| weighted(d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11);
    "au-medicare" sure [] told ["10" "4 5 1" "4-5-1"] by ["medicare"] if |d| matches!(d.first(), Some(2..=6)) && weighted(d, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(d.get(8).copied().unwrap_or(99));
    "nz-ird" sure [] told ["9" "8" "3-3-3" "2-3-3"] by ["ird"] if |_| true;
    "kz-iin" sure [] told ["12"] by ["иин" "ИИН" "iin" "жсн" "ЖСН"] if |d| day(two(d, 2), two(d, 4)) && matches!(d.get(6), Some(0..=6));
    "uy-ci" sure [] told ["1.3.3-1" "7-1" "8"] by ["c.i." "cédula" "cedula"] if |d| (10 - weighted(d, &[2, 9, 8, 7, 6, 3, 4]) % 10) % 10 == last(d);
    "ec-cedula" sure [] told ["10" "9-1"] by ["cédula" "cedula" "c.i."] if |d| matches!(two(d, 0), 1..=24 | 30) && luhn(d);
    "do-cedula" sure ["3-7-1"] told ["11"] by ["cédula" "cedula"] if luhn;
    "ve-cedula" sure [] told ["2.3.3" "8"] by ["cédula" "cedula"] if |_| true;
    "pe-ruc" sure [] told ["11"] by ["ruc"] if |d| matches!(two(d, 0), 10 | 15 | 17 | 20) && (11 - weighted(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 % 10 == last(d);
    "ph-philsys" sure [] told ["4-4-4-4" "4 4 4 4" "16" "4-7-1"] by ["philsys" "psn" "pcn" "philid"] if |_| true;
    "ca-health" sure [] told ["10" "4-3-3" "4 3 3"] by ["ohip" "health card" "carte santé" "ramq" "health number"] if |_| true;
    "fr-siren" sure [] told ["9"] by ["numéro fiscal"] if luhn;
    "ma-cin" sure [] told ["6"] by ["cin"] if |_| true;
    "ke-id" sure [] told ["8" "7"] by ["national id" "huduma" "kra"] if |_| true;
    "kw-civil-id" sure [] told ["12"] by ["civil id" "الرقم المدني"] if |d| matches!(d.first(), Some(2 | 3)) && day(two(d, 3), two(d, 5));
    "us-driver-licence" sure [] told ["7" "8" "9" "3 3 3" "3-3-3"] by ["driver's license" "drivers license" "driver license" "driving licence" "driver_license" "dl number" "dl#"] if |_| true;
    "us-medicare-legacy" sure [] told ["10"] by ["npi"] if |d| luhn(&[&[8, 0, 8, 4, 0], d].concat());
    "medical-record" sure [] told ["6" "7" "8" "9" "10"] by ["mrn" "medical record" "patient id" "patient_id" "patientid" "health insurance" "krankenversicherten"] if |_| true;
};

/// Words that many countries use for numbers of different forms.
const SHARED: &[&str] = &[
    "national id",
    "id number",
    "identity number",
    "personal code",
    "personal number",
    "personnummer",
    "taxpayer",
    "tax id",
    "tax-id",
    "taxid",
    "tax_id",
    "tin",
    "social security",
    "social insurance",
    "health card",
    "health number",
    "medicare",
    "cédula",
    "cedula",
    "c.i.",
    "citizen id",
    "civil id",
    "dni",
    "nif",
    "nid",
    "nin",
    "matricule",
    "sozialversicherung",
];

/// All words that are asked for.
pub(super) fn labels() -> impl Iterator<Item = &'static &'static [&'static str]> {
    KINDS.iter().map(|kind| &kind.words)
}

/// The kinds that each shape may be.
pub(super) struct Shapes(BTreeMap<&'static str, Vec<&'static Kind>>);

impl Shapes {
    /// All but the kinds `without`.
    pub fn new(without: &BTreeSet<String>) -> Self {
        let mut shapes: BTreeMap<&'static str, Vec<&'static Kind>> = BTreeMap::new();
        for kind in KINDS.iter().filter(|kind| !left_out(without, kind.name)) {
            for shape in kind.sure.iter().chain(kind.told) {
                shapes.entry(shape).or_default().push(kind);
            }
        }
        Self(shapes)
    }

    /// The identity number that the first groups make.
    pub fn digits(&self, bytes: &[u8], groups: &Groups, labels: &Labels<'_>) -> Option<Found> {
        groups.each(|number| {
            let kinds = self.0.get(number.shape)?;
            let before = number.span.start.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
            let after = bytes.get(number.span.end).copied().unwrap_or(b' ');
            let inside = matches!(before, b'-' | b'.' | b'/' | b'#' | b'$' | b'+') || dumped(bytes, number.span);
            let part = inside || matches!(after, b'-' | b'/') && bytes.get(number.span.end + 1).is_some_and(u8::is_ascii_alphanumeric);
            if part || same(number.digits) {
                return None;
            }
            kinds.iter().find_map(|kind| kind.is(number, labels))
        })
    }
}

/// Whether groups of four hexadecimal digits stand around it: then it is a dump of them.
fn dumped(bytes: &[u8], span: Span) -> bool {
    let quad = |part: Option<&[u8]>| part.is_some_and(|part| part.len() == 4 && part.iter().all(u8::is_ascii_hexdigit));
    let beside = |mark: Option<&u8>| matches!(mark, Some(b' ' | b';'));
    let before = span.start >= 5 && beside(bytes.get(span.start - 1)) && quad(bytes.get(span.start - 5..span.start - 1));
    let after = beside(bytes.get(span.end))
        && quad(bytes.get(span.end + 1..span.end + 5))
        && !bytes.get(span.end + 5).is_some_and(u8::is_ascii_alphanumeric);
    before || after
}

impl Shapes {
    /// Whether a word beside the number at `at` says which it is, and it is not: its check digits are wrong.
    pub fn refuses(&self, bytes: &[u8], at: usize, labels: &Labels<'_>) -> bool {
        let refused = |number: &Number<'_>| {
            let own = |kind: &Kind| kind.words.iter().any(|word| !SHARED.contains(word) && labels.says(number.span.start, &[*word]));
            let mut said = self.0.get(number.shape)?.iter().filter(|kind| own(kind)).peekable();
            said.peek()?;
            (!said.any(|kind| (kind.holds)(number.digits))).then_some(())
        };
        bytes.get(at).is_some_and(u8::is_ascii_digit) && Groups::read(bytes, at).and_then(|groups| groups.each(refused)).is_some()
    }
}

impl Kind {
    fn is(&self, number: &Number<'_>, labels: &Labels<'_>) -> Option<Found> {
        if !(self.holds)(number.digits) {
            return None;
        }
        let sure = self.sure.contains(&number.shape);
        let told = labels.says(number.span.start, self.words);
        (sure || told).then(|| Found::pii(self.name, number.span, if told { 0.97 } else { 0.85 }))
    }
}

/// The last digit.
fn last(digits: &[u8]) -> u32 {
    digits.last().copied().map_or(99, u32::from)
}

fn same(digits: &[u8]) -> bool {
    digits.len() >= 6 && digits.iter().all(|digit| Some(digit) == digits.first())
}

/// SSA, "Social Security Number Randomization"; the two numbers of advertisements are none.
fn us_ssn(d: &[u8]) -> bool {
    let area = number(d.get(..3).unwrap_or_default());
    area != 0
        && area != 666
        && area < 900
        && two(d, 3) != 0
        && number(d.get(5..).unwrap_or_default()) != 0
        && ![78_051_120, 219_099_999, 123_456_789, 111_223_333].contains(&number(d))
}

fn br_cpf(d: &[u8]) -> bool {
    let check = |count: u32| {
        let weights: Vec<u32> = (2..=count + 1).rev().collect();
        let sum = weighted(d, &weights) % 11;
        if sum < 2 { 0 } else { 11 - sum }
    };
    d.len() == 11 && d.get(9).is_some_and(|digit| check(9) == u32::from(*digit)) && check(10) == last(d)
}

fn fr_nir(d: &[u8]) -> bool {
    let sex = matches!(d.first(), Some(1..=4 | 7 | 8));
    let month = matches!(two(d, 3), 1..=12 | 20..=42 | 50..=99);
    let Some((body, key)) = d.split_at_checked(13) else { return false };
    sex && month && (key.is_empty() || 97 - number(body) % 97 == number(key))
}

/// Of the first ten digits of a German tax number one appears twice or three times.
fn repeats(d: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    for digit in d.get(..10).unwrap_or_default() {
        if let Some(count) = counts.get_mut(usize::from(*digit)) {
            *count += 1;
        }
    }
    counts.iter().filter(|count| **count >= 2).count() == 1 && counts.iter().all(|count| *count <= 3)
}

fn be_rrn(d: &[u8]) -> bool {
    let (body, key) = (number(d.get(..9).unwrap_or_default()), number(d.get(9..).unwrap_or_default()));
    97 - body % 97 == key || 97 - (body + 2_000_000_000) % 97 == key
}

fn pt_nif(d: &[u8]) -> bool {
    let sum = weighted(d, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    matches!(d.first(), Some(1..=3 | 5 | 6 | 8 | 9)) && (if sum < 2 { 0 } else { 11 - sum }) == last(d)
}

fn no_fnr(d: &[u8]) -> bool {
    let first = (11 - weighted(d, &[3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11) % 11;
    let second = (11 - weighted(d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
    day(two(d, 2) % 40, two(d, 0) % 40) && first == u32::from(d.get(9).copied().unwrap_or(99)) && second == last(d)
}

/// Estonia and Lithuania share their numbers' form.
fn baltic(d: &[u8]) -> bool {
    let sum = weighted(d, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let check = if sum < 10 { sum } else { weighted(d, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10 };
    matches!(d.first(), Some(1..=8)) && day(two(d, 3), two(d, 5)) && check == last(d)
}

fn tr_kimlik(d: &[u8]) -> bool {
    let at = |place: usize| u32::from(d.get(place).copied().unwrap_or(0));
    let (odd, even) = (at(0) + at(2) + at(4) + at(6) + at(8), at(1) + at(3) + at(5) + at(7));
    at(0) != 0 && (odd * 7 + 90 - even) % 10 == at(9) && (odd + even + at(9)) % 10 == at(10)
}

/// GB 11643; `check` is the last place, ten where it is written `X`.
pub(super) fn cn_resident(d: &[u8], check: u32) -> bool {
    let year = number(d.get(6..10).unwrap_or_default());
    let sum = weighted(d.get(..17).unwrap_or_default(), &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
    (1900..=2100).contains(&year) && day(two(d, 10), two(d, 12)) && (12 - sum) % 11 == check
}
