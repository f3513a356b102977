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
