//! Old segments become archives, and a crash at any moment loses none.

use super::*;
use audit::archive;
use std::collections::BTreeMap;

/// A time after which `count` records of [`record`] are old.
fn after(count: u64) -> Utc {
    Utc::from_seconds(1_700_000_000 + count)
}

/// An open log of `count` records.
fn open(folder: &Path, count: u64) -> FileJournal {
    let (journal, _) = FileJournal::open(folder, key(), &options()).unwrap();
    for ticket in (0..count).map(|number| journal.append(record(number))).collect::<Vec<_>>() {
        wait(ticket).unwrap();
    }
    journal
}

/// Archives and drops all that is older than `before`; gives the ordinals.
pub(super) fn retained(journal: &FileJournal, before: Utc) -> Vec<u64> {
    let mut gone = Vec::new();
    while let Some(sealed) = journal.seal(before).unwrap() {
        journal.drop_sealed(&sealed).unwrap();
        gone.push(sealed.seal().ordinal);
    }
    gone
}

fn bodies(root: &Path, reach: read::Reach) -> BTreeMap<u64, Vec<u8>> {
    let mut found = BTreeMap::new();
    let query = read::Query { reach, ..read::Query::default() };
    read::records(&LogFolder::new(root), &query, |entry| {
        found.insert(entry.index, entry.body);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    found
}

fn proves(root: &Path, number: u64) -> bool {
    let reference = read::Reference::new(&RecordId::from_bits(number).to_string()).unwrap();
    audit::bundle::prove(&LogFolder::new(root), &reference).is_ok_and(|proof| proof.records.len() == 1)
}

#[test]
fn old_segments_become_archives_and_everything_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let journal = open(root, 900);
    let gone = retained(&journal, after(500));
    assert!(gone.len() >= 2 && gone.iter().copied().eq(0..gone.len() as u64), "{gone:?}");
    wait(journal.append(record(900))).unwrap();
    whole(root, 901);
    journal.close().unwrap();
    whole(root, 901);
    assert_eq!(read::segments(&LogFolder::new(root)).unwrap()[0], gone.len() as u64);
    let kept = bodies(root, read::Reach::Log);
    let first = *kept.keys().next().unwrap();
    assert!(first > 256 && first <= 500, "{first}");
    let all = bodies(root, read::Reach::Archives);
    assert!(all.iter().all(|(index, body)| *body == record(*index)) && all.len() == 901);
    assert!(proves(root, 3) && proves(root, 900));
    let report = verify(root);
    assert_eq!(
        report.archives.iter().map(|one| (one.here, one.records)).fold(0, |sum, (here, more)| sum + if here { more } else { 0 }),
        first
    );

    let away = tempfile::tempdir().unwrap();
    std::fs::rename(root.join(archive::path(1)), away.path().join("1")).unwrap();
    let report = verify(root);
    assert!(report.ok, "{:?}", report.problems);
    let absent: Vec<_> = report.archives.iter().filter(|one| !one.here).map(|one| one.file.as_str()).collect();
    assert_eq!(absent, [archive::path(1)]);
    assert!(proves(root, 3));
    std::fs::rename(away.path().join("1"), root.join(archive::path(1))).unwrap();

    std::fs::remove_dir_all(root.join(archive::FOLDER)).unwrap();
    let report = verify(root);
    assert!(report.ok, "{:?}", report.problems);
    assert!(report.archives.iter().all(|one| !one.here && one.first == 0 && one.records == first) && report.archives.len() == 1);
    assert!(!proves(root, 3) && proves(root, 900));
    let (journal, recovery) = FileJournal::open(root, key(), &options()).unwrap();
    assert_eq!(recovery.records, 901);
    journal.close().unwrap();
    let own = root.join(audit::segment::path(gone.len() as u64));
    std::fs::remove_file(own).unwrap();
    assert!(!verify(root).ok, "a segment that retention did not drop is missed");
}

#[test]
fn any_changed_byte_of_an_archive_is_found_and_so_is_a_foreign_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let journal = open(root, 700);
    assert!(retained(&journal, after(400)).len() >= 2);
    journal.close().unwrap();
    let mut dice = tamper::Dice::new(0xA5C);
    for ordinal in [0, 1] {
        let path = root.join(archive::path(ordinal));
        let bytes = std::fs::read(&path).unwrap();
        for round in 0..300 {
            let mut changed = bytes.clone();
            let at = dice.roll(if round % 3 == 0 { archive::SEAL } else { bytes.len() });
            changed[at] ^= u8::try_from(1 + dice.roll(255)).unwrap();
            std::fs::write(&path, &changed).unwrap();
            assert!(!verify(root).ok, "{ordinal} at {at}");
        }
        for changed in [&bytes[..bytes.len() - 8], &[&bytes[..], b"\0"].concat(), b""] {
            std::fs::write(&path, changed).unwrap();
            assert!(!verify(root).ok);
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    std::fs::copy(root.join(archive::path(0)), root.join(archive::path(1))).unwrap();
    assert!(!verify(root).ok, "an archive in the place of another");
    std::fs::remove_file(root.join(archive::path(1))).unwrap();
    std::fs::write(root.join("archive/note"), b"").unwrap();
    assert!(!verify(root).ok, "a foreign file among the archives");
    std::fs::remove_file(root.join("archive/note")).unwrap();
    assert!(verify(root).ok);

    // Another log of the same key, as after a state that was put back: its archives are sealed well and are not this log's.
    let other = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(other.path(), key(), &options()).unwrap().0;
    for ticket in (1..700).map(|number| journal.append(record(number))).collect::<Vec<_>>() {
        wait(ticket).unwrap();
    }
    retained(&journal, after(400));
    journal.close().unwrap();
    std::fs::copy(other.path().join(archive::path(0)), root.join(archive::path(0))).unwrap();
    assert!(!verify(root).ok, "another log's archive");
}

/// Each state that a crash can leave, one after the other: the next start is whole, and no record is missing.
#[test]
fn a_crash_at_any_moment_of_archiving_loses_nothing() {
    for moment in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let journal = open(root, 700);
        let before = tempfile::tempdir().unwrap();
        copy(root, before.path());
        let sealed = journal.seal(after(400)).unwrap().unwrap();
        let made = root.join(sealed.path());
        let bytes = std::fs::read(&made).unwrap();
        let crashed = tempfile::tempdir().unwrap();
        match moment {
            // The folder alone, a part of the file, all of it without its name.
            0..=2 => {
                copy(before.path(), crashed.path());
                std::fs::create_dir(crashed.path().join(archive::FOLDER)).unwrap();
                let length = [0, bytes.len() / 2, bytes.len()][moment];
                std::fs::write(crashed.path().join(archive::PREPARING), &bytes[..length]).unwrap();
            }
            // Archived, not dropped.
            3 => copy(root, crashed.path()),
            // The checkpoint says that it is dropped; the segment is still there, or not.
            4 | 5 => {
                let own = std::fs::read(root.join(audit::segment::path(0))).unwrap();
                journal.drop_sealed(&sealed).unwrap();
                copy(root, crashed.path());
                if moment == 4 {
                    std::fs::write(crashed.path().join(audit::segment::path(0)), own).unwrap();
                }
            }
            _ => unreachable!(),
        }
        std::fs::set_permissions(crashed.path().join(archive::FOLDER), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        whole(crashed.path(), 700);
        let (again, recovery) = FileJournal::open(crashed.path(), key(), &options()).unwrap();
        assert_eq!(recovery.records, 700, "moment {moment}");
        assert!(!crashed.path().join(archive::PREPARING).exists());
        retained(&again, after(400));
        wait(again.append(record(700))).unwrap();
        again.close().unwrap();
        whole(crashed.path(), 701);
        let all = bodies(crashed.path(), read::Reach::Archives);
        assert!(all.len() == 701 && all.iter().all(|(index, body)| *body == record(*index)), "moment {moment}");
        assert_eq!(std::fs::read(crashed.path().join(sealed.path())).unwrap(), bytes, "moment {moment}");
        journal.close().unwrap();
    }
}

#[test]
fn a_segment_is_not_dropped_that_its_archive_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let journal = open(root, 700);
    let sealed = journal.seal(after(400)).unwrap().unwrap();
    let made = root.join(sealed.path());
    let bytes = std::fs::read(&made).unwrap();
    let there = || root.join(audit::segment::path(0)).exists();
    std::fs::remove_file(&made).unwrap();
    assert!(journal.drop_sealed(&sealed).is_err() && there(), "its archive is gone");
    std::fs::write(&made, &bytes[..bytes.len() - 8]).unwrap();
    assert!(journal.drop_sealed(&sealed).is_err() && there(), "its archive is cut");
    std::fs::write(&made, &bytes).unwrap();
    journal.drop_sealed(&sealed).unwrap();
    assert!(!there());
    journal.close().unwrap();
    assert!(journal.seal(after(700)).unwrap().is_none(), "a closed log");
    whole(root, 700);
}

#[test]
fn a_changed_segment_or_tile_is_evidence_and_stays() {
    for (path, at) in [(audit::segment::path(0), 4200), (audit::tile::path(0, 0), 100)] {
        let folder = tempfile::tempdir().unwrap();
        let journal = open(folder.path(), 700);
        let file = folder.path().join(&path);
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        assert!(matches!(journal.seal(after(700)), Err(Error::Audit(_))), "{path}");
        assert!(!folder.path().join(archive::path(0)).exists());
        journal.close().unwrap();
    }
}

#[test]
fn a_full_volume_keeps_the_segment_and_the_log_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, faults) = fault::faulty(folder.path(), &options());
    for ticket in (0..700).map(|number| journal.append(record(number))).collect::<Vec<_>>() {
        wait(ticket).unwrap();
    }
    faults.keep.store(true, Ordering::SeqCst);
    assert!(matches!(journal.seal(after(400)), Err(Error::Io { .. })));
    wait(journal.append(record(700))).unwrap();
    assert!(journal.state().writable());
    whole(folder.path(), 701);
    faults.keep.store(false, Ordering::SeqCst);
    assert!(!retained(&journal, after(400)).is_empty());
    journal.close().unwrap();
    whole(folder.path(), 701);
}

