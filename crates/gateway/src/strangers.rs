//! Refusals of those who did not say who they are. The first few have a record each; the rest are counted, and one record tells of them.
//!
//! Without this, whoever can connect could fill the disk that the evidence of others needs. So is what is refused, to whomever, because there is too much
//! to do: a record of each would be more of it. Whatever else a known principal does is never counted instead of recorded. Control: `audit.calls`.

use crate::gate::Gate;
use crate::trail::{Trail, trouble_of};
use audit::Record;
use audit::record::{Decision, Kind, Object, Outcome, Status, Verdict};
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use terms::{CallId, Clock, Code, Entropy, RecordId, Utc};
use transport::http::SourcePrefix;

/// Refusals of one reason and source that are recorded one by one, between two summaries.
const SINGLE: u32 = 20;
/// Refusals of strangers that are recorded one by one, between two summaries.
const SINGLES: u32 = 200;
/// Pairs of reason and source that are told apart, between two summaries.
const PAIRS: usize = 1024;
/// Sources that a summary names, those with the most refusals.
const NAMED: usize = 32;

/// How a refusal of a stranger gets on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// By itself.
    Alone,
    /// In a summary, which stands under this reference.
    Counted(CallId),
}

/// What was refused to strangers since the last summary.
#[derive(Default)]
pub struct Strangers(Mutex<Window>);

#[derive(Default)]
struct Window {
    singles: u32,
    pairs: HashMap<(Code, SourcePrefix), Pair>,
    sums: HashMap<Code, Sum>,
    /// References of summaries that are not on record yet. Who is counted meanwhile is told the same, so that each that was told leads to a record.
    unrecorded: HashMap<Code, CallId>,
}

#[derive(Default)]
struct Pair {
    alone: u32,
    counted: u64,
}

struct Sum {
    reference: CallId,
    since: Utc,
    count: u64,
}

/// One summary in the making.
struct Summary {
    code: Code,
    sum: Sum,
    sources: Vec<(SourcePrefix, u64)>,
}

impl Strangers {
    /// Notes one refusal. The first ones of a reason and a source are to be recorded by themselves.
    pub(crate) fn note(&self, entropy: &dyn Entropy, clock: &dyn Clock, code: Code, source: SourcePrefix) -> Noted {
        let mut window = self.0.lock();
        let window = &mut *window;
        let known = window.pairs.len() < PAIRS || window.pairs.contains_key(&(code, source));
        let pair = known.then(|| window.pairs.entry((code, source)).or_default());
        if let Some(pair) = pair {
            if pair.alone < SINGLE && window.singles < SINGLES {
                pair.alone += 1;
                window.singles += 1;
                return Noted::Alone;
            }
            pair.counted = pair.counted.saturating_add(1);
        }
        let sum = window.sums.entry(code).or_insert_with(|| {
            let reference = window.unrecorded.get(&code).copied().unwrap_or_else(|| CallId::new(entropy));
            Sum { reference, since: clock.utc(), count: 0 }
        });
        sum.count = sum.count.saturating_add(1);
        Noted::Counted(sum.reference)
    }

    /// Takes what was counted; from here on refusals are recorded one by one again.
    fn take(&self) -> Vec<Summary> {
        let mut locked = self.0.lock();
        let unrecorded = locked.sums.iter().map(|(code, sum)| (*code, sum.reference)).collect();
        let window = std::mem::replace(&mut *locked, Window { unrecorded, ..Window::default() });
        drop(locked);
        let mut sources: HashMap<Code, Vec<(SourcePrefix, u64)>> = HashMap::new();
        for ((code, source), pair) in window.pairs {
            if pair.counted > 0 {
                sources.entry(code).or_default().push((source, pair.counted));
            }
        }
        let summary = |(code, sum)| Summary { code, sum, sources: sources.remove(&code).unwrap_or_default() };
        window.sums.into_iter().map(summary).collect()
    }

    /// The summary of this code is on record: the next has a reference of its own.
    fn recorded(&self, code: Code) {
        self.0.lock().unrecorded.remove(&code);
    }

    /// Puts back what could not be recorded, for the next summary.
    fn put_back(&self, summary: Summary) {
        let mut window = self.0.lock();
        for (source, count) in summary.sources {
            if window.pairs.len() < PAIRS {
                let pair = window.pairs.entry((summary.code, source)).or_default();
                pair.counted = pair.counted.saturating_add(count);
            }
        }
        match window.sums.entry(summary.code) {
            std::collections::hash_map::Entry::Occupied(mut newer) => {
                let newer = newer.get_mut();
                newer.count = newer.count.saturating_add(summary.sum.count);
                newer.since = newer.since.min(summary.sum.since);
            }
            std::collections::hash_map::Entry::Vacant(place) => drop(place.insert(summary.sum)),
        }
    }
}

