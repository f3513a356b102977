//! What of the cases is on record: each must have left its own.
//!
//! A refusal has a record with the address that it came from. Those of strangers beyond the first few of a reason are counted, and a sum tells of all in its
//! time under the reference that they were told.

use crate::seen::Seen;
use serde_json::Value;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use terms::Utc;

/// By how much the note of a refusal may be later than its end was seen: a client is answered first.
const LATER: Duration = Duration::from_secs(5);

/// What one run of a case has to have on record.
#[derive(Clone, Debug)]
pub(crate) struct Owed {
    pub(crate) code: &'static str,
    /// Where its connections came from.
    from: HashSet<String>,
    /// The reference that it was told, if it was told one.
    reference: Option<String>,
    began: Utc,
    ended: Utc,
}

impl Owed {
    /// What is owed of `seen`, which began then and came from there.
    pub(crate) fn new(code: &'static str, seen: &Seen, began: SystemTime, from: Vec<SocketAddr>) -> Self {
        let from = from.into_iter().map(|address| address.to_string()).collect();
        Self { code, from, reference: seen.reference.clone(), began: utc(began), ended: utc(SystemTime::now()) }
    }
}

/// The refusals on record.
pub(crate) struct Found {
    single: Vec<Single>,
    sums: Vec<Sum>,
}

struct Single {
    code: String,
    reference: String,
    client: String,
    at: Utc,
}

struct Sum {
    code: String,
    reference: String,
    since: Utc,
    until: Utc,
    left: u64,
}

impl Found {
    pub(crate) fn in_logs(logs: [Vec<Value>; 2]) -> Self {
        let mut found = Self { single: Vec::new(), sums: Vec::new() };
        for record in logs.into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (code, reference) = (text(&record["decision"]["code"]), text(&record["request"]));
            let Some(at) = Utc::parse(&text(&record["time"])).filter(|_| !code.is_empty()) else { continue };
            match record["detail"]["count"].as_u64() {
                None => found.single.push(Single { code, reference, client: text(&record["client"]), at }),
                Some(left) => {
                    let since = Utc::parse(&text(&record["detail"]["since"])).unwrap_or(at);
                    found.sums.push(Sum { code, reference, since, until: at, left });
                }
            }
        }
        found
    }

    /// How many refusals of `code` there are.
    pub(crate) fn count(&self, code: &str) -> u64 {
        let single = self.single.iter().filter(|one| one.code == code).count() as u64;
        single + self.sums.iter().filter(|sum| sum.code == code).map(|sum| sum.left).sum::<u64>()
    }

    /// Whether there is a record of `owed` alone, or a sum has one left for it that nobody has claimed.
    pub(crate) fn claim(&mut self, owed: &Owed) -> bool {
        let own = |one: &Single| {
            let its = owed.from.contains(&one.client) || owed.reference.as_ref() == Some(&one.reference);
            one.code == owed.code && its && one.at >= owed.began
        };
        if self.single.iter().any(own) {
            return true;
        }
        let mut sums = self.sums.iter_mut().filter(|sum| sum.code == owed.code && sum.left > 0);
        let sum = match &owed.reference {
            Some(reference) => sums.find(|sum| sum.reference == *reference),
            None => sums.find(|sum| sum.since <= owed.ended.after(LATER) && sum.until >= owed.began),
        };
        let Some(sum) = sum else { return false };
        sum.left -= 1;
        true
    }
}

fn utc(at: SystemTime) -> Utc {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Utc::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
