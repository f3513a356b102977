//! Questions read what can answer them, and no more.

use super::*;
use audit::{Live, Node};
use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;

/// A folder that counts the segments that are read whole.
struct Counting(LogFolder, Cell<usize>);

impl Folder for Counting {
    fn walk(&self) -> io::Result<Vec<Node>> {
        self.0.walk()
    }

    fn read(&self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        let part = path.starts_with("segment/") || path.starts_with("archive/");
        self.1.set(self.1.get() + usize::from(part));
        self.0.read(path, most)
    }

    fn start(&self, path: &str, bytes: usize) -> io::Result<Vec<u8>> {
        assert!(bytes < 16 * 1024, "a start is small");
        self.0.start(path, bytes)
    }

    fn live(&self) -> Live {
        self.0.live()
    }
}

/// A clock that stands where it is put.
struct Put(AtomicU64);

impl Clock for Put {
    fn utc(&self) -> Utc {
        Utc::from_seconds(self.0.load(Ordering::SeqCst))
    }

    fn instant(&self) -> terms::Instant {
        terms::Instant::from_nanos(self.0.load(Ordering::SeqCst))
    }
}

/// A log whose records are ten seconds apart, by their time and by that of the checkpoints. The first half of its segments is archived.
fn spread(count: u64) -> (tempfile::TempDir, Counting) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Put(AtomicU64::new(0)));
    let options = Options { clock: clock.clone(), ..options() };
    let (journal, _) = FileJournal::open(folder.path(), key(), &options).unwrap();
    for number in 0..count {
        clock.0.store(1_700_000_000 + 10 * number, Ordering::SeqCst);
        let mut record = Record::new(RecordId::from_bits(number), Kind::Intent, clock.utc(), clock.instant());
        if number % 2 == 1 {
            record.kind = Kind::Outcome;
        }
        record.request = Some(CallId::from_bits((number / 2) << 20));
        wait(journal.append(record.encode())).unwrap();
    }
    let half = archive::retained(&journal, Utc::from_seconds(1_700_000_000 + 5 * count));
    assert!(half.len() >= 4, "{half:?}");
    journal.close().unwrap();
    let log = Counting(LogFolder::new(folder.path()), Cell::new(0));
    (folder, log)
}

fn indexes(entries: &[audit::Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.index).collect()
}

#[test]
fn a_stretch_of_time_reads_the_parts_that_hold_it() {
    const COUNT: u64 = 2400;
    let (_folder, log) = spread(COUNT);
    let parts = read::parts(&log, read::Reach::Archives).unwrap().len();
    assert!(parts > 12, "{parts}");
    let at = |number: u64| Some(Utc::from_seconds(1_700_000_000 + 10 * number));
    for (since, until) in [(2390, 2400), (1200, 1210), (40, 60), (0, 3)] {
        log.1.set(0);
        let query = read::Query { since: at(since), until: at(until), ..read::Query::default() };
        let mut found = Vec::new();
        read::records(&log, &query, |entry| {
            found.push(entry.index);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(found, (since..until).collect::<Vec<_>>());
        assert!(log.1.get() <= 3, "{since}..{until}: {} of {parts} parts", log.1.get());
    }
}

#[test]
fn one_call_is_found_from_the_newest_part_back() {
    const COUNT: u64 = 2400;
    let (_folder, log) = spread(COUNT);
    for (call, most) in [(1199_u64, 3), (1150, 4)] {
        log.1.set(0);
        let reference = read::Reference::new(&CallId::from_bits(call << 20).to_string()).unwrap();
        let query = read::Query { reference: Some(reference), ..read::Query::default() };
        assert_eq!(indexes(&read::find(&log, &query).unwrap()), [2 * call, 2 * call + 1]);
        assert!(log.1.get() <= most, "{} parts for {call}", log.1.get());
    }
    for number in [0, 1, 777, COUNT - 1] {
        let reference = read::Reference::new(&RecordId::from_bits(number).to_string()).unwrap();
        let query = read::Query { reference: Some(reference), ..read::Query::default() };
        assert_eq!(indexes(&read::find(&log, &query).unwrap()), [number]);
    }
}

#[test]
fn the_newest_lines_are_found_from_the_newest_part_back() {
    const COUNT: u64 = 2400;
    let (_folder, log) = spread(COUNT);
    for lines in [1, 5, 20] {
        log.1.set(0);
        let found = read::newest(&log, &read::Query::default(), lines, |_| true).unwrap();
        let joined = audit::show::join(&found);
        assert!(joined.len() >= lines);
        for (line, call) in joined.iter().rev().take(lines).zip((0..COUNT / 2).rev()) {
            assert_eq!(line["request"], CallId::from_bits(call << 20).to_string());
            assert_eq!(line["records"].as_array().unwrap().len(), 2, "{line}");
        }
        assert!(log.1.get() <= 4, "{} parts for {lines}", log.1.get());
    }
}
