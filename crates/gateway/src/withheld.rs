//! The originals of what was taken out of answers because it tells of the machine behind a server, by the reference that stands in their place.
//!
//! A folder of the state, mode 0700: the key, made on first use, and one file for each call. AES-256-GCM-SIV (RFC 8452), a fresh nonce in front, the
//! reference as associated data: an original is that of its call and of no other. Control: `data.errors`.

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use parking_lot::Mutex;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use terms::{CallId, Entropy};
use zeroize::Zeroizing;

/// Bytes of a nonce, and of the key.
const NONCE: usize = 12;
const KEY: usize = 32;
/// Calls of which originals are kept; the oldest go first.
const CALLS: usize = 4_096;
/// How long they are kept.
const AGE: Duration = Duration::from_secs(30 * 86_400);
/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;
/// How many are kept between two looks for those that are too many.
const OFTEN: usize = 256;

/// The folder in which they are kept.
#[derive(Debug)]
pub struct Withheld {
    folder: PathBuf,
    since: Mutex<usize>,
}

impl Withheld {
    /// In `folder`, which is made when something is kept.
    pub const fn at(folder: PathBuf) -> Self {
        Self { folder, since: Mutex::new(0) }
    }

    /// Keeps the originals of a call, in place of those that were kept of it.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn keep(&self, entropy: &dyn Entropy, reference: CallId, originals: &[String]) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
            Ok(()) | Err(_) => {}
        }
        let cipher = match self.cipher()? {
            Some(cipher) => cipher,
            None => self.first(entropy)?,
        };
        let plain = serde_json::to_vec(originals)?;
        let mut nonce = [0_u8; NONCE];
        entropy.fill(&mut nonce);
        let name = reference.to_string();
        let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: &plain, aad: name.as_bytes() });
        let sealed = sealed.map_err(|_| io::Error::other("it cannot be sealed"))?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.folder.join(&name))?;
        file.write_all(&nonce)?;
        file.write_all(&sealed)?;
        let mut since = self.since.lock();
        *since += 1;
        if *since >= OFTEN {
            *since = 0;
            drop(since);
            self.sweep();
        }
        Ok(())
    }

    /// The originals of a call; none where nothing was kept, or nothing any more.
    ///
    /// # Errors
    /// What cannot be read, or is not what was kept.
    pub fn originals(&self, reference: CallId) -> io::Result<Vec<String>> {
        let name = reference.to_string();
        let Some(bytes) = read(&self.folder.join(&name))? else { return Ok(Vec::new()) };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is not what was kept");
        let cipher = self.cipher()?.ok_or_else(damaged)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>().ok_or_else(damaged)?;
        let plain = cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: name.as_bytes() }).map_err(|_| damaged())?;
        serde_json::from_slice(&plain).map_err(|_| damaged())
    }

    /// Removes what is kept of a call, where something is.
    ///
    /// # Errors
    /// What cannot be removed.
    pub fn forget(&self, reference: CallId) -> io::Result<()> {
        match std::fs::remove_file(self.folder.join(reference.to_string())) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes what is too old, or too much.
    pub fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        let ours = |entry: &std::fs::DirEntry| entry.file_name().to_str().is_some_and(|name| name.parse::<CallId>().is_ok());
        let dated = |entry: std::fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
        let mut all: Vec<(SystemTime, PathBuf)> = entries.flatten().filter(ours).filter_map(dated).collect();
        all.sort();
        let now = SystemTime::now();
        let many = all.len().saturating_sub(CALLS);
        for (at, (made, path)) in all.into_iter().enumerate() {
            let old = now.duration_since(made).is_ok_and(|age| age > AGE);
            if (at < many || old)
                && let Err(cause) = std::fs::remove_file(&path)
            {
                tracing::warn!(%cause, "an original that was kept cannot be removed");
            }
        }
    }

    fn key(&self) -> PathBuf {
        self.folder.join("key")
    }

    fn cipher(&self) -> io::Result<Option<Aes256GcmSiv>> {
        let Some(bytes) = read(&self.key())?.map(Zeroizing::new) else { return Ok(None) };
        let key: [u8; KEY] = bytes.as_slice().try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the key is damaged"))?;
        Ok(Some(Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(key))))
    }

    /// Makes the key. Of two that do so at once one wins, and both use its key.
    fn first(&self, entropy: &dyn Entropy) -> io::Result<Aes256GcmSiv> {
        let mut key = Zeroizing::new([0_u8; KEY]);
        entropy.fill(key.as_mut_slice());
        let mut tail = [0_u8; 8];
        entropy.fill(&mut tail);
        let draft = self.folder.join(format!("key.{}", hex::encode(tail)));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(key.as_slice())?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&draft, self.key());
        std::fs::remove_file(&draft)?;
        match linked {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
            Ok(()) | Err(_) => self.cipher()?.ok_or_else(|| io::Error::other("the key is gone")),
        }
    }
}

/// The bytes of a file of ours; none where it is not there.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Bytes that count up.
    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    #[test]
    fn an_original_is_sealed_and_that_of_its_call() {
        let folder = tempfile::tempdir().unwrap();
        let withheld = Withheld::at(folder.path().join("withheld"));
        let entropy = Counting(AtomicU8::new(7));
        let (one, other) = (CallId::new(&entropy), CallId::new(&entropy));
        assert_eq!(withheld.originals(one).unwrap(), Vec::<String>::new());
        withheld.keep(&entropy, one, &["cannot open /home/jane/x".to_owned()]).unwrap();
        assert_eq!(Withheld::at(folder.path().join("withheld")).originals(one).unwrap(), ["cannot open /home/jane/x"]);
        let path = folder.path().join("withheld").join(one.to_string());
        let bytes = std::fs::read(&path).unwrap();
        assert!(memchr::memmem::find(&bytes, b"jane").is_none());
        std::fs::write(folder.path().join("withheld").join(other.to_string()), &bytes).unwrap();
        assert!(withheld.originals(other).is_err(), "what is another call's does not open");
        let mut torn = bytes;
        torn[20] ^= 1;
        std::fs::write(&path, torn).unwrap();
        assert!(withheld.originals(one).is_err());
        withheld.sweep();
        assert!(path.exists() && folder.path().join("withheld/key").exists());
    }
}
