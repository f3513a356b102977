//! Records with their proofs, to hand out: one line a record, verifiable with nothing but the log's key.

use crate::checkpoint::Checkpoint;
use crate::note::VerifierKey;
use crate::read::{self, Entry, Folder, Hashes, Query, Reference};
use crate::tree::{Hash, leaf};
use crate::{Error, proof};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// The first line of a bundle.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct First {
    bundle: u32,
    key: String,
    checkpoint: String,
    records: u64,
}

/// One record and the proof that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// Its index.
    pub index: u64,
    /// The leaf, byte for byte.
    pub leaf: String,
    /// The audit path, base64, from the leaf upwards.
    pub proof: Vec<String>,
}

/// What [`prove`] answers: everything that a check needs.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// The records with their audit paths.
    pub records: Vec<Proven>,
    /// The checkpoint that they lead to.
    pub checkpoint: String,
    /// The log's key.
    pub key: String,
}

fn head(folder: &dyn Folder) -> Result<(String, VerifierKey, Checkpoint), Error> {
    let note = read::checkpoint(folder)?;
    let text = String::from_utf8(read::file(folder, read::KEY)?).map_err(|_| Error::Key("it is not text"))?;
    let key = VerifierKey::parse(&text)?;
    let point = Checkpoint::open(&note, &key)?;
    Ok((note, key, point))
}

fn proven(hashes: &mut Hashes<'_>, entry: Entry, size: u64) -> Result<Proven, Error> {
    let path = proof::inclusion(hashes, entry.index, size)?;
    let leaf = String::from_utf8(entry.body).map_err(|_| Error::NotAnObject)?;
    Ok(Proven { index: entry.index, leaf, proof: path.iter().map(|hash| STANDARD.encode(hash)).collect() })
}

fn collect(folder: &dyn Folder, query: &Query, size: u64) -> Result<Vec<Entry>, Error> {
    let mut found = Vec::new();
    read::records(folder, query, |entry| {
        if entry.index >= size {
            return ControlFlow::Break(());
        }
        found.push(entry);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The records of a call or the one record that `reference` names, with proofs under the last checkpoint.
///
/// # Errors
/// [`Error::Absent`] when none is covered by the checkpoint; else those of reading.
pub fn prove(folder: &dyn Folder, reference: &Reference) -> Result<Proof, Error> {
    let (note, key, point) = head(folder)?;
    let query = Query { reference: Some(reference.clone()), ..Query::default() };
    let mut hashes = Hashes::new(folder, point.size);
    let found = read::find(folder, &query)?.into_iter().filter(|entry| entry.index < point.size);
    let records: Vec<Proven> = found.map(|entry| proven(&mut hashes, entry, point.size)).collect::<Result<_, _>>()?;
    if records.is_empty() { Err(Error::Absent) } else { Ok(Proof { records, checkpoint: note, key: key.line() }) }
}

/// Packs what `query` asks for and the last checkpoint covers, line by line, into `each`.
///
/// # Errors
/// Those of reading.
pub fn pack(folder: &dyn Folder, query: &Query, mut each: impl FnMut(&str)) -> Result<u64, Error> {
    let (checkpoint, key, point) = head(folder)?;
    let entries = collect(folder, query, point.size)?;
    let records = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let line = |value: serde_json::Result<String>| value.map_err(|_| Error::NotAnObject);
    each(&line(serde_json::to_string(&First { bundle: 1, key: key.line(), checkpoint, records }))?);
    let mut hashes = Hashes::new(folder, point.size);
    for entry in entries {
        each(&line(serde_json::to_string(&proven(&mut hashes, entry, point.size)?))?);
    }
    Ok(records)
}

/// What a good bundle holds.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The records.
    pub entries: Vec<Entry>,
}

/// Verifies a bundle: every line, and that there are as many as the first says. Without `key` the bundle's own is used.
///
/// # Errors
/// [`Error::Bundle`], [`Error::Key`], [`Error::Note`].
pub fn verify(text: &str, key: Option<&VerifierKey>) -> Result<Unpacked, Error> {
    let mut lines = (1..).zip(text.lines());
    let bad = |line, what| Error::Bundle { line, what };
    let first: First = lines.next().and_then(|(_, line)| serde_json::from_str(line).ok()).ok_or(bad(1, "it is no bundle's first"))?;
    let own = VerifierKey::parse(&first.key)?;
    if first.bundle != 1 {
        return Err(bad(1, "its version is unknown"));
    }
    if key.is_some_and(|key| *key != own) {
        return Err(bad(1, "its key is another"));
    }
    let checkpoint = Checkpoint::open(&first.checkpoint, &own)?;
    let mut entries: Vec<Entry> = Vec::new();
    for (at, line) in lines {
        let one: Proven = serde_json::from_str(line).map_err(|_| bad(at, "it is no record with its proof"))?;
        if entries.last().is_some_and(|last| last.index >= one.index) {
            return Err(bad(at, "it is out of order"));
        }
        let path: Option<Vec<Hash>> = one.proof.iter().map(|hash| STANDARD.decode(hash).ok()?.try_into().ok()).collect();
        let path = path.ok_or(bad(at, "its proof holds no hashes"))?;
        proof::check_inclusion(&leaf(one.leaf.as_bytes()), one.index, checkpoint.size, &path, &checkpoint.root)
            .map_err(|_| bad(at, "its proof does not hold"))?;
        entries.push(Entry { index: one.index, body: one.leaf.into_bytes() });
    }
    if u64::try_from(entries.len()).ok() == Some(first.records) {
        Ok(Unpacked { checkpoint, entries })
    } else {
        Err(bad(1, "records are missing"))
    }
}