impl Gate {
    /// Records what was counted of strangers since the last time. To be called now and then, and at the end.
    pub async fn sum_up(&self) {
        for summary in self.strangers.take() {
            match self.keep(summary.record(self)).await {
                Ok(_) => self.strangers.recorded(summary.code),
                Err(cause) => {
                    tracing::warn!(%cause, "refusals of strangers could not be summed up yet");
                    self.strangers.put_back(summary);
                }
            }
        }
    }

    /// Notes a refusal of a stranger that is spoken with beside the line. One that is to be recorded by itself, the caller records.
    pub fn stranger(&self, code: Code, from: IpAddr) -> Noted {
        self.strangers.note(&*self.entropy, &*self.clock, code, SourcePrefix::of(from))
    }
}

impl Trail {
    /// Whom to count this refusal with, where nobody is known to have sent the message, or it was turned away for want of time.
    pub(crate) fn stranger(&self) -> Option<SourcePrefix> {
        match (&self.principal, self.peer, self.code) {
            (None, Some(peer), _) | (Some(_), Some(peer), Some(Code::Overload)) => Some(SourcePrefix::of(peer.ip())),
            (_, None, Some(Code::Overload)) => Some(SourcePrefix::Loopback),
            (Some(_), Some(_), _) | (_, None, _) => None,
        }
    }
}

impl Summary {
    fn record(&self, gate: &Gate) -> Vec<u8> {
        let mut sources: Vec<_> = self.sources.iter().collect();
        sources.sort_by_key(|(source, count)| (Reverse(*count), *source));
        sources.truncate(NAMED);
        let named: u64 = sources.iter().map(|(_, count)| count).sum();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let mut list = Vec::with_capacity(sources.len() * 32 + 2);
        let mut by_source = mcp::json::Object::open(&mut list);
        for (source, count) in sources {
            by_source.int(&source.to_string(), number(*count));
        }
        by_source.close();
        let mut detail = Vec::with_capacity(list.len() + 96);
        let mut object = mcp::json::Object::open(&mut detail);
        object.int("count", number(self.sum.count)).text("since", &self.sum.since.to_string());
        object.raw("sources", &list).int("elsewhere", number(self.sum.count.saturating_sub(named)));
        object.close();
        let mut record = Record::new(RecordId::new(&*gate.entropy), Kind::Decision, gate.clock.utc(), gate.clock.instant());
        record.request = Some(self.sum.reference);
        let (control, code) = (Some(self.code.control()), Some(self.code));
        record.decision = Some(Decision { verdict: Verdict::Refused, policies: &[], control, code });
        record.result = Some(Outcome { status: Status::Refused, size: None, digest: None, label: None });
        if let Some((event, severity, mitre)) = trouble_of(self.code) {
            (record.event, record.severity, record.mitre) = (Some(event), Some(severity), mitre);
        }
        record.detail = Object::new(&detail).ok();
        record.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use terms::Instant;

    struct Host(std::sync::atomic::AtomicU64);
    impl Entropy for Host {
        fn fill(&self, bytes: &mut [u8]) {
            let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            bytes.iter_mut().zip(next.to_le_bytes()).for_each(|(byte, part)| *byte = part);
        }
    }
    impl Clock for Host {
        fn utc(&self) -> Utc {
            Utc::from_seconds(1_800_000_000)
        }
        fn instant(&self) -> Instant {
            Instant::from_nanos(0)
        }
    }

    /// Refuses a stranger until it is counted; the reference that it is told.
    fn counted(strangers: &Strangers, host: &Host) -> CallId {
        let source = SourcePrefix::Loopback;
        for _ in 0..SINGLE {
            assert_eq!(strangers.note(host, host, Code::TokenMissing, source), Noted::Alone);
        }
        match strangers.note(host, host, Code::TokenMissing, source) {
            Noted::Counted(reference) => reference,
            Noted::Alone => panic!("more are recorded one by one than may be"),
        }
    }

    #[test]
    fn every_reference_that_was_told_is_that_of_a_summary() {
        let (strangers, host) = (Strangers::default(), Host(0.into()));
        let first = counted(&strangers, &host);
        let failed = strangers.take();
        // Some are counted while the log does not take it.
        let second = counted(&strangers, &host);
        failed.into_iter().for_each(|summary| strangers.put_back(summary));
        let again = strangers.take();
        assert_eq!(again.iter().map(|summary| summary.sum.count).collect::<Vec<_>>(), [2]);
        for told in [first, second] {
            assert!(again.iter().any(|summary| summary.sum.reference == told), "{told} is nowhere on record");
        }
        again.iter().for_each(|summary| strangers.recorded(summary.code));
        assert_ne!(counted(&strangers, &host), first, "a summary that is on record is closed");
    }
}
