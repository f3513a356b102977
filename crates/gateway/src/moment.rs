//! From where, as what and when a message comes: what a decision reads of it beside who, what and where to.

use parking_lot::Mutex;
use policy::{Circumstances, Situation, Transport};
use std::net::IpAddr;
use std::sync::Arc;
use terms::Utc;

/// The longest name of a client that is kept, in characters; a longer one is no name.
const LONGEST: usize = 256;

/// The circumstances of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What the client calls itself: a claim.
    pub client: Option<Arc<str>>,
    /// Its address, where it came over HTTP.
    pub address: Option<IpAddr>,
    /// How it came in.
    pub transport: Option<Transport>,
    /// When.
    pub at: Option<Utc>,
    /// How many calls its session has made, this one included.
    pub depth: u64,
}

impl Moment {
    /// Of which nothing is known.
    pub const UNKNOWN: Self = Self { client: None, address: None, transport: None, at: None, depth: 0 };

    /// The name of a client as it may be compared and recorded.
    pub fn client(name: &str) -> Option<Arc<str>> {
        let fits = !name.is_empty() && name.chars().count() <= LONGEST && !name.chars().any(char::is_control);
        fits.then(|| name.into())
    }

    /// The same as a decision reads it.
    pub fn situation(&self) -> Situation<'_> {
        Situation::Is(Circumstances {
            client: self.client.as_deref(),
            address: self.address,
            transport: self.transport,
            at: self.at,
            depth: Some(self.depth),
        })
    }
}

/// The circumstances of the newest message of a session: of what is asked for no message, such as what changed in its lists.
#[derive(Debug)]
pub struct Newest(Mutex<Arc<Moment>>);

impl Default for Newest {
    fn default() -> Self {
        Self(Mutex::new(Arc::new(Moment::UNKNOWN)))
    }
}

impl Newest {
    /// It is this one now.
    pub fn put(&self, moment: &Arc<Moment>) {
        *self.0.lock() = Arc::clone(moment);
    }

    /// Which it is.
    pub fn get(&self) -> Arc<Moment> {
        Arc::clone(&self.0.lock())
    }
}
