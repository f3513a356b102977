//! Attacks in arguments, on real servers: PostgreSQL, SQLite, a file system, git, a fetcher.
//!
//! Each server stands behind the gateway twice: with guards on its arguments, and without. With them each attack ends in its refusal, and what it is
//! after is as it was. Without them it has its effect. What else would stop it has been given room, so that it is the guard that is measured: the
//! sandbox holds all folders that are attacked, the file system server may use all of them, the fetcher runs outside the sandbox and may use inner
//! addresses, and the database trusts its client with everything.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod fetch;
mod files;
mod git;
mod postgres;
mod sqlite;
mod stage;

use serde_json::{Value, json};
use stage::Stage;
use std::collections::BTreeMap;

/// What an attack is after, when it gets through.
#[derive(Clone, Copy, Debug)]
enum Effect {
    /// The answer holds this.
    Tells(&'static str),
    /// PostgreSQL answers this query so.
    Postgres(&'static str, &'static str),
    /// SQLite answers this query so.
    Sqlite(&'static str, &'static str),
    /// The file is there.
    There(&'static str),
    /// The file is gone.
    Gone(&'static str),
    /// The file holds this.
    Holds(&'static str, &'static str),
    /// A page was asked of the inner server.
    Asked,
    /// git answers these words so, in the other repository.
    Git(&'static [&'static str], &'static str),
}

/// One call, of a tool of a server by the name that it has with guards.
#[derive(Clone, Debug)]
struct Call {
    tool: &'static str,
    arguments: Value,
}

fn call(tool: &'static str, arguments: Value) -> Call {
    Call { tool, arguments }
}

#[derive(Clone, Debug)]
struct Attack {
    call: Call,
    code: &'static str,
    effect: Effect,
}

fn attack(call: Call, code: &'static str, effect: Effect) -> Attack {
    Attack { call, code, effect }
}

/// Attacks of one class, and what a user does who means well.
struct Class {
    name: &'static str,
    attacks: Vec<Attack>,
    benign: Vec<(Call, &'static str)>,
}

#[test]
fn each_attack_is_refused_and_has_its_effect_where_no_guard_is() {
    let Some(mut stage) = Stage::start() else { return };
    let classes: Vec<Class> =
        [postgres::classes(), sqlite::classes(), files::classes(), git::classes(), fetch::classes()].into_iter().flatten().collect();
    let total: usize = classes.iter().map(|class| class.attacks.len()).sum();
    let (mut wrong, mut codes) = (Vec::new(), BTreeMap::<&str, usize>::new());
    for class in &classes {
        let (mut refused, mut effective, mut worked) = (0, 0, 0);
        for (call, says) in &class.benign {
            let answer = stage.guarded(call);
            if answer.code.is_empty() && answer.text.contains(says) {
                worked += 1;
            } else {
                wrong.push(format!("{}: a benign call does not work: {call:?}: {} {}", class.name, answer.code, answer.text));
            }
        }
        stage.reset();
        for attack in &class.attacks {
            let answer = stage.guarded(&attack.call);
            let happened = stage.happened(attack.effect, &answer.text);
            if answer.code == attack.code && !happened {
                refused += 1;
                *codes.entry(attack.code).or_default() += 1;
            } else {
                wrong.push(format!("{}: {:?}: got {:?}, effect {happened}", class.name, attack.call, answer.code));
                stage.reset();
            }
        }
        for attack in &class.attacks {
            let answer = stage.bare(&attack.call);
            if stage.happened(attack.effect, &answer.text) {
                effective += 1;
            } else {
                wrong.push(format!("{}: no effect without a guard: {:?}: {} {}", class.name, attack.call, answer.code, answer.text));
            }
            stage.reset_after(attack.effect);
        }
        println!(
            "{:<28} {:>3} attacks, {refused:>3} refused, {effective:>3} with effect where no guard is; {worked} of {} benign calls work",
            class.name,
            class.attacks.len(),
            class.benign.len()
        );
    }
    println!("{total} attacks in {} classes; refused by {codes:?}", classes.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(total >= 150 && classes.iter().all(|class| class.attacks.len() * 10 <= total), "no class makes up more than a tenth");
    assert_eq!(stage.world.verify()["ok"], json!(true));
}
