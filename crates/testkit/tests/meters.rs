//! The counters in memory obey the laws of the port, and forget what has run out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use policy::{Bound, Charge, Claim, Error, Holder, LimitRule, Measure, MemoryMeters, MeterKey, Meters, Per, Unit};
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};
use terms::{Instant, Name, SessionId};

#[test]
fn the_counters_in_memory_obey_the_laws() {
    testkit::meters::hold(&|| Arc::new(MemoryMeters::default()));
}

fn claim(role: &str) -> Claim {
    let key = MeterKey::of(Measure::Calls, Per::Unit(Unit::Second), LimitRule::Role(&Name::new(role).unwrap()), Holder::Everyone);
    Claim { key, bound: Bound::Window { most: 1, span: Duration::from_secs(1) }, amount: 1 }
}

#[test]
fn full_counters_refuse_until_some_run_out() {
    let meters = MemoryMeters::new(1);
    let at = |millis: u64| Instant::from_nanos(millis * 1_000_000);
    assert_eq!(meters.charge(&[claim("a")], at(0)).unwrap(), Charge::Within);
    assert!(matches!(meters.charge(&[claim("b")], at(10)), Err(Error::Full(1))));
    assert!(matches!(meters.charge(&[claim("b"), claim("c")], at(2_000)), Err(Error::Full(1))));
    assert_eq!(meters.charge(&[claim("b")], at(2_100)).unwrap(), Charge::Within);
    let of = |seed| {
        let session = SessionId::new(&testkit::SeededEntropy::new(seed));
        Claim { bound: Bound::Session { most: 1, session }, ..claim("s") }
    };
    assert_eq!(meters.charge(&[of(1)], at(0)).unwrap(), Charge::Within);
    assert!(matches!(meters.charge(&[of(2)], at(9_000_000)), Err(Error::Full(1))), "a session is not forgotten before it ends");
}

/// What limits cost a call: run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn what_a_charge_costs() {
    let meters = MemoryMeters::default();
    let role = Name::new("coder").unwrap();
    let of = |measure, per| MeterKey::of(measure, per, LimitRule::Role(&role), Holder::Everyone);
    const ROUNDS: u32 = 1_000_000;
    let began = Stopwatch::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(of(std::hint::black_box(Measure::Calls), Per::Unit(Unit::Minute)));
    }
    println!("the name of a counter: {:?}", began.elapsed() / ROUNDS);
    for many in [1_usize, 3, 6] {
        let measures = [Measure::Calls, Measure::Mutations, Measure::Cost, Measure::Bytes, Measure::Depth, Measure::Inflight];
        let claims: Vec<Claim> = measures[..many]
            .iter()
            .map(|measure| Claim {
                key: of(*measure, Per::Unit(Unit::Minute)),
                bound: Bound::Window { most: u64::MAX, span: Duration::from_secs(60) },
                amount: 1,
            })
            .collect();
        let began = Stopwatch::now();
        for round in 0..ROUNDS {
            meters.charge(&claims, Instant::from_nanos(u64::from(round) * 10_000)).unwrap();
        }
        println!("a charge of {many}: {:?}", began.elapsed() / ROUNDS);
    }
}
