//! What must hold of every [`Meters`], whoever keeps the counters: the one in memory, and a store that several gateways share.

use policy::{Bound, Charge, Claim, Holder, LimitRule, Measure, MeterKey, Meters, Per, Unit};
use std::sync::Arc;
use std::time::Duration;
use terms::{Instant, Name, SessionId};

/// The laws, tried on fresh counters of `make`. Panics where one does not hold.
pub fn hold(make: &dyn Fn() -> Arc<dyn Meters>) {
    for seed in 0..60 {
        let chance = &mut Chance(seed);
        never_over(&*make(), chance);
        who_waits_as_told_passes(&*make(), chance);
        all_or_none(&*make(), chance);
        what_is_given_back_is_there_again(&*make(), chance);
    }
    a_burst_gets_what_is_stated(&*make());
    a_pace_is_even(&*make());
    a_session_ends_with_its_counters(&*make());
    what_is_under_way_is_bounded(&*make());
    asking_takes_nothing(&*make());
    what_never_fits_is_not_waited_for(&*make());
    many_at_once_get_what_is_stated(&make());
}

/// A small generator of numbers, the same for the same seed (xorshift*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (drawn ^ (drawn >> 31)) % most
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn key(role: &str) -> MeterKey {
    MeterKey::of(Measure::Calls, Per::Unit(Unit::Second), LimitRule::Role(&Name::new(role).unwrap()), Holder::Everyone)
}

fn window(role: &str, most: u64) -> Claim {
    Claim { key: key(role), bound: Bound::Window { most, span: SECOND }, amount: 1 }
}

fn at(millis: u64) -> Instant {
    Instant::from_nanos(1_000_000_000_000 + millis * 1_000_000)
}

fn passes(meters: &dyn Meters, claims: &[Claim], now: Instant) -> bool {
    meters.charge(claims, now).unwrap() == Charge::Within
}

/// In any span, at most what is stated; and no less than that, but for a hundredth of the time.
fn never_over(meters: &dyn Meters, chance: &mut Chance) {
    let most = 1 + chance.below(9);
    let mut taken: Vec<(u64, u64)> = Vec::new();
    let mut now = 0;
    for _ in 0..300 {
        now += chance.below(400);
        let amount = 1 + chance.below(most.min(3));
        let claim = Claim { amount, ..window("r", most) };
        let within = |span: u64| taken.iter().filter(|(then, _)| now - then < span).map(|(_, amount)| amount).sum::<u64>();
        let room = within(1_010) + amount <= most;
        match meters.charge(&[claim], at(now)).unwrap() {
            Charge::Within => {
                assert!(within(1_000) + amount <= most, "{} and {amount} in one second of {most}", within(1_000));
                taken.push((now, amount));
            }
            Charge::Over { at, retry_after } => {
                assert!(!room, "refused where there was room");
                assert_eq!(at, 0);
                assert!(retry_after.unwrap() <= Duration::from_millis(1_010), "{retry_after:?}");
            }
        }
    }
}

fn who_waits_as_told_passes(meters: &dyn Meters, chance: &mut Chance) {
    let most = 1 + chance.below(300);
    let pace = Claim { key: key("p"), bound: Bound::Pace { most, span: SECOND }, amount: 1 };
    for claim in [window("w", most), pace] {
        let mut now = at(0);
        for _ in 0..200 {
            now = now.after(Duration::from_micros(chance.below(3_000)));
            if let Charge::Over { retry_after, .. } = meters.charge(&[claim], now).unwrap() {
                now = now.after(retry_after.unwrap());
                assert!(passes(meters, &[claim], now), "{claim:?} waited in vain");
            }
        }
    }
}

/// Of several claims all are taken, or none is.
fn all_or_none(meters: &dyn Meters, chance: &mut Chance) {
    let (tight, wide) = (1 + chance.below(4), 5 + chance.below(20));
    let session = SessionId::new(&crate::SeededEntropy::new(chance.below(1_000_000)));
    let total = Claim { key: key("total"), bound: Bound::Session { most: wide, session }, amount: 1 };
    let flight = Claim { key: key("flight"), bound: Bound::Flight { most: wide }, amount: 1 };
    let claims = [window("wide", wide), total, flight, window("tight", tight)];
    for _ in 0..100 {
        let within = passes(meters, &claims, at(0));
        if !within {
            assert_eq!(meters.charge(&claims, at(0)).unwrap(), Charge::Over { at: 3, retry_after: Some(SECOND) });
        }
    }
    for claim in [window("wide", wide), total, flight] {
        let left = (0..100).filter(|_| passes(meters, &[claim], at(0))).count() as u64;
        assert_eq!(left, wide - tight, "a call that one limit refused was taken from another: {claim:?}");
    }
}

