//! Sessions, seen from outside.
#![allow(clippy::unwrap_used, reason = "a test")]

use identity::Error;
use identity::session::{Bounds, Sessions};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use terms::{Authenticated, Clock, Entropy, Instant, Name, Principal, TokenId, Utc, Workload};

#[derive(Default)]
struct World {
    drawn: AtomicU64,
    seconds: AtomicU64,
}
impl Clock for World {
    fn utc(&self) -> Utc {
        Utc::from_seconds(self.seconds.load(Ordering::Relaxed))
    }
    fn instant(&self) -> Instant {
        Instant::from_nanos(self.seconds.load(Ordering::Relaxed) * 1_000_000_000)
    }
}
impl Entropy for World {
    fn fill(&self, bytes: &mut [u8]) {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = number.to_le_bytes()[at % 8];
        }
    }
}

fn principal(agent: &str, token: u64) -> Principal {
    let authenticated = Authenticated::Token { id: TokenId::from_bits(token) };
    Principal { agent: Name::new(agent).unwrap(), user: None, workload: Workload::Remote, authenticated }
}

fn sessions() -> Sessions<u8> {
    Sessions::new(Bounds { principal: 2, total: 3, idle: Duration::from_secs(10) })
}

#[test]
fn a_handle_is_good_for_its_principal_alone() {
    let (world, sessions) = (World::default(), sessions());
    let (session, handle) = sessions.open(&principal("a", 1), &world, &world, |_| 5).unwrap();
    let handle = handle.reveal();
    assert_eq!(handle.len(), 43);
    assert_eq!(**sessions.find(&principal("a", 1), &handle, &world).unwrap().value(), 5);
    assert!(sessions.find(&principal("b", 1), &handle, &world).is_none());
    assert!(sessions.find(&principal("a", 2), &handle, &world).is_none(), "another token of the same agent");
    for odd in ["", " ", &handle[..42], &format!("{handle}="), &format!("{}_", &handle[..42])] {
        assert!(sessions.find(&principal("a", 1), odd, &world).is_none(), "{odd}");
    }
    assert_eq!(sessions.end(session.id()).unwrap().id(), session.id());
    assert!(sessions.find(&principal("a", 1), &handle, &world).is_none());
}

#[test]
fn runs_are_joined_and_kept_apart() {
    let (world, sessions) = (World::default(), sessions());
    let run = Name::new("run-1").unwrap();
    let join = |run: Option<&Name>| sessions.join(&principal("a", 1), run, &world, &world, |_| 0).unwrap().id();
    let sole = join(None);
    assert_eq!(join(None), sole);
    let named = join(Some(&run));
    assert_ne!(named, sole);
    assert_eq!(join(Some(&run)), named);
}

#[test]
fn bounds_hold_and_idle_sessions_make_room() {
    let (world, sessions) = (World::default(), sessions());
    let open = |agent: &str| sessions.open(&principal(agent, 1), &world, &world, |_| 0);
    open("a").unwrap();
    open("a").unwrap();
    assert!(matches!(open("a"), Err(Error::PrincipalSessions(2))));
    open("b").unwrap();
    assert!(matches!(open("c"), Err(Error::AllSessions(3))));
    world.seconds.store(10, Ordering::Relaxed);
    open("a").unwrap();
    assert_eq!(sessions.len(), 1);
}

#[test]
fn an_idle_session_is_gone_before_it_is_swept() {
    let (world, sessions) = (World::default(), sessions());
    let (_, handle) = sessions.open(&principal("a", 1), &world, &world, |_| 0).unwrap();
    let handle = handle.reveal();
    world.seconds.store(9, Ordering::Relaxed);
    assert!(sessions.find(&principal("a", 1), &handle, &world).is_some());
    world.seconds.store(18, Ordering::Relaxed);
    assert!(sessions.find(&principal("a", 1), &handle, &world).is_some(), "a use did not count");
    world.seconds.store(28, Ordering::Relaxed);
    assert!(sessions.find(&principal("a", 1), &handle, &world).is_none());
    assert_eq!(sessions.sweep(world.instant()).len(), 1);
    assert!(sessions.is_empty());
}

#[test]
fn a_kill_ends_whom_it_means() {
    let (world, sessions) = (World::default(), sessions());
    sessions.open(&principal("a", 1), &world, &world, |_| 0).unwrap();
    sessions.open(&principal("b", 1), &world, &world, |_| 0).unwrap();
    assert_eq!(sessions.end_where(|session| session.principal().is("agent:a")).len(), 1);
    assert!(sessions.list().iter().all(|session| session.principal().is("agent:b")));
    assert_eq!(sessions.len(), 1);
}

#[test]
fn chance_that_repeats_itself_opens_nothing_twice() {
    struct Stuck;
    impl Entropy for Stuck {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(1);
        }
    }
    let (world, sessions) = (World::default(), sessions());
    sessions.open(&principal("a", 1), &world, &Stuck, |_| 0).unwrap();
    assert!(matches!(sessions.open(&principal("b", 1), &world, &Stuck, |_| 0), Err(Error::Chance)));
}
