//! The layers taken out one by one. Without each of them something gets through: by itself, or together with the one layer that holds it too.

use crate::attempt::Effect::Told;
use crate::attempt::{Attempt, Held, c};
use crate::outside::Outside;
use crate::twin;
use sandbox::Layer::{
    self, Account, Calls, Descriptors, Files, Group, Hostile, Landlock, Limits, Network, Objects, Privileges, Proc, Processes, Sockets,
    User,
};

/// What carries the table.
const DOCUMENT: &str = include_str!("../../../../docs/sandbox.md");

/// Attempts of the ladder alone.
pub(crate) const OWN: &[Attempt] = &[c("reads what the gateway's account alone may read", Told, &[Account], "tell(open(OWN, O_RDONLY));")];

/// Where a rung can be climbed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Everywhere,
    /// Where the gateway is root: else a server has the gateway's account anyway, and there are no control groups to be had.
    Root,
}

/// Why the other layers of a rung are taken out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    /// None is.
    Alone,
    /// They hold the attempt too; each side holds it without the other.
    HoldToo(&'static [Layer]),
    /// They stand upon the layer, and the launcher starts nothing without it.
    StandUpon(&'static [Layer]),
    /// Without the layer there is nothing at all; what it shows in part is seen in whole without these.
    ShowWhole(&'static [Layer]),
}

struct Rung {
    layer: Layer,
    attempt: &'static str,
    others: Others,
    place: Where,
}

const fn rung(layer: Layer, attempt: &'static str, others: Others, place: Where) -> Rung {
    Rung { layer, attempt, others, place }
}

const RUNGS: [Rung; Layer::ALL.len()] = [
    rung(Account, "reads what the gateway's account alone may read", Others::Alone, Where::Root),
    rung(User, "knows the name of the host", Others::StandUpon(&[Files, Network]), Where::Everywhere),
    rung(Processes, "asks for another by descriptor", Others::StandUpon(&[Proc]), Where::Everywhere),
    rung(Network, "connects to this host", Others::HoldToo(&[Sockets]), Where::Everywhere),
    rung(Objects, "knows the name of the host", Others::Alone, Where::Everywhere),
    rung(Files, "sees whether a file is there", Others::Alone, Where::Everywhere),
    rung(Proc, "reads how others were started", Others::ShowWhole(&[Account, Processes, Files, Landlock]), Where::Everywhere),
    rung(Privileges, "could have its rights back", Others::Alone, Where::Everywhere),
    rung(Landlock, "reads a file", Others::HoldToo(&[Files]), Where::Everywhere),
    rung(Hostile, "leaves for a space of users", Others::HoldToo(&[Calls]), Where::Everywhere),
    rung(Calls, "gives its file its owner's rights", Others::Alone, Where::Everywhere),
    rung(Sockets, "connects to this host", Others::HoldToo(&[Network]), Where::Everywhere),
    rung(Limits, "opens files without end", Others::Alone, Where::Everywhere),
    rung(Group, "forks without end", Others::HoldToo(&[Limits]), Where::Root),
    rung(Descriptors, "finds a channel of the launcher", Others::Alone, Where::Everywhere),
];

impl Rung {
    fn others(&self) -> &'static [Layer] {
        match self.others {
            Others::Alone => &[],
            Others::HoldToo(layers) | Others::StandUpon(layers) | Others::ShowWhole(layers) => layers,
        }
    }

    /// As the document has it.
    fn row(&self) -> String {
        let names: Vec<&str> = self.others().iter().map(|layer| layer.name()).collect();
        let without = match self.others {
            Others::Alone => "gets through".to_owned(),
            Others::HoldToo(_) => format!("held by {}; gets through without both", names.join(", ")),
            Others::StandUpon([_]) => format!("no server starts: {} stands upon it; gets through without both", names.join(", ")),
            Others::StandUpon(_) => format!("no server starts: {} stand upon it; gets through without all", names.join(" and ")),
            Others::ShowWhole(_) => format!("there is no `/proc`; gets through without {} as well", names.join(", ")),
        };
        let place = if self.place == Where::Root { ", as root" } else { "" };
        format!("| {} | {}{place} | {without} |", self.layer, self.attempt)
    }
}

/// Takes every layer out; what is not as the table says goes to `wrong`.
pub(crate) async fn climb(outside: &mut Outside, wrong: &mut Vec<String>) {
    assert_eq!(RUNGS.map(|rung| rung.layer), Layer::ALL, "a rung for each layer");
    for rung in &RUNGS {
        let row = rung.row();
        if !DOCUMENT.contains(&row) {
            wrong.push(format!("not in the document: {row}"));
        }
        if rung.place == Where::Root && !rustix::process::geteuid().is_root() {
            println!("not here: {}", rung.layer);
            continue;
        }
        let (number, attempt) = *crate::all().iter().find(|(_, attempt)| attempt.what == rung.attempt).unwrap();
        let mut effect = async |layers: &[Layer]| {
            outside.restore();
            outside.ears.forget();
            twin::run(outside, number, attempt, Held::By(Vec::leak(layers.to_vec()))).await
        };
        let others = rung.others();
        let all: Vec<Layer> = others.iter().copied().chain([rung.layer]).collect();
        if let Err(said) = effect(&all).await {
            wrong.push(format!("{row}: it does not get through: {said}"));
        }
        let alone = effect(&[rung.layer]).await;
        let as_said = match (rung.others, &alone) {
            (Others::Alone, gone) => gone.is_ok(),
            (Others::HoldToo(_) | Others::ShowWhole(_), held) => held.as_ref().is_err_and(|said| !said.starts_with(twin::NOT_STARTED)),
            (Others::StandUpon(_), refused) => refused.as_ref().is_err_and(|said| said.starts_with(twin::NOT_STARTED)),
        };
        if !as_said {
            wrong.push(format!("{row}: without {} alone: {alone:?}", rung.layer));
        }
        println!("{row}");
        // The layer holds it by itself, too.
        let holds = match rung.others {
            Others::Alone | Others::HoldToo(_) | Others::StandUpon(_) => effect(others).await.is_err(),
            Others::ShowWhole(_) => true,
        };
        if !holds {
            wrong.push(format!("{row}: {} does not hold it without {others:?}", rung.layer));
        }
    }
    outside.restore();
}