#[test]
fn archives_are_private_and_go_through_no_link() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let journal = open(root, 700);
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), root.join(archive::FOLDER)).unwrap();
    assert!(matches!(journal.seal(after(400)), Err(Error::Io { .. })), "a link");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    std::fs::remove_file(root.join(archive::FOLDER)).unwrap();
    std::fs::write(root.join(archive::FOLDER), b"").unwrap();
    assert!(matches!(journal.seal(after(400)), Err(Error::Io { .. })), "a file");
    std::fs::remove_file(root.join(archive::FOLDER)).unwrap();
    std::fs::create_dir(root.join(archive::FOLDER)).unwrap();
    std::fs::set_permissions(root.join(archive::FOLDER), PermissionsExt::from_mode(0o755)).unwrap();
    assert!(matches!(journal.seal(after(400)), Err(Error::Io { .. })), "open to others");
    std::fs::remove_dir(root.join(archive::FOLDER)).unwrap();
    let kept = elsewhere.path().join("kept");
    std::fs::write(&kept, b"theirs").unwrap();
    std::fs::create_dir(root.join(archive::FOLDER)).unwrap();
    std::fs::set_permissions(root.join(archive::FOLDER), PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&kept, root.join(archive::PREPARING)).unwrap();
    std::os::unix::fs::symlink(&kept, root.join(archive::path(0))).unwrap();
    retained(&journal, after(400));
    assert_eq!(std::fs::read(&kept).unwrap(), b"theirs");
    let mode = |path: &str| std::fs::symlink_metadata(root.join(path)).unwrap().permissions().mode();
    assert_eq!((mode(archive::FOLDER) & 0o7777, mode(&archive::path(0)), mode("tile/0") & 0o7777), (0o700, 0o100_600, 0o700));
    journal.close().unwrap();
    whole(root, 700);
}

