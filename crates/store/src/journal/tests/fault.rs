//! Disks that fail, and crashes.

use super::*;
use std::io;
use std::sync::atomic::AtomicBool;

#[derive(Default)]
pub(super) struct Faults {
    write: AtomicBool,
    sync: AtomicBool,
    create: AtomicBool,
    stall: AtomicBool,
    pub(super) keep: AtomicBool,
}

pub(super) struct FaultyDisk(RealDisk, Arc<Faults>);

struct FaultyHandle(Box<dyn Handle>, Arc<Faults>);

fn full(flag: &AtomicBool) -> io::Result<()> {
    if flag.load(Ordering::SeqCst) { Err(io::Error::from_raw_os_error(28)) } else { Ok(()) }
}

impl Handle for FaultyHandle {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        while self.1.stall.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        if let Err(error) = full(&self.1.write) {
            self.0.write_at(&bytes[..bytes.len() / 2], at)?;
            return Err(error);
        }
        self.0.write_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        full(&self.1.sync)?;
        self.0.sync()
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &str) -> io::Result<Box<dyn Handle>> {
        Ok(Box::new(FaultyHandle(self.0.open(path)?, Arc::clone(&self.1))))
    }

    fn zeros(&self, path: &str, bytes: u64) -> io::Result<Box<dyn Handle>> {
        full(&self.1.create)?;
        Ok(Box::new(FaultyHandle(self.0.zeros(path, bytes)?, Arc::clone(&self.1))))
    }

    fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.put(path, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn keep(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        full(&self.1.keep)?;
        self.0.keep(path, bytes)
    }

    fn standing(&self, segments: std::ops::RangeInclusive<u64>) -> io::Result<()> {
        self.0.standing(segments)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.0.sync_names()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn filled(&self) -> io::Result<u64> {
        Ok(10)
    }
}

pub(super) fn faulty(folder: &Path, options: &Options) -> (FileJournal, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let disk = FaultyDisk(RealDisk::open(folder).unwrap(), Arc::clone(&faults));
    (FileJournal::on(Arc::new(disk), folder, key(), options).unwrap().0, faults)
}

fn fails_and_heals(set: impl Fn(&Faults) -> &AtomicBool) {
    let folder = tempfile::tempdir().unwrap();
    let (journal, faults) = faulty(folder.path(), &options());
    wait(journal.append(record(0))).unwrap();
    set(&faults).store(true, Ordering::SeqCst);
    assert_eq!(wait(journal.append(record(1))), Err(Unavailable::Failed));
    assert!(matches!(journal.state(), State::Failed { .. }));
    assert_eq!(wait(journal.append(record(2))), Err(Unavailable::Failed));
    set(&faults).store(false, Ordering::SeqCst);
    until("it heals", || journal.state().writable());
    assert_eq!(wait(journal.append(record(3))).unwrap().index, 1);
    journal.close().unwrap();
    whole(folder.path(), 2);
    let mut bodies = Vec::new();
    read::records(&LogFolder::new(folder.path()), &read::Query::default(), |entry| {
        bodies.push(entry.body);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(bodies, [record(0), record(3)]);
}

#[test]
fn a_failed_flush_makes_nothing_durable() {
    fails_and_heals(|faults| &faults.sync);
}

#[test]
fn a_full_volume_makes_nothing_durable() {
    fails_and_heals(|faults| &faults.write);
}

#[test]
fn without_a_next_segment_acts_still_have_room() {
    let folder = tempfile::tempdir().unwrap();
    // The next segment is tried for seldom, so that it is known to be missing nearly always.
    let (journal, faults) = faulty(folder.path(), &Options { retry: Duration::from_secs(1), ..options() });
    faults.create.store(true, Ordering::SeqCst);
    let mut number = 0;
    while wait(journal.append(record(number))).is_ok() {
        number += 1;
        assert!(number < 1000, "the reserve was never reached");
    }
    wait(journal.append_reserved(record(number))).unwrap();
    assert!(journal.state().writable());
    faults.create.store(false, Ordering::SeqCst);
    until("it takes calls again", || wait(journal.append(record(number + 1))).is_ok());
    journal.close().unwrap();
    whole(folder.path(), number + 2);
}

#[test]
fn a_stalled_writer_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, faults) = faulty(folder.path(), &Options { limit: Duration::from_millis(20), ..options() });
    faults.stall.store(true, Ordering::SeqCst);
    let held = journal.append(record(0));
    until("it refuses", || journal.append(record(1)).peek() == Some(Err(Unavailable::Slow)));
    assert!(matches!(journal.state(), State::Failed { .. }));
    assert_eq!(held.peek(), None);
    faults.stall.store(false, Ordering::SeqCst);
    assert_eq!(wait(held).unwrap().index, 0);
}

/// What a crash leaves: the folder as it stands while the log is open, its last bytes cut or garbled.
#[test]
fn a_crash_loses_nothing_that_was_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) =
        FileJournal::open(folder.path(), key(), &Options { checkpoint_every: Duration::from_secs(3600), ..options() }).unwrap();
    for ticket in (0..310).map(|number| journal.append(record(number))).collect::<Vec<_>>() {
        wait(ticket).unwrap();
    }
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for round in 0..40 {
        let copied = tempfile::tempdir().unwrap();
        copy(folder.path(), copied.path());
        let active = active(copied.path());
        let mut bytes = std::fs::read(&active).unwrap();
        let mut tail = audit::segment::HEADER;
        while let audit::segment::Step::Frame(frame) = audit::segment::step(&bytes, tail) {
            tail = frame.next;
        }
        let mut frame = Vec::new();
        audit::segment::put(&mut frame, audit::segment::Sort::Record, &record(999));
        audit::segment::put(&mut frame, audit::segment::Sort::Record, &record(998));
        let cut = usize::try_from(next()).unwrap_or(1) % (frame.len() / 2 - 8);
        frame.truncate(frame.len() / 2);
        match round % 3 {
            0 => frame.truncate(cut + 1),
            1 => frame[..cut].fill(0),
            _ => frame[cut] ^= 1 + (next() % 255) as u8,
        }
        let torn = frame.iter().any(|byte| *byte != 0);
        bytes[tail..tail + frame.len()].copy_from_slice(&frame);
        std::fs::write(&active, &bytes).unwrap();
        if std::fs::remove_dir_all(copied.path().join("tile")).is_err() {
            assert!(!folder.path().join("tile").exists());
        }
        let (again, recovery) = FileJournal::open(copied.path(), key(), &options()).unwrap();
        assert_eq!(recovery.records, 310, "round {round}");
        assert_eq!(recovery.torn_bytes > 0, torn, "round {round}");
        assert!(!recovery.clean);
        assert_eq!(wait(again.append(record(310))).unwrap().index, 310);
        again.close().unwrap();
        whole(copied.path(), 311);
    }
    journal.close().unwrap();
}