fn what_is_given_back_is_there_again(meters: &dyn Meters, chance: &mut Chance) {
    let most = 2 + chance.below(20);
    let session = SessionId::new(&crate::SeededEntropy::new(7));
    let bounds = [Bound::Window { most, span: SECOND }, Bound::Flight { most }, Bound::Session { most, session }];
    for (at_place, bound) in bounds.into_iter().enumerate() {
        let claim = Claim { key: key(&format!("k{at_place}")), bound, amount: 1 };
        let taken = (0..100).filter(|_| passes(meters, &[claim], at(0))).count() as u64;
        assert_eq!(taken, most);
        let back = 1 + chance.below(most);
        (0..back).for_each(|_| meters.refund(&[claim]).unwrap());
        assert_eq!((0..100).filter(|_| passes(meters, &[claim], at(1))).count() as u64, back, "{claim:?}");
    }
}

fn a_burst_gets_what_is_stated(meters: &dyn Meters) {
    for most in [1, 2, 99, 1_000, 5_000] {
        let claim = window(&format!("m{most}"), most);
        let passed = (0..2 * most).filter(|_| passes(meters, &[claim], at(5))).count() as u64;
        assert_eq!(passed, most);
        assert!(!passes(meters, &[claim], at(1_004)) && passes(meters, &[claim], at(1_006)));
    }
}

/// What is spread evenly runs ahead by a hundredth at most.
fn a_pace_is_even(meters: &dyn Meters) {
    let most = 1_000;
    let claim = Claim { key: key("pace"), bound: Bound::Pace { most, span: SECOND }, amount: 1 };
    let mut passed = Vec::new();
    for micros in (0..3_000_000_u64).step_by(100) {
        if passes(meters, &[claim], at(0).after(Duration::from_micros(micros))) {
            passed.push(micros);
        }
    }
    for (first, begin) in passed.iter().enumerate() {
        let within = passed[first..].iter().take_while(|then| *then - begin < 1_000_000).count() as u64;
        assert!(within <= most + most / 100, "{within}");
    }
    assert!(passed.len() as u64 >= 2_990, "{}", passed.len());
    let early = passed.iter().filter(|then| **then < 100_000).count();
    assert!(early <= 110, "{early} in a tenth of the time");
}

fn a_session_ends_with_its_counters(meters: &dyn Meters) {
    let (one, other) = (SessionId::new(&crate::SeededEntropy::new(1)), SessionId::new(&crate::SeededEntropy::new(2)));
    let of = |session, key| Claim { key, bound: Bound::Session { most: 2, session }, amount: 1 };
    let (deep, wide) = (key("deep"), key("wide"));
    for claim in [of(one, deep), of(one, wide), of(other, deep)] {
        assert!(passes(meters, &[claim], at(0)) && passes(meters, &[claim], at(1)));
        let refused = Charge::Over { at: 0, retry_after: None };
        assert_eq!(meters.charge(&[claim], at(1_000_000_000)).unwrap(), refused, "time does not renew a session");
    }
    meters.renew(one, deep).unwrap();
    assert!(passes(meters, &[of(one, deep)], at(2)) && !passes(meters, &[of(one, wide)], at(2)));
    meters.forget(one);
    assert!(passes(meters, &[of(one, wide)], at(3)) && !passes(meters, &[of(other, deep)], at(3)));
}

fn what_is_under_way_is_bounded(meters: &dyn Meters) {
    let claim = Claim { key: key("flight"), bound: Bound::Flight { most: 3 }, amount: 1 };
    assert_eq!((0..9).filter(|_| passes(meters, &[claim], at(0))).count(), 3);
    assert!(matches!(meters.charge(&[claim], at(1)).unwrap(), Charge::Over { at: 0, retry_after: Some(_) }));
    meters.refund(&[claim]).unwrap();
    assert!(passes(meters, &[claim], at(2)) && !passes(meters, &[claim], at(3)));
}

fn asking_takes_nothing(meters: &dyn Meters) {
    let asks = Claim { amount: 0, ..window("r", 2) };
    assert!((0..9).all(|_| passes(meters, &[asks], at(0))));
    assert_eq!((0..9).filter(|_| passes(meters, &[window("r", 2)], at(0))).count(), 2);
    assert!(!passes(meters, &[asks], at(0)), "there is no room for one more");
}

fn what_never_fits_is_not_waited_for(meters: &dyn Meters) {
    let bounds = [Bound::Window { most: 2, span: SECOND }, Bound::Pace { most: 2, span: SECOND }];
    for (at_place, bound) in bounds.into_iter().enumerate() {
        let claim = Claim { key: key(&format!("n{at_place}")), bound, amount: 3 };
        assert_eq!(meters.charge(&[claim], at(0)).unwrap(), Charge::Over { at: 0, retry_after: None });
    }
}

fn many_at_once_get_what_is_stated(meters: &Arc<dyn Meters>) {
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let meters = Arc::clone(meters);
            std::thread::spawn(move || (0..500).filter(|_| passes(&*meters, &[window("r", 1_000)], at(0))).count())
        })
        .collect();
    assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), 1_000);
}
