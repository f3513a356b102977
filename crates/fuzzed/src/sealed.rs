//! Texts that clients carry for us.

use crate::Input;
use gateway::cursor::{Cursor, Cursors, LIFE};
use gateway::line::Listing;
use gateway::rounds::{self, Asked, Spent, State, States, Upstream, Used};
use std::time::Duration;
use terms::{CallId, Entropy, ServerName, SessionId, Utc};

/// Chance that comes out the same each time.
struct Drawn(std::sync::atomic::AtomicU64);

impl Entropy for Drawn {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, std::sync::atomic::Ordering::Relaxed);
            *byte = (state ^ (state >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9).to_be_bytes()[0];
        }
    }
}

fn drawn(seed: u64) -> Drawn {
    Drawn(seed.into())
}

/// A text with one thing changed in it.
fn altered(text: &str, input: &mut Input<'_>) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = input.below(letters.len());
    match input.below(6) {
        0 => letters.truncate(at),
        1 => letters.insert(at, 'A'),
        2 => drop(letters.remove(at)),
        3 => letters.push('='),
        4 => {
            // The last letter has bits that mean nothing.
            let last = letters.len() - 1;
            letters[last] = input.pick(&['A', 'B', 'Q', 'g', 'w', '_', '-', '9']);
        }
        _ => letters[at] = input.pick(&['A', 'B', 'b', 'z', '0', '9', '-', '_', '+', '/', '=', '\n', 'é']),
    }
    letters.into_iter().collect()
}

pub(crate) fn cursor(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let entropy = drawn(input.bits());
    let (cursors, others) = (Cursors::new(&entropy), Cursors::new(&entropy));
    let now = Utc::from_seconds(1_700_000_000 + input.below(1 << 20) as u64);
    let session = SessionId::from_bits(input.bits());
    let cursor = match input.below(4) {
        0 => Cursor::Pinned { list: Listing::Tools, position: input.below(usize::MAX) },
        1 => Cursor::Pinned { list: Listing::Prompts, position: 0 },
        2 => Cursor::Resources { server: ServerName::new("canary").expect("a name"), own: None },
        _ => Cursor::Resources { server: ServerName::new("canary").expect("a name"), own: Some(input.own(64)) },
    };
    let configuration = input.own(16);
    let text = cursors.seal(&entropy, &cursor, session, &configuration, now).expect("a cursor is sealed");
    let open = |text: &str, session, configuration: &str, now| cursors.open(text, session, configuration, now);
    let within = now.after(Duration::from_secs(input.below(3600) as u64));
    assert_eq!(open(&text, session, &configuration, within), Some(cursor.clone()), "what is sealed opens as it was");
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    let other = SessionId::from_bits(session.bits() ^ (1 << input.below(60)));
    assert_eq!(open(&text, other, &configuration, now), None, "for another session");
    assert_eq!(open(&text, session, &format!("{configuration} "), now), None, "for another configuration");
    assert_eq!(open(&text, session, &configuration, now.after(LIFE)), None, "too old");
    assert_eq!(others.open(&text, session, &configuration, now), None, "of another process");
    let again = cursors.seal(&entropy, &cursor, session, &configuration, now).expect("a cursor is sealed");
    assert_ne!(again, text, "a nonce is used once");
    let changed = altered(&text, &mut input);
    if changed != text {
        assert_eq!(open(&changed, session, &configuration, now), None, "altered");
    }
    let made_up = input.own(200);
    assert_eq!(open(&made_up, session, &configuration, now), None, "made up");
}

pub(crate) fn state(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let entropy = drawn(input.bits());
    let (states, others) = (States::new(&entropy), States::new(&entropy));
    let used = Used::default();
    let now = Utc::from_seconds(1_700_000_000 + input.below(1 << 20) as u64);
    let session = SessionId::from_bits(input.bits());
    let mut about = [0; 32];
    about.iter_mut().for_each(|byte| *byte = input.bits() as u8);
    let asked = (0..input.below(3)).map(|_| Asked { key: input.own(8), theirs: input.own(8), method: "roots/list".to_owned() });
    let asked = asked.collect();
    let upstream = match input.below(4) {
        0 => Upstream::Fresh,
        1 => Upstream::Call(CallId::from_bits(input.bits())),
        2 => Upstream::State(None),
        _ => Upstream::State(Some(input.own(64))),
    };
    let state = State { about, round: input.below(11) as u8, asked, upstream };
    let text = states.seal(&entropy, &state, session, now).expect("a state is sealed");
    let within = now.after(Duration::from_secs(input.below(300) as u64));
    let round = states.open(&text, session, &used, &about, within).expect("what is sealed opens");
    assert_eq!(round.state, state, "as it was");
    let other = SessionId::from_bits(session.bits() ^ (1 << input.below(60)));
    assert!(states.open(&text, other, &used, &about, now).is_none(), "for another session");
    let mut another = about;
    another[input.below(32)] ^= 1 << input.below(8);
    assert!(states.open(&text, session, &used, &another, now).is_none(), "for another request");
    assert!(states.open(&text, session, &used, &about, now.after(rounds::LIFE)).is_none(), "too old");
    assert!(others.open(&text, session, &used, &about, now).is_none(), "of another process");
    let changed = altered(&text, &mut input);
    if changed != text {
        assert!(states.open(&changed, session, &used, &about, now).is_none(), "altered");
    }
    assert!(states.open(&input.own(200), session, &used, &about, now).is_none(), "made up");
    assert_eq!(used.spend(&round, within), Spent::Now);
    assert_eq!(used.spend(&round, within), Spent::Before, "it is good once");
    assert!(states.open(&text, session, &used, &about, within).is_none(), "it is good once");
}
