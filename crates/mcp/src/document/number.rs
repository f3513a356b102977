//! Whether a double carries a number exactly, which an approval demands of every number it covers.

use super::{Kind, Node};

/// The largest integer below which every integer is a double: 2^53 - 1.
const SAFE: u64 = (1 << 53) - 1;

impl Node<'_> {
    /// Whether every number in this value reads the same after a trip through a double.
    ///
    /// An integer must be within ±(2^53 − 1); a fraction or power must have the digits that its double prints in its shortest form.
    pub fn numbers_exact(self) -> bool {
        (self.index()..self.after())
            .map(|at| self.sibling(at))
            .filter(|node| node.kind() == Kind::Number)
            .all(|node| node.number().is_some_and(exact))
    }

    /// Whether it is a number, `text` is one as JSON spells it, and both are the same one: `42` is `42.0`, at any size.
    pub fn is_number(self, text: &str) -> bool {
        let negative = |text: &str, digits: &str| text.starts_with('-') && !digits.is_empty();
        let (Some(own), true) = (self.number(), is_json(text)) else { return false };
        match (digits(own), digits(text)) {
            (Some(one), Some(other)) => one == other && negative(own, &one.0) == negative(text, &other.0),
            _ => false,
        }
    }
}

/// Whether it has the form of a number of RFC 8259 §6.
fn is_json(text: &str) -> bool {
    let (mantissa, power) = text.split_once(['e', 'E']).map_or((text, None), |(mantissa, power)| (mantissa, Some(power)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && power.is_none_or(|power| digits(power.strip_prefix(['+', '-']).unwrap_or(power)))
}

fn exact(text: &str) -> bool {
    if let Ok(integer) = text.parse::<i64>() {
        return integer.unsigned_abs() <= SAFE;
    }
    let Ok(double) = text.parse::<f64>() else { return false };
    let spelled = digits(text);
    spelled.is_some() && spelled == digits(&format!("{double:e}"))
}

/// The significant digits of a number and the power of ten of the last one.
fn digits(text: &str) -> Option<(String, i64)> {
    let text = text.trim_start_matches('-');
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let dropped = all.len() - all.trim_end_matches('0').len();
    let power = power.parse::<i64>().ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(i64::try_from(dropped).ok()?)?;
    Some((significant.to_owned(), power))
}

#[cfg(test)]
mod tests {
    use super::exact;

    #[test]
    fn numbers_that_a_double_changes_are_not_exact() {
        for good in ["0", "-0", "0.10", "1.5e3", "9007199254740991", "1e22", "100.00", "0.30000000000000004", "0e5"] {
            assert!(exact(good), "{good}");
        }
        for bad in
            ["9007199254740992", "-9007199254740993", "0.1000000000000000055", "123456789012345678901", "1e-400", "9007199254740993.0"]
        {
            assert!(!exact(bad), "{bad}");
        }
    }
}