#[test]
fn a_header_that_is_just_being_written_is_waited_for_and_a_broken_one_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let journal = open(root, 900);
    let ordinals = read::segments(&LogFolder::new(root)).unwrap();
    assert!(ordinals.len() >= 4, "{ordinals:?}");
    // The one behind it is prepared, or about to be.
    let begun =
        |at: &u64| std::fs::read(root.join(audit::segment::path(*at))).unwrap()[16..audit::segment::HEADER].iter().any(|byte| *byte != 0);
    let last = *ordinals.iter().rfind(|at| begun(at)).unwrap();
    let newest = root.join(audit::segment::path(last));
    let second = root.join(audit::segment::path(ordinals[1]));
    let half = |path: &Path| {
        let whole = std::fs::read(path).unwrap();
        let mut torn = whole.clone();
        torn[16..audit::segment::HEADER].fill(0);
        std::fs::write(path, torn).unwrap();
        whole
    };
    let header = || {
        let folder = LogFolder::new(root);
        read::frames(&folder, read::Part::segment(last), |_, _| std::ops::ControlFlow::Continue(())).unwrap()
    };
    assert!(header().is_some());
    let whole_newest = half(&newest);
    assert!(header().is_none());
    std::fs::write(&newest, whole_newest).unwrap();

    let whole_second = half(&second);
    assert!(matches!(journal.seal(after(400)), Err(Error::Audit(audit::Error::Damaged { .. }))));
    let torn = read::records(&LogFolder::new(root), &read::Query::default(), |_| std::ops::ControlFlow::Continue(()));
    assert!(matches!(torn, Err(audit::Error::Damaged { .. })));
    std::fs::write(&second, whole_second).unwrap();
    assert!(!retained(&journal, after(400)).is_empty());
    journal.close().unwrap();
    whole(root, 900);
}

