//! Numbers of no country in particular: what stands directly behind words that call it an identity or an account.

use super::Found;
use terms::Span;

/// What calls the value behind it a person's number.
#[rustfmt::skip]
const IDENTITY: &[&str] = &[
    "id number", "id no", "id nr", "identity number", "identity no", "identity card", "identity card no", "identity card number", "identification number", "identification no", "national id", "ghana card", "cnie", "nida", "nida no", "dpi", "cui", "dpi (cui)", "الرقم الوطني", "नागरिकता नं", "pnr", "hetu", "idnp", "edb", "lbo", "mbo", "jbg", "national id no", "national id number", "national identity number", "national number", "citizen id", "citizen number",
    "personal id", "personal id number", "personal number", "personal identity number", "personal identification number", "personal code", "tax id", "tax number", "tax no", "taxpayer id", "taxpayer number", "social security number", "social security no", "social insurance number", "social insurance no", "insurance number",
    "national insurance number", "ni number", "health card number", "health insurance number", "health number", "insured person no", "pension number", "voter id", "residence permit", "residence permit no", "passport number", "passport no", "passport", "driving licence no", "driving licence number",
    "driver license number", "driver licence number", "driver's license number", "licence number", "license number", "medicare number", "patient number", "patient no", "nif", "nie", "dni", "curp", "cpf", "rg", "cédula", "cedula", "documento", "documento de identidad", "número de identidad",
    "número de identificación", "número de identificação", "carta d'identità", "codice fiscale", "numéro d'identité", "numéro de sécurité sociale", "pièce d'identité", "personalausweis", "personalausweisnummer", "ausweisnummer", "ausweis-nr", "steuernummer", "steuer-id", "sozialversicherungsnummer",
    "versicherungsnummer", "personnummer", "fødselsnummer", "personnr", "henkilötunnus", "isikukood", "asmens kodas", "personas kods", "osobní číslo", "rodné číslo", "numer pesel", "dowód osobisty", "numer dowodu", "numar de identificare", "kimlik no", "tc kimlik no", "nomor ktp", "nik",
    "id_number", "national_id", "nationalid", "identity_number", "personal_number", "personal_id", "tax_id", "taxid", "passport_no", "passport_number", "passportnumber", "license_no", "licence_no", "insurance_no",
    "身份证号", "身份证号码", "身分證字號", "護照號碼", "护照号", "マイナンバー", "旅券番号", "免許証番号", "주민등록번호", "여권번호", "паспорт", "паспорта", "инн", "снилс", "иин", "егн", "єдрпоу", "рнокпп", "nic", "nin", "bvn", "cnic", "nid", "nrc", "tin", "sin", "oib", "jmbg", "cnp", "egn", "amka", "afm", "bsn", "pesel", "nip", "rut", "run", "cuil", "cuit", "ruc", "ci", "c.i", "ktp", "cccd", "cmnd", "hkid", "nric", "fin", "mykad", "aadhaar", "pan", "ird", "tfn", "nhs number", "nhs no", "nhs", "nino", "ssn", "itin", "ein",
    "kennitala", "cpr-nummer", "cpr", "cpr-nr", "ahv-nr", "ahv-nummer", "avs", "niss", "insz", "rijksregisternummer", "svnr", "matricule", "vat id", "student id", "employee id", "member id", "citizenship no", "family number", "civil id", "philsys", "philsys number", "ohip", "health card", "health card no", "medicare", "medicare no", "mrn", "passeport n°", "passeport no", "reisepass-nr", "reisepassnummer", "führerschein-nr", "número de pasaporte", "nº pasaporte", "numero passaporto", "paspoortnummer", "passnummer", "útlevélszám", "číslo pasu", "numer paszportu", "pasaport no", "номер паспорта", "αριθμός διαβατηρίου", "kennzeichen",
    "adószám", "tajszám", "taj", "osobní identifikační číslo", "číslo op", "matični broj", "osobni identifikacijski broj", "emšo", "davčna številka", "davčna št", "ügyfélszám", "αφμ", "αμκα", "αδτ", "ת.ז", "מספר זהות", "תעודת זהות", "الرقم القومي", "رقم الجواز", "رقم الإقامة", "आधार", "पैन", "เลขประจำตัวประชาชน", "căn cước", "chứng minh nhân dân", "رقم الهوية", "הזהות",
];
/// What calls it an account, a card or a way to a bank.
#[rustfmt::skip]
const ACCOUNT: &[&str] = &[
    "iban", "account number", "account no", "account nr", "acct no", "acct number", "acct", "bank account", "bank account no", "bank account number", "account_number", "accountnumber", "account_no", "beneficiary account", "credit account", "debit account", "to account", "from account", "kontonummer", "konto-nr", "kontonr", "kto-nr",
    "kto", "a/c no", "a/c", "a/c number", "ac no", "acc", "acc no", "checking account", "savings account", "current account", "numer rachunku", "nr rachunku", "nr konta", "rachunek", "broj računa", "račun", "compte n°", "nº de conta", "no rekening", "no. rekening", "nomor rekening", "hesap no", "hesap numarası", "số tài khoản", "số tk", "เลขที่บัญชี", "bankszámlaszám", "αριθμός λογαριασμού", "номер счета", "рахунок", "kontonr.", "kontonúmer", "arvelduskonto", "rekening", "rekeningnummer", "numéro de compte", "n° de compte", "compte", "número de cuenta", "nº de cuenta", "cuenta", "conto corrente", "numero di conto", "número da conta", "conta", "numer konta", "číslo účtu", "számlaszám", "tilinumero", "kontonummer", "bankgiro", "plusgiro", "bank code", "branch code",
    "routing number", "routing no", "routing", "aba", "transit number", "sort code", "bsb", "ifsc", "clabe", "cbu", "cvu", "swift", "swift code", "bic", "swift/bic", "bic/swift", "blz", "bankleitzahl", "card number", "card no", "card_number", "cardnumber", "pan", "kartennummer", "numéro de carte", "número de tarjeta", "número do cartão", "口座番号", "账号", "银行账号", "帳號", "계좌번호", "счёт", "счет", "р/с", "к/с", "бик",
];

