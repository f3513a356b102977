//! Kills, seen from outside.
#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use response::{CallScope, Epochs, Error, Scope, Stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use terms::{Authenticated, Name, Principal, ServerName, SessionId, Utc, Workload};

const AT: Utc = Utc::from_seconds(5);

fn principal(agent: &str) -> Principal {
    let user = Some(Name::new("ana").unwrap());
    Principal { agent: Name::new(agent).unwrap(), user, workload: Workload::Remote, authenticated: Authenticated::Gateway }
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn release(epochs: &Epochs, mut stop: Stop) -> Result<(), Error> {
    stop.released = Some(AT);
    epochs.release(&stop)
}

#[test]
fn every_scope_stops_what_it_means_and_nothing_else() {
    let (a, b) = (principal("a"), principal("b"));
    let (files, git) = (ServerName::new("files").unwrap(), ServerName::new("git").unwrap());
    let call = CallScope { principal: &a, session: Some(SessionId::from_bits(1)), server: Some(&files) };
    let other = CallScope { principal: &b, session: Some(SessionId::from_bits(2)), server: Some(&git) };
    for (text, meant) in [
        ("all", true),
        ("server:files", true),
        ("agent:a", true),
        ("user:ana", true),
        ("session:S-000000000001", true),
        ("server:x", false),
        ("agent:ana", false),
        ("user:a", false),
        ("session:S-000000000009", false),
    ] {
        let epochs = Epochs::new();
        let carried = epochs.admit(&call).unwrap();
        let stop = epochs.kill(scope(text), "why", "ana", AT);
        assert_eq!(epochs.is_stopped(&call).is_some(), meant, "{text}");
        assert_eq!(epochs.admit(&call).is_err(), meant, "{text}");
        assert_eq!(epochs.still_alive(carried, &call).is_err(), meant, "{text}");
        assert_eq!(epochs.is_stopped(&other).is_some(), text == "all" || text == "user:ana", "{text}");
        release(&epochs, stop).unwrap();
        assert!(epochs.admit(&call).is_ok(), "{text}");
        assert_eq!(epochs.still_alive(carried, &call).is_err(), meant, "{text}: a release revived what was stopped");
    }
}

#[test]
fn a_release_frees_the_kill_that_it_means_and_no_later_one() {
    let epochs = Epochs::new();
    let first = epochs.kill(Scope::All, "one", "ana", AT);
    let second = epochs.kill(Scope::All, "two", "ben", AT);
    assert!(matches!(release(&epochs, first), Err(Error::NotStopped(_))));
    assert!(epochs.all_stopped());
    release(&epochs, second.clone()).unwrap();
    assert!(!epochs.all_stopped());
    assert!(release(&epochs, second).is_err());
}

#[test]
fn watches_are_told_until_they_are_dropped() {
    let epochs = Epochs::new();
    let told = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&told);
    let watch = epochs.watch(move |scope| {
        assert_eq!(*scope, Scope::All);
        counter.fetch_add(1, Ordering::SeqCst);
    });
    epochs.kill(Scope::All, "", "", AT);
    assert_eq!(told.load(Ordering::SeqCst), 1);
    drop(watch);
    epochs.kill(Scope::All, "", "", AT);
    assert_eq!(told.load(Ordering::SeqCst), 1);
}

#[test]
fn forgotten_releases_stop_old_calls_rather_than_free_them() {
    let a = principal("a");
    let epochs = Epochs::new();
    let call = CallScope { principal: &a, session: Some(SessionId::from_bits(3)), server: None };
    let carried = epochs.admit(&call).unwrap();
    for bits in 0..5_000 {
        let stop = epochs.kill(Scope::Session(SessionId::from_bits(bits)), "", "", AT);
        release(&epochs, stop).unwrap();
    }
    assert!(epochs.still_alive(carried, &call).is_err());
    assert!(epochs.admit(&call).is_ok());
}

#[test]
fn an_epoch_outlives_and_only_rises() {
    let epochs = Epochs::restore(41, []);
    epochs.raise(7);
    assert_eq!(epochs.epoch(), 41);
    let stop = epochs.kill(Scope::All, &"é".repeat(2_000), "ana", AT);
    assert_eq!(stop.epoch, 42);
    assert!(stop.reason.len() <= 1_024);
    let again = Epochs::restore(3, [stop]);
    assert_eq!(again.epoch(), 42);
    assert!(again.all_stopped());
}

#[test]
fn a_kill_during_admission_is_never_missed() {
    let epochs = Arc::new(Epochs::new());
    let a = principal("a");
    let call = CallScope { principal: &a, session: None, server: None };
    std::thread::scope(|threads| {
        let killer = threads.spawn(|| {
            for _ in 0..200 {
                let stop = epochs.kill(Scope::All, "", "", AT);
                release(&epochs, stop).unwrap();
            }
        });
        while !killer.is_finished() {
            let before = epochs.epoch();
            if let Ok(carried) = epochs.admit(&call) {
                let after = epochs.epoch();
                if after > carried.number() {
                    assert!(epochs.still_alive(carried, &call).is_err());
                }
                assert!(carried.number() >= before);
            }
        }
    });
}

proptest! {
    #[test]
    fn the_epoch_counts_kills(kills in proptest::collection::vec(0_u64..5, 0..40)) {
        let epochs = Epochs::new();
        for (count, bits) in kills.iter().enumerate() {
            let stop = epochs.kill(Scope::Session(SessionId::from_bits(*bits)), "", "", AT);
            prop_assert_eq!(stop.epoch, count as u64 + 1);
        }
        prop_assert_eq!(epochs.stops().len(), kills.iter().collect::<std::collections::HashSet<_>>().len());
    }
}
