//! Values with units: spans of time, sizes, rates.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span of time, written as a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// `seconds` seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (count, unit) = split(text)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(()),
        };
        count.checked_mul(millis).map(|millis| Self(Duration::from_millis(millis))).ok_or(())
    }
}

/// The largest unit that loses nothing.
impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        let (size, unit) = units.into_iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size)).unwrap_or((1_000, "s"));
        write!(out, "{}{unit}", millis / size)
    }
}

/// A number of bytes, written as a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

impl Size {
    /// `count` times 1,048,576 bytes.
    pub const fn mebibytes(count: u64) -> Self {
        Self(count.saturating_mul(1 << 20))
    }

    /// `count` times 1,024 bytes.
    pub const fn kibibytes(count: u64) -> Self {
        Self(count.saturating_mul(1 << 10))
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (count, unit) = split(text)?;
        let bytes: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(()),
        };
        count.checked_mul(bytes).map(Self).ok_or(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")];
        let (size, unit) = units.into_iter().find(|(size, _)| self.0 > 0 && self.0.is_multiple_of(*size)).unwrap_or((1, "B"));
        write!(out, "{}{unit}", self.0 / size)
    }
}

/// A part of all, written in percent with at most four decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u64);

impl Share {
    /// All of it.
    pub const ALL: Self = Self(1_000_000);

    /// In millionths.
    pub const fn millionths(self) -> u64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (whole, part) = text.strip_suffix('%').map(|number| number.split_once('.').unwrap_or((number, "0"))).ok_or(())?;
        let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole, 3) || !digits(part, 4) {
            return Err(());
        }
        let whole: u64 = whole.parse().map_err(drop)?;
        let part: u64 = format!("{part:0<4}").parse().map_err(drop)?;
        Some(Self(whole * 10_000 + part)).filter(|share| *share <= Self::ALL).ok_or(())
    }
}

/// What a rate is counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// `/s`
    Second,
    /// `/min`
    Minute,
    /// `/h`
    Hour,
    /// `/d`
    Day,
    /// `/session`
    Session,
}

impl Unit {
    const ALL: [(Self, &'static str); 5] =
        [(Self::Second, "s"), (Self::Minute, "min"), (Self::Hour, "h"), (Self::Day, "d"), (Self::Session, "session")];

    /// The word after the stroke.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "d",
            Self::Session => "session",
        }
    }

    /// Its length; `None` for a session.
    pub const fn span(self) -> Option<Duration> {
        match self {
            Self::Second => Some(Duration::from_secs(1)),
            Self::Minute => Some(Duration::from_secs(60)),
            Self::Hour => Some(Duration::from_secs(3_600)),
            Self::Day => Some(Duration::from_secs(86_400)),
            Self::Session => None,
        }
    }
}

/// How often something may happen: `120/min`, `20/session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How often.
    pub count: u64,
    /// In which unit.
    pub per: Unit,
}

/// How many bytes may flow: `50MiB/session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Amount {
    /// How much.
    pub size: Size,
    /// In which unit.
    pub per: Unit,
}

/// One of something, or several that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Several<T>(pub Vec<T>);

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: fmt::Display> fmt::Display for Several<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => out.write_str("none"),
            [first, rest @ ..] => {
                write!(out, "{first}")?;
                rest.iter().try_for_each(|one| write!(out, " and {one}"))
            }
        }
    }
}

impl FromStr for Rate {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (count, per) = per(text)?;
        Ok(Self { count: whole(count)?, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.count, self.per.as_str())
    }
}

impl FromStr for Amount {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (size, per) = per(text)?;
        Ok(Self { size: size.parse()?, per })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.size, self.per.as_str())
    }
}

fn per(text: &str) -> Result<(&str, Unit), ()> {
    let (amount, unit) = text.split_once('/').ok_or(())?;
    let unit = if unit == "day" { "d" } else { unit };
    Unit::ALL.iter().find(|(_, word)| *word == unit).map(|(per, _)| (amount, *per)).ok_or(())
}

fn split(text: &str) -> Result<(u64, &str), ()> {
    let at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or(())?;
    let (count, unit) = text.split_at_checked(at).ok_or(())?;
    Ok((whole(count)?, unit))
}

fn whole(text: &str) -> Result<u64, ()> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    text.parse().map_err(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percent() {
        for (text, millionths) in [("100%", 1_000_000), ("0%", 0), ("5%", 50_000), ("0.25%", 2_500), ("12.5000%", 125_000)] {
            assert_eq!(text.parse::<Share>().map(Share::millionths), Ok(millionths), "{text}");
        }
        for bad in ["", "%", "5", "101%", "100.0001%", "-1%", "1.%", ".5%", "0.00001%", "1e1%", "+5%"] {
            assert_eq!(bad.parse::<Share>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn units_print_what_they_parse() {
        for text in ["30s", "10m", "400d", "250ms", "36h"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["4MiB", "200KiB", "1B", "2GiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for text in ["120/min", "20/session", "5/s", "9/h", "1/d"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("50MiB/session".parse::<Amount>().unwrap().to_string(), "50MiB/session");
    }

    #[test]
    fn what_has_no_unit_or_overflows_is_refused() {
        for bad in ["", "30", "s", "-3s", "1.5s", "3 s", "30S", "18446744073709551615d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        for bad in ["4", "4MB", "4mib", "99999999999999999999B", "99999999999999GiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
        for bad in ["120", "120/week", "/min", "+1/min", "1.5/min"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
