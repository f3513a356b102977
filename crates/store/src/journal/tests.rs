//! The log under crashes, failures, tampering and many writers.

mod archive;
mod fault;
mod search;
mod tamper;
mod verifier;

use super::*;
use audit::record::{Kind, Object, Record};
use audit::{Folder, read};
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;
use terms::{CallId, RecordId, Secret};

struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn utc(&self) -> Utc {
        Utc::from_seconds(1_800_000_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn instant(&self) -> terms::Instant {
        terms::Instant::from_nanos(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait(ticket: Ticket) -> Result<audit::Position, Unavailable> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut ticket = pin!(ticket);
    loop {
        match ticket.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn key() -> LogKey {
    LogKey::from_seed("bastide/test", Secret::new([7; 32])).unwrap()
}

fn options() -> Options {
    Options {
        segment_bytes: 32 * 1024,
        checkpoint_every: Duration::from_millis(20),
        retry: Duration::from_millis(20),
        ..Options::new(Arc::new(Ticking(AtomicU64::new(0))))
    }
}

fn record(number: u64) -> Vec<u8> {
    let tool = format!("tool_{number}");
    let mut record = Record::new(
        RecordId::from_bits(number),
        Kind::Intent,
        Utc::from_seconds(1_700_000_000 + number),
        terms::Instant::from_nanos(number),
    );
    record.request = Some(CallId::from_bits((number / 2) << 40));
    record.tool = Some(&tool);
    record.arguments = Some(Object::new(br#"{"path":"/home/ana/work/notes.txt","content":"hello"}"#).unwrap());
    record.encode()
}

/// A closed log of `count` records.
fn written(count: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(folder.path(), key(), &options()).unwrap();
    let tickets: Vec<Ticket> = (0..count).map(|number| journal.append(record(number))).collect();
    for (number, ticket) in (0..).zip(tickets) {
        assert_eq!(wait(ticket).unwrap().index, number);
    }
    journal.close().unwrap();
    folder
}

fn verify(path: &Path) -> audit::Report {
    audit::verify(&LogFolder::new(path), &audit::verify::Against::default())
}

fn whole(path: &Path, records: u64) {
    let report = verify(path);
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!(report.records, records);
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let from = Instant::now();
    while !holds() {
        assert!(from.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_written_is_read_and_verified() {
    let folder = written(700);
    let report = verify(folder.path());
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!(report.checkpoint.as_ref().map(|point| point.size), Some(700));
    let json = serde_json::to_value(&report).unwrap();
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert_eq!(json["key_from"], "folder");

    let mut seen = Vec::new();
    let log = LogFolder::new(folder.path());
    read::records(&log, &read::Query::default(), |entry| {
        assert_eq!(entry.body, record(entry.index));
        seen.push(entry.index);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(seen, (0..700).collect::<Vec<_>>());
}

#[test]
fn an_empty_log_and_a_reopened_one_are_whole() {
    let folder = written(0);
    whole(folder.path(), 0);
    for round in 1..4_u64 {
        let (journal, recovery) = FileJournal::open(folder.path(), key(), &options()).unwrap();
        assert_eq!((recovery.records, recovery.torn_bytes, recovery.clean), ((round - 1) * 300, 0, true));
        for number in 0..300 {
            wait(journal.append(record(number))).unwrap();
        }
        whole(folder.path(), round * 300);
        journal.close().unwrap();
        whole(folder.path(), round * 300);
    }
}

#[test]
fn a_second_writer_and_another_key_are_refused() {
    let folder = written(3);
    let (journal, _) = FileJournal::open(folder.path(), key(), &options()).unwrap();
    assert!(matches!(FileJournal::open(folder.path(), key(), &options()), Err(Error::Locked)));
    journal.close().unwrap();
    drop(journal);
    let other = LogKey::from_seed("bastide/test", Secret::new([8; 32])).unwrap();
    assert!(matches!(FileJournal::open(folder.path(), other, &options()), Err(Error::OtherKey)));
}

#[test]
fn many_threads_write_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = FileJournal::open(folder.path(), key(), &options()).unwrap();
    let mut indexes: Vec<u64> = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..8_u64)
            .map(|hand| {
                let journal = &journal;
                scope.spawn(move || {
                    (0..100).map(|number| wait(journal.append(record(hand * 1000 + number))).unwrap().index).collect::<Vec<_>>()
                })
            })
            .collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    });
    indexes.sort_unstable();
    assert_eq!(indexes, (0..800).collect::<Vec<_>>());
    whole(folder.path(), 800);
    journal.close().unwrap();
    whole(folder.path(), 800);
    assert_eq!(journal.append(record(1)).peek(), Some(Err(Unavailable::Closed)));
}

#[test]
fn bounds_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Options { queue_bytes: 100, ..options() };
    let (journal, _) = FileJournal::open(folder.path(), key(), &bounds).unwrap();
    assert_eq!(journal.append(record(1)).peek(), Some(Err(Unavailable::Full)));
    assert_eq!(journal.append(Vec::new()).peek(), Some(Err(Unavailable::Size)));
    drop(journal);
    let (journal, _) = FileJournal::open(folder.path(), key(), &options()).unwrap();
    let long = "x".repeat(40_000);
    let mut large = Record::new(RecordId::from_bits(1), Kind::Event, Utc::from_seconds(1), terms::Instant::from_nanos(1));
    large.event = Some(&long);
    assert_eq!(wait(journal.append(large.encode())), Err(Unavailable::Size));
    assert_eq!(wait(journal.append(b"{}".to_vec())), Err(Unavailable::Size));
}

#[test]
fn proofs_and_bundles_hold_and_notice_changes() {
    let folder = written(600);
    let log = LogFolder::new(folder.path());
    let reference = read::Reference::new(&CallId::from_bits(77 << 40).to_string()).unwrap();
    let proof = audit::bundle::prove(&log, &reference).unwrap();
    assert_eq!(proof.records.iter().map(|one| one.index).collect::<Vec<_>>(), [154, 155]);
    assert!(read::Reference::new("C-12").is_err());

    let mut text = String::new();
    let query = read::Query { reference: Some(reference), ..read::Query::default() };
    audit::bundle::pack(&log, &query, |line| text += &format!("{line}\n")).unwrap();
    assert_eq!(audit::bundle::verify(&text, Some(key().verifier())).unwrap().entries.len(), 2);
    assert!(audit::bundle::verify(&text.replace("tool_154", "tool_155"), None).is_err());
    let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    assert!(audit::bundle::verify(&cut, None).is_err());
}

#[test]
fn an_outside_checkpoint_and_key_are_met() {
    let folder = written(300);
    let log = LogFolder::new(folder.path());
    let early = read::checkpoint(&log).unwrap();
    let (journal, _) = FileJournal::open(folder.path(), key(), &options()).unwrap();
    for number in 300..400 {
        wait(journal.append(record(number))).unwrap();
    }
    journal.close().unwrap();
    let against = |checkpoint: &str, key: LogKey| audit::verify::Against {
        key: Some(key.verifier().clone()),
        checkpoint: Some(checkpoint.to_owned()),
    };
    assert!(audit::verify(&log, &against(&early, key())).ok);
    let other = written(301);
    let foreign = read::checkpoint(&LogFolder::new(other.path())).unwrap();
    assert!(audit::verify(&log, &against(&foreign, key())).ok, "both hold the same records so far");
    let longer = read::checkpoint(&LogFolder::new(written(500).path())).unwrap();
    assert!(!audit::verify(&log, &against(&longer, key())).ok);
    let stranger = LogKey::from_seed("bastide/test", Secret::new([9; 32])).unwrap();
    assert!(!audit::verify(&log, &against(&early, stranger)).ok);
}

/// Every regular file below `root`, relative.
fn files(root: &Path) -> Vec<PathBuf> {
    let nodes = LogFolder::new(root).walk().unwrap();
    let mut files: Vec<PathBuf> =
        nodes.into_iter().filter(|node| matches!(node.sort, audit::Sort::File { .. })).map(|node| PathBuf::from(node.path)).collect();
    files.sort();
    files
}

/// Copies what is in `from`, which a running log may write and rename meanwhile.
fn copy(from: &Path, to: &Path) {
    while let Err(error) = files(from).iter().try_for_each(|path| {
        std::fs::create_dir_all(to.join(path).parent().unwrap())?;
        std::fs::copy(from.join(path), to.join(path)).map(drop)
    }) {
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        std::fs::remove_dir_all(to).unwrap();
        std::fs::create_dir(to).unwrap();
    }
}
