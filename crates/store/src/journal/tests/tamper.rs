//! Whatever is changed is found.

use super::*;

/// A small generator with a set seed, so that a failure can be seen again.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) fn roll(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }
}

#[test]
fn every_single_byte_counts() {
    let folder = written(600);
    let mut dice = Dice::new(0x5EED);
    let all = files(folder.path());
    let mut tried = 0;
    for round in 0..700_usize {
        let path = folder.path().join(&all[round % all.len()]);
        let bytes = std::fs::read(&path).unwrap();
        let at = dice.roll(bytes.len());
        let mut changed = bytes.clone();
        changed[at] ^= u8::try_from(1 + dice.roll(255)).unwrap();
        std::fs::write(&path, &changed).unwrap();
        assert!(!verify(folder.path()).ok, "{} at {at}", path.display());
        std::fs::write(&path, &bytes).unwrap();
        tried += 1;
    }
    assert!(tried >= 600);
    whole(folder.path(), 600);
}

#[test]
fn every_byte_of_the_small_files_and_of_the_last_frames_counts() {
    let folder = written(2);
    for name in ["log.pub", "checkpoint", "segment/0000000000"] {
        let path = folder.path().join(name);
        let bytes = std::fs::read(&path).unwrap();
        let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 8;
        let from = if bytes.len() > audit::segment::HEADER { audit::segment::HEADER } else { 0 };
        for at in from..end.min(bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert!(!verify(folder.path()).ok, "{name} at {at}");
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    whole(folder.path(), 2);
}

#[test]
fn every_change_of_files_is_found() {
    let folder = written(600);
    let all = files(folder.path());
    assert!(all.len() > 6, "{all:?}");
    let changed = |what: &str, change: &dyn Fn(&Path)| {
        let around = tempfile::tempdir().unwrap();
        let copied = around.path().join("log");
        std::fs::create_dir(&copied).unwrap();
        copy(folder.path(), &copied);
        whole(&copied, 600);
        change(&copied);
        assert!(!verify(&copied).ok, "{what}");
    };
    for path in &all {
        let name = path.display();
        changed(&format!("{name} removed"), &|root| std::fs::remove_file(root.join(path)).unwrap());
        changed(&format!("{name} emptied"), &|root| std::fs::write(root.join(path), b"").unwrap());
        for part in [1_usize, 2, 3, 8] {
            changed(&format!("{name} cut"), &|root| {
                let bytes = std::fs::read(root.join(path)).unwrap();
                std::fs::write(root.join(path), &bytes[..bytes.len() - bytes.len().div_ceil(part).min(bytes.len())]).unwrap();
            });
        }
        changed(&format!("{name} cut by one"), &|root| {
            let bytes = std::fs::read(root.join(path)).unwrap();
            std::fs::write(root.join(path), &bytes[..bytes.len() - 1]).unwrap();
        });
        for more in [&b"\0"[..], b"\n", b"x"] {
            changed(&format!("{name} extended"), &|root| {
                let bytes = std::fs::read(root.join(path)).unwrap();
                std::fs::write(root.join(path), [&bytes, more].concat()).unwrap();
            });
        }
        changed(&format!("{name} linked"), &|root| {
            let away = root.with_extension("away");
            std::fs::rename(root.join(path), &away).unwrap();
            std::os::unix::fs::symlink(&away, root.join(path)).unwrap();
        });
        changed(&format!("{name} with a second name"), &|root| std::fs::hard_link(root.join(path), root.with_extension("second")).unwrap());
        changed(&format!("{name} copied"), &|root| {
            std::fs::copy(root.join(path), root.join(path).with_extension("copy")).unwrap();
        });
    }
    for (left, right) in all.iter().zip(all.iter().skip(1)) {
        if std::fs::read(folder.path().join(left)).unwrap() == std::fs::read(folder.path().join(right)).unwrap() {
            continue;
        }
        changed(&format!("{} and {} swapped", left.display(), right.display()), &|root| {
            std::fs::rename(root.join(left), root.join("x")).unwrap();
            std::fs::rename(root.join(right), root.join(left)).unwrap();
            std::fs::rename(root.join("x"), root.join(right)).unwrap();
        });
    }
    for name in ["segment/preparing", "checkpoint.new", "x", "tile/0/999", ".hidden", "segment/0000000999"] {
        changed(&format!("{name} added"), &|root| std::fs::write(root.join(name), vec![0; 32 * 1024]).unwrap());
    }
    changed("a folder added", &|root| std::fs::create_dir(root.join("empty")).unwrap());
}

#[test]
fn records_cannot_be_forged_with_good_frames() {
    let folder = written(5);
    let path = folder.path().join(audit::segment::path(0));
    let bytes = std::fs::read(&path).unwrap();
    let mut tail = audit::segment::HEADER;
    let mut forged = bytes[..tail].to_vec();
    while let audit::segment::Step::Frame(frame) = audit::segment::step(&bytes, tail) {
        let body = String::from_utf8(frame.body.to_vec()).unwrap().replace("tool_3", "tool_4");
        audit::segment::put(&mut forged, frame.sort, body.as_bytes());
        tail = frame.next;
    }
    forged.resize(bytes.len(), 0);
    std::fs::write(&path, &forged).unwrap();
    assert!(!verify(folder.path()).ok);
}