/// The number at `at`, by the words directly before it.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<Found> {
    let label = before(bytes, at)?;
    let rest = bytes.get(at..bytes.len().min(at + 48))?;
    let (mut len, mut digits, mut letters, mut marks, mut groups) = (0, 0, 0, 0, 1);
    for (place, byte) in rest.iter().copied().enumerate() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'A'..=b'Z' => letters += 1,
            b' ' | b'-' | b'.' | b'/'
                if len == place && rest.get(place + 1).is_some_and(|next| next.is_ascii_digit() || next.is_ascii_uppercase()) =>
            {
                // Behind a blank a word may start; a number goes on with digits.
                let more =
                    rest.get(place + 1..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
                let numbered = more.clone().any(u8::is_ascii_digit);
                if byte == b' ' && !(numbered && more.count() <= 6) {
                    break;
                }
                marks += 1;
                groups += 1;
                continue;
            }
            _ => break,
        }
        len = place + 1;
    }
    let goes_on = rest.get(len).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'@') || *byte >= 0x80)
        || matches!(rest.get(len), Some(b'-' | b'/' | b'.')) && rest.get(len + 1).is_some_and(u8::is_ascii_alphanumeric);
    let parted = groups >= 2 && digits >= 6;
    if goes_on
        || digits < 6
        || !(if parted { 6 } else { 7 }..=34).contains(&(digits + letters))
        || letters > digits
        || groups > 9
        || marks > 8
    {
        return None;
    }
    let mut seen = [false; 10];
    for byte in rest.iter().take(len).filter(|byte| byte.is_ascii_digit()) {
        if let Some(slot) = seen.get_mut(usize::from(byte - b'0')) {
            *slot = true;
        }
    }
    if seen.iter().filter(|seen| **seen).count() < 2 {
        return None;
    }
    let span = Span::new(at, at + len);
    if leads(label, IDENTITY) {
        Some(Found::pii("identity-number", span, 0.75))
    } else if leads(label, ACCOUNT) {
        Some(Found::financial("account-number", span, 0.75))
    } else {
        None
    }
}

