//! Faults in words, as people read them in a run.

use super::effects::{Effect, Step, harm};
use super::wishes::errand;
use crate::record::{Harm, Machine};
use crate::scenario::model::{Event, Fault, MessageFault, Selector, Wish};

impl Effect {
    /// In words, for those that come and go one by one.
    pub(super) fn words(&self) -> String {
        match self {
            Effect::Kill(machine) => format!("kill {machine}"),
            Effect::ClogAround(machine, _) => format!("clog {machine}"),
            other => format!("{other:?}"),
        }
    }
}

/// The fault in words: `power-cut n2 for 1s`.
pub(super) fn describe(event: &Event, steps: &[Step]) -> String {
    let begun: Vec<Effect> = steps.iter().filter(|step| step.begins).map(|step| step.effect.clone()).collect();
    let harm = harm(&begun);
    let target = listed(&harm.machines);
    let name = event.fault.name();
    let what = match &event.fault {
        Fault::Partition(_) | Fault::Cut { .. } | Fault::Bridge { .. } | Fault::Ring { .. } | Fault::Isolate { .. } => {
            format!("{name} {}", links(&harm))
        }
        Fault::Clog { by, .. } => {
            let by = by.map_or(String::new(), |by| format!(" by {by:?}"));
            format!("{name} {}{by}", links(&harm))
        }
        Fault::Messages { fate, kind, nth, count, from: from_all, to: to_all } => {
            let [Effect::Choose(from, to)] = begun.as_slice() else { unreachable!("it has one effect") };
            let by = match fate {
                MessageFault::Drop => String::new(),
                MessageFault::Delay(by) => format!(" by {by:?}"),
            };
            let side = |selectors: &[Selector], machines: &[Machine]| match selectors {
                [Selector::All] => "all".to_owned(),
                _ => listed(machines),
            };
            let (from, to) = (side(from_all, from), side(to_all, to));
            let kind = kind.as_deref().unwrap_or("messages");
            let which = match (nth, count) {
                (_, None) => String::new(),
                (nth, Some(1)) => format!(" number {nth}"),
                (nth, Some(count)) => format!(" number {nth} to {}", nth + count - 1),
            };
            format!("{name} {kind}{which} {from}→{to}{by}")
        }
        Fault::Wish(wish) => {
            let errand = errand(&begun).expect("a wish is an errand");
            let drawn = if let Wish::Churn { .. } = wish { "churn: " } else { "" };
            format!("{drawn}{errand}")
        }
        Fault::CrashLoop { times, .. } => format!("{name} {target} {times} times"),
        Fault::SlowDisk { factor, .. } => format!("{name} {target} {factor} times"),
        Fault::ClockJump { by_ns, .. } => format!("{name} {target} by {}", crate::scenario::value::write_jump(*by_ns)),
        Fault::ClockDrift { by_ppm, .. } => format!("{name} {target} by {by_ppm:+}ppm"),
        _ => format!("{name} {target}"),
    };
    event.lasts.map_or(what.clone(), |lasts| format!("{what} for {lasts:?}"))
}

/// The directions: `n1–n2` for both, `n1→n2` for one.
fn links(harm: &Harm) -> String {
    let directions = [&harm.cut[..], &harm.disturbed[..]].concat();
    let link = |(from, to): &(Machine, Machine)| {
        let back = directions.contains(&(*to, *from));
        (!back || from < to).then(|| format!("{from}{}{to}", if back { "–" } else { "→" }))
    };
    directions.iter().filter_map(link).collect::<Vec<_>>().join(" ")
}

fn listed(machines: &[Machine]) -> String {
    machines.iter().map(Machine::to_string).collect::<Vec<_>>().join(" ")
}
