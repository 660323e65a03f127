//! What people and programs read of a run.

pub mod elle;
pub mod json;
pub mod palette;
pub mod short;
pub mod timeline;
pub mod trace;
pub mod words;

pub use palette::Palette;
pub use trace::{FAMILIES, Line};

use crate::run::{Finding, Run, Violation};
use crate::tool;

/// The first violated property of a run: its failure.
pub fn failure(run: &Run) -> Option<(&'static str, &Violation)> {
    run.verdicts.iter().find_map(|verdict| match &verdict.result {
        Finding::Violated(violation) => Some((verdict.property, violation)),
        Finding::Holds(_) | Finding::NotApplicable => None,
    })
}

/// The command that replays a run.
pub fn replay_command(run: &Run) -> String {
    let (evidence, scenario) = (&run.evidence, &run.evidence.scenario);
    let system = (evidence.system != scenario.cluster.system).then_some(evidence.system.as_str());
    tool::replay(&scenario.given, evidence.seed, system)
}

/// The short log, from the header to the command that replays it.
pub fn short(run: &Run, palette: &Palette) -> String {
    short::log(run, palette) + &short::conclusion(run, palette)
}

/// The run as a JSON object.
pub fn json(run: &Run) -> serde_json::Value {
    serde_json::to_value(json::Object::of(run)).expect("the keys are strings")
}

/// Everything that happened, one line an event. `describe` puts a datagram into words.
pub fn trace(run: &Run, describe: &dyn Fn(&[u8]) -> String) -> Vec<Line> {
    run.evidence.records.iter().map(|recorded| trace::described(recorded, describe)).collect()
}
