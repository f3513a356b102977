//! Telephone numbers: international ones by their plus (ITU-T E.164), national ones by their shape, others by the words beside them.

use super::Found;
use super::label::Labels;
use super::shape::Groups;
use terms::Span;

pub(super) const WORDS: &[&str] = &[
    "phone",
    "telephone",
    "tel",
    "tel.",
    "mobile",
    "cell",
    "cellphone",
    "fax",
    "whatsapp",
    "handy",
    "telefon",
    "rufnummer",
    "mobil",
    "téléphone",
    "portable",
    "appeler",
    "teléfono",
    "móvil",
    "celular",
    "telefone",
    "telemóvel",
    "telefono",
    "cellulare",
    "telefoon",
    "mobiel",
    "puhelin",
    "телефон",
    "тел",
    "电话",
    "手机",
    "電話",
    "携帯",
    "전화",
    "휴대폰",
    "هاتف",
    "phone_number",
    "phone no",
    "erreichbar",
    "anrufen",
    "tlf",
    "tlf.",
    "tfn",
    "tel no",
    "cel",
    "cel.",
    "mob",
    "mob.",
    "gsm",
    "no. hp",
    "no hp",
    "telp",
    "sđt",
    "SĐT",
    "điện thoại",
    "сот",
    "моб",
    "τηλ",
    "Τηλ",
    "κινητό",
    "נייד",
    "טלפון",
    "جوال",
    "โทร",
    "फोन",
    "sími",
    "puh",
    "telefonszám",
    "telefonní",
    "ph:",
];

/// Words of sentences that lead to a number.
const SPOKEN: &[&str] = &[
    "call", "reach", "ring", "dial", "text", "contact", "sms", "signal", "at", "unter", "anrufen", "ring", "llamar", "chiamare", "bellen",
];

/// The number that starts with a plus or a parenthesis at `at`.
pub(super) fn marked(bytes: &[u8], at: usize) -> Option<Found> {
    let plus = bytes.get(at) == Some(&b'+');
    let (mut here, mut count, mut end, mut open, mut marks, mut first) = (at + usize::from(plus), 0, at, false, 0, None);
    let mut lead = 0;
    while let Some(byte) = bytes.get(here) {
        match byte {
            b'0'..=b'9' => {
                first = first.or(Some(*byte));
                count += 1;
                marks = 0;
                end = here + 1;
                lead += usize::from(open && !plus);
            }
            b'(' if !open && (count == 0 && !plus || plus && count > 0 && count <= 3) => open = true,
            b')' if open => open = false,
            b' ' | b'-' | b'.' | b'/' if count > 0 && marks < 2 => marks += 1,
            _ => break,
        }
        if count > 15 {
            return None;
        }
        here += 1;
    }
    if plus && (coordinates(bytes, at, end) || added_date(bytes, at)) {
        return None;
    }
    let glued = bytes.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let date = bytes.get(end) == Some(&b':');
    if open || glued || date {
        return None;
    }
    // Of the North American plan and of Russia's a number has eleven digits, of Britain's no fewer; no group behind the country's code has one.
    let text = bytes.get(at + 1..end).unwrap_or_default();
    let planned = match (first, text) {
        (Some(b'1' | b'7'), _) => count == 11,
        (_, [b'4', b'4', ..]) => count >= 11,
        _ => true,
    };
    let single = text.split(|byte| !byte.is_ascii_digit()).skip(1).any(|group| group.len() == 1);
    if plus && (!planned || single) {
        return None;
    }
    let good = if plus {
        (8..=15).contains(&count) && first != Some(b'0')
    } else {
        (2..=5).contains(&lead) && (8..=12).contains(&count) && end > at + lead + 2
    };
    good.then(|| Found::pii("phone", Span::new(at, end), if plus { 0.95 } else { 0.9 }))
}

/// Whether it is a place on earth (ISO 6709): `+364947-0845057`, `+5354+02734`.
fn coordinates(bytes: &[u8], at: usize, end: usize) -> bool {
    let digits = |from: usize| bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    let first = digits(at + 1);
    let sign = bytes.get(at + 1 + first);
    let second = digits(at + 2 + first);
    let longest = end.max(at + 2 + first + second);
    matches!(sign, Some(b'-' | b'+')) && matches!((first, second), (4, 5) | (6, 7) | (2, 3)) && longest == at + 2 + first + second
}

/// Whether it is a date (ISO 8601) behind the mark of an added line: `+2026-11-18`.
fn added_date(bytes: &[u8], at: usize) -> bool {
    let Some([century @ .., a, b, b'-', c, d, b'-', e, f]) = bytes.get(at + 1..at + 11) else { return false };
    let two = |tens: &u8, ones: &u8| (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + ones - b'0');
    let (month, day) = (two(c, d), two(e, f));
    matches!(century, b"19" | b"20") && two(a, b).is_some() && matches!(month, Some(1..=12)) && matches!(day, Some(1..=31))
}