fn active(root: &Path) -> PathBuf {
    let log = LogFolder::new(root);
    let begun = |ordinal: &u64| log.start(&audit::segment::path(*ordinal), 8).unwrap() != [0; 8];
    let ordinal = read::segments(&log).unwrap().into_iter().rev().find(begun).unwrap();
    root.join(audit::segment::path(ordinal))
}

#[test]
fn a_log_that_ends_before_its_checkpoint_is_not_opened() {
    let folder = written(20);
    let path = active(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let audit::segment::Step::Frame(first) = audit::segment::step(&bytes, audit::segment::HEADER) else { panic!("no frame") };
    let next = first.next;
    bytes[next..].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(FileJournal::open(folder.path(), key(), &options()), Err(Error::Audit(_))));
}

/// Whatever of the log gets another name under the writer: nothing is durable until it is back, and what happened is told.
#[test]
fn a_log_or_segment_that_was_renamed_takes_no_records_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("audit");
    let (journal, _) = FileJournal::open(&root, key(), &options()).unwrap();
    let mut number = 0;
    let mut append = |count: u64| {
        let answers = (0..count).map(|more| wait(journal.append(record(number + more))).map(drop)).collect::<Result<Vec<()>, _>>();
        number += if answers.is_ok() { count } else { 0 };
        answers.map(drop)
    };
    append(300).unwrap();
    let current = active(&root);
    let first = root.join(audit::segment::path(0));
    assert_ne!(current, first);
    for (what, from) in [("the log", &root), ("its newest segment", &current), ("its oldest segment", &first)] {
        let away = folder.path().join("away");
        std::fs::rename(from, &away).unwrap();
        if from != &first {
            assert_eq!(append(1), Err(Unavailable::Failed), "{what}");
        }
        until(what, || matches!(journal.state(), State::Failed { .. }));
        if from == &root {
            assert!(!root.exists(), "it made another one");
        }
        std::fs::rename(&away, from).unwrap();
        until("it is back", || journal.state().writable());
        let told = journal.interruptions();
        assert!(told.len() == 1 && told[0].cause.contains("no longer where it was"), "{what}: {told:?}");
        append(1).unwrap();
    }
    // Another file or folder under the name is not the one.
    let away = folder.path().join("away");
    std::fs::rename(&current, &away).unwrap();
    std::fs::copy(&away, &current).unwrap();
    assert_eq!(append(1), Err(Unavailable::Failed));
    std::fs::rename(&away, &current).unwrap();
    until("it is back", || journal.state().writable());
    append(1).unwrap();
    journal.close().unwrap();
    whole(&root, number);
}
