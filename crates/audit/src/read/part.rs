//! The parts that a log's records stand in: segments, and archives of segments that retention took out.

use super::{Folder, Live, file};
use crate::segment::{self, Frame, HEADER, Header, Step};
use crate::{Checkpoint, Error, archive};
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use terms::Utc;

/// Where a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a segment of the log.
    Segment,
    /// In an archive.
    Archive,
}

/// A segment, wherever it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The segment's number.
    pub ordinal: u64,
    /// Where it was when the log was listed.
    pub place: Place,
}

/// How far a question goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Segments alone.
    Log,
    /// Archives too, those that are here.
    #[default]
    Archives,
}

/// A stretch of archives that are not here, in between of what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The first one's number.
    pub from: u64,
    /// The last one's number.
    pub to: u64,
}

impl Part {
    /// Segment `ordinal`, in the log.
    pub const fn segment(ordinal: u64) -> Self {
        Self { ordinal, place: Place::Segment }
    }

    /// Its path in the log's folder.
    pub fn path(self) -> String {
        match self.place {
            Place::Segment => segment::path(self.ordinal),
            Place::Archive => archive::path(self.ordinal),
        }
    }

    /// The segment's bytes, without trailing zeros where it is archived. A segment that was archived since the log was listed is read from there.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn bytes(self, folder: &dyn Folder) -> Result<Vec<u8>, Error> {
        match self.place {
            Place::Archive => file(folder, &self.path()).map(archive::contents),
            Place::Segment => match file(folder, &self.path()) {
                Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    file(folder, &archive::path(self.ordinal)).map(archive::contents)
                }
                read => read,
            },
        }
    }

    /// When it was begun, from its first checkpoint; none where it is not begun or does not say.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn began(self, folder: &dyn Folder) -> Result<Option<Utc>, Error> {
        const FRAME: usize = 4096;
        let before = match self.place {
            Place::Segment => 0,
            Place::Archive => archive::SEAL,
        };
        let path = self.path();
        let bytes = match folder.start(&path, before + HEADER + FRAME) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Read { file: path, source }),
        };
        let Step::Frame(frame) = segment::step(&bytes, before + HEADER) else { return Ok(None) };
        let note = std::str::from_utf8(frame.body).ok().filter(|_| frame.sort == segment::Sort::Checkpoint);
        let text = note.and_then(|note| note.get(..note.rfind("\n\n")? + 1));
        Ok(text.and_then(|text| Checkpoint::read(text).ok()).map(|point| point.time))
    }
}

/// The parts in the folder, oldest first. What is both in the log and in an archive is taken from the log.
///
/// # Errors
/// [`Error::Read`].
pub fn parts(folder: &dyn Folder, reach: Reach) -> Result<Vec<Part>, Error> {
    let names = |name: &str| folder.names(name).map_err(|source| Error::Read { file: name.to_owned(), source });
    let mut found: BTreeMap<u64, Place> = BTreeMap::new();
    for path in names(segment::FOLDER)? {
        found.extend(segment::ordinal(&path).map(|ordinal| (ordinal, Place::Segment)));
    }
    // Listed last: what leaves the log in between is already among them.
    let archives = if reach == Reach::Archives { names(archive::FOLDER)? } else { Vec::new() };
    for ordinal in archives.iter().filter_map(|path| archive::ordinal(path)) {
        found.entry(ordinal).or_insert(Place::Archive);
    }
    Ok(found.into_iter().map(|(ordinal, place)| Part { ordinal, place }).collect())
}

/// The archives that are not here, each stretch with the time up to which their records were written, where that can be told.
///
/// # Errors
/// [`Error::Read`].
pub fn absent(folder: &dyn Folder) -> Result<Vec<(Absent, Option<Utc>)>, Error> {
    let mut expected = 0;
    let mut found = Vec::new();
    for part in parts(folder, Reach::Archives)? {
        if part.ordinal > expected {
            found.push((Absent { from: expected, to: part.ordinal - 1 }, part.began(folder)?));
        }
        expected = part.ordinal.saturating_add(1);
    }
    Ok(found)
}

impl std::fmt::Display for Absent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", archive::path(self.from))?;
        if self.to > self.from { write!(out, " to {}", archive::path(self.to)) } else { Ok(()) }
    }
}

/// Ordinals of the segments in the log, ascending.
///
/// # Errors
/// [`Error::Read`].
pub fn segments(folder: &dyn Folder) -> Result<Vec<u64>, Error> {
    Ok(parts(folder, Reach::Log)?.into_iter().map(|part| part.ordinal).collect())
}

/// Whether segment `ordinal` is the newest one: nothing was written behind it. A running writer may be at its header, which is then there in part.
///
/// # Errors
/// [`Error::Read`].
pub fn is_newest(folder: &dyn Folder, ordinal: u64) -> Result<bool, Error> {
    let path = segment::path(ordinal.saturating_add(1));
    match folder.start(&path, HEADER) {
        Ok(start) => Ok(segment::zeros(&start)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(Error::Read { file: path, source }),
    }
}

/// Hands each frame of `part` with the index of the record that it holds or follows to `each`; gives the header, or `None` for a prepared segment
/// and for one that a running writer just begins.
///
/// # Errors
/// [`Error::Read`], and [`Error::Damaged`] when the header is broken. A broken frame ends the part.
pub fn frames(folder: &dyn Folder, part: Part, mut each: impl FnMut(u64, &Frame<'_>) -> ControlFlow<()>) -> Result<Option<Header>, Error> {
    let bytes = part.bytes(folder)?;
    let Some(header) = Header::decode(&bytes) else {
        let begun = || Ok::<_, Error>(folder.live() == Live::Running && is_newest(folder, part.ordinal)?);
        let prepared = part.place == Place::Segment && (segment::zeros(&bytes) || begun()?);
        return if prepared { Ok(None) } else { Err(Error::Damaged { file: part.path(), what: "its header is broken" }) };
    };
    let (mut at, mut index) = (HEADER, header.before.size());
    while let Step::Frame(frame) = segment::step(&bytes, at) {
        if each(index, &frame).is_break() {
            break;
        }
        index += u64::from(frame.sort == segment::Sort::Record);
        at = frame.next;
    }
    Ok(Some(header))
}