/// What stands directly before `at`, a colon, a quote or the like between them, when it may be one of the words.
fn before(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let near = bytes.get(at.saturating_sub(64)..at)?;
    let gap = near
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b':' | b'=' | b'"' | b'\'' | b'#' | b'.' | b'*' | b'|' | b'\t' | b'>'))
        .count();
    if gap == 0 || gap > 8 {
        return None;
    }
    let near = near.get(..near.len() - gap)?;
    // A member `value` or `number` behind the one that says what it is: `"label": "NIE", "value": "…"`.
    let member = [b"value".as_slice(), b"number", b"no", b"nr"].iter().find_map(|word| near.strip_suffix(*word));
    let near = member.map_or(near, |rest| {
        let bare = rest.iter().rposition(|byte| !b" ,\"':".contains(byte)).map_or(0, |at| at + 1);
        if rest.len() > bare + 1 { rest.get(..bare).unwrap_or_default() } else { near }
    });
    let near = near.strip_suffix(b" is").or_else(|| near.strip_suffix("：".as_bytes())).unwrap_or(near);
    let [.., first, second] = *near else { return None };
    ENDS[ending(first, second)].then_some(near)
}

/// Whether it ends with one of `words`.
fn leads(near: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| {
        let Some(start) = near.len().checked_sub(word.len()) else { return false };
        let before = start.checked_sub(1).and_then(|at| near.get(at)).copied().unwrap_or(b' ');
        near.get(start..).is_some_and(|end| same(end, word)) && !before.is_ascii_alphanumeric()
    })
}

/// With which two bytes the words end.
const ENDS: [bool; 1 << 10] = {
    let mut table = [false; 1 << 10];
    let (mut list, mut at) = (IDENTITY, 0);
    loop {
        if at == list.len() {
            if list.len() == ACCOUNT.len() {
                break table;
            }
            (list, at) = (ACCOUNT, 0);
        }
        let word = list[at].as_bytes();
        table[ending(word[word.len() - 2], word[word.len() - 1])] = true;
        at += 1;
    }
};

/// Where two last bytes stand in the table; all letters beyond ASCII share a place, whatever their case.
const fn ending(first: u8, second: u8) -> usize {
    if second >= 0x80 {
        return 0;
    }
    (first.to_ascii_lowercase() as usize * 37 + second.to_ascii_lowercase() as usize) % (1 << 10)
}

/// Whether `text` is `word`, which is in lower case, whatever its own case.
fn same(text: &[u8], word: &str) -> bool {
    if word.is_ascii() {
        return text.eq_ignore_ascii_case(word.as_bytes());
    }
    std::str::from_utf8(text).is_ok_and(|text| text.chars().flat_map(char::to_lowercase).eq(word.chars()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_its_name_is_found() {
        for (text, value) in [
            ("National ID: 4412-889-17X", "4412-889-17X"),
            ("kontonummer = 1234 5678 901", "1234 5678 901"),
            ("ΑΦΜ: 047517955", "047517955"),
            ("{\"label\": \"NIE\", \"value\": \"X5688180G\"}", "X5688180G"),
            ("\"passport_no\": \"XR8812345\"", "XR8812345"),
        ] {
            let at = text.find(value).unwrap();
            assert_eq!(number(text.as_bytes(), at).map(|found| &text[found.span.start..found.span.end]), Some(value), "{text}");
        }
        for (text, value) in [("build number 20260102", "20260102"), ("account opened 20260102", "20260102"), ("id no: 42", "42")] {
            assert!(number(text.as_bytes(), text.find(value).unwrap()).is_none(), "{text}");
        }
    }
}