#[test]
fn an_archive_waits_for_the_header_behind_its_segment() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut count = 1;
    let mut journal = open(root, count);
    while read::segments(&LogFolder::new(root)).unwrap().len() < 3 {
        wait(journal.append(record(count))).unwrap();
        count += 1;
    }
    let next = root.join(audit::segment::path(1));
    let whole_next = std::fs::read(&next).unwrap();
    let mut torn = whole_next.clone();
    torn[16..audit::segment::HEADER].fill(0);
    std::fs::write(&next, torn).unwrap();
    assert!(journal.seal(after(count)).unwrap().is_none());
    std::fs::write(&next, whole_next).unwrap();
    journal.close().unwrap();
    (journal, _) = FileJournal::open(root, key(), &options()).unwrap();
    journal.close().unwrap();
    whole(root, count);
}

#[test]
fn a_log_that_is_written_and_archived_verifies_at_every_moment() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let journal = open(root, 300);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 300..3000 {
                wait(journal.append(record(number))).unwrap();
            }
            over.store(true, Ordering::SeqCst);
        });
        let keeper = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                retained(&journal, after(2500));
                std::thread::yield_now();
            }
        });
        let mut seen = 0;
        while !over.load(Ordering::SeqCst) {
            let report = verify(root);
            assert!(report.ok, "{:?}", report.problems);
            assert!(report.in_progress.is_some() && report.records >= seen);
            seen = report.checkpoint.unwrap().size;
        }
        writer.join().unwrap();
        keeper.join().unwrap();
    });
    // On a busy machine it may never have had a turn.
    retained(&journal, after(2500));
    journal.close().unwrap();
    whole(root, 3000);
    assert!(read::segments(&LogFolder::new(root)).unwrap()[0] > 5);
}