/// The number that the first groups make.
pub(super) fn digits(bytes: &[u8], groups: &Groups, labels: &Labels<'_>) -> Option<Found> {
    groups.each(|number| {
        let d = number.digits;
        let first = d.first().copied()?;
        let second = d.get(1).copied().unwrap_or(0);
        let before = number.span.start.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
        if matches!(before, b'-' | b'.' | b'/' | b'#' | b'$' | b':' | b'*') && before != b':' {
            return None;
        }
        let times = before == b':' && number.span.start.checked_sub(2).and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let dump = bytes.get(number.span.end) == Some(&b'-') && bytes.get(number.span.end + 1).is_some_and(u8::is_ascii_alphanumeric);
        if times || dump {
            return None;
        }
        let parts = number.shape.split('.').count();
        if parts == 4 && number.shape.split('.').all(|part| matches!(part, "1" | "2" | "3")) && d.len() <= 12 && number.shape != "2.2.2.2" {
            return None;
        }
        if number.shape.starts_with("2 2 2") && dumped(bytes, number.span) {
            return None;
        }
        let small = d.len() == 10
            && number.shape.split(' ').count() == 5
            && d.chunks(2).skip(1).filter(|pair| pair.first() == Some(&0)).count() >= 3;
        // In order, of one digit, or kept for fiction (NANPA, 555-0100 to 555-0199).
        let counted = matches!(d, [1, 2, 3, 4, 5, 6, 7, 8, 9, ..] | [5, 5, 5, 0, 1, _, _])
            || number.shape == "3-3-4" && d.chunks(3).take(2).all(|part| part.iter().all(|digit| Some(digit) == part.first()));
        if small || counted || number.shape.starts_with("1.1.") {
            return None;
        }
        let sure = match number.shape {
            "3-3-4" | "3.3.4" => first >= 2 && d.get(3).is_some_and(|digit| *digit >= 2),
            "1-3-3-4" | "1 3 3 4" | "1.3.3.4" => first == 1 && second >= 2,
            "2 2 2 2 2" | "2.2.2.2.2" | "2-2-2-2-2" => first == 0 && second > 0,
            "2 3 2 2" => matches!(first, 8 | 9),
            "3 2 2 2" | "3-2-2-2" => matches!(first, 6..=9),
            "5 6" | "5 3 3" => first == 0 && matches!(second, 1 | 7),
            "3 4 4" => first == 0 && second == 2,
            "4 3 4" | "4 3 3" => first == 0 && second > 0,
            "4 7" | "4 8" | "4/7" | "4/8" | "4-7" | "4-8" => first == 0 && second == 1,
            "2-4-4" | "3-4-4" | "4-2-4" | "3-3-4x" => first == 0,
            "2 4 4" | "2 5 4" | "2 5-4" | "2 4-4" => second > 0 && first > 0 && number.shape.contains('-'),
            "4-3-3" | "4-3-4" => first == 0 && second > 0,
            _ => false,
        };
        let likely =
            (7..=13).contains(&d.len()) && !number.shape.contains('/') || matches!(number.shape, "3/7" | "3/8" | "4/6" | "5/6" | "5/5");
        let zero = first == 0
            && second > 0
            && (9..=11).contains(&d.len())
            && matches!(number.shape, "2 8" | "2 7" | "3 7" | "3 8" | "3/7" | "3/8" | "4/6" | "4 6" | "5/5" | "5/6");
        let dated = ["4-2-2", "4.2.2", "2.2.4", "2-2-4", "4/2/2"].iter().any(|date| number.shape.starts_with(date))
            || number.shape == "8" && (first == 1 || first == 2) && d.get(4..6).is_some_and(|month| month <= &[1, 2]);
        // Seconds or milliseconds of this age.
        let moment = first == 1 && matches!(number.shape, "10" | "13");
        let told = likely
            && !dated
            && (labels.says(number.span.start, WORDS) || labels.speaks(number.span.start, SPOKEN) && d.len() >= 9 && !moment);
        (sure || zero || told).then(|| Found::pii("phone", number.span, if sure { 0.88 } else { 0.8 }))
    })
}

/// Whether pairs of hexadecimal digits go on before or behind: then it is a dump of bytes.
fn dumped(bytes: &[u8], span: Span) -> bool {
    let pair = |part: Option<&[u8]>| part.is_some_and(|part| part.len() == 2 && part.iter().all(u8::is_ascii_hexdigit));
    let before = span.start >= 3
        && bytes.get(span.start - 1) == Some(&b' ')
        && pair(bytes.get(span.start - 3..span.start - 1))
        && (span.start == 3 || !bytes.get(span.start - 4).is_some_and(u8::is_ascii_alphanumeric));
    let after = bytes.get(span.end) == Some(&b' ')
        && pair(bytes.get(span.end + 1..span.end + 3))
        && !bytes.get(span.end + 3).is_some_and(u8::is_ascii_alphanumeric);
    before || after
}
