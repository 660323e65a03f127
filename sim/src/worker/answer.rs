//! What a worker says of a run.

use serde::{Deserialize, Serialize};

use super::Wants;
use crate::explain::explain;
use crate::harness::tables;
use crate::report::trace::line;
use crate::report::{self, Palette};
use crate::run::{Finding, Run};
use crate::status::Status;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The property that failed first, if one did.
    pub property: Option<String>,
    /// One line: what failed, where; or what was looked at.
    pub headline: String,
    /// Lines that show it.
    pub details: Vec<String>,
    /// The run's digest, as hexadecimal digits. Empty if there was no run.
    pub digest: String,
    /// How much happened, by name.
    pub counts: serde_json::Map<String, serde_json::Value>,
    /// The short log.
    pub short: Option<String>,
    /// The run as JSON.
    pub json: Option<serde_json::Value>,
    /// The detailed trace, one line an item.
    pub trace: Option<Vec<String>>,
    /// The final tables as text, or why they cannot be shown. `None` if the scenario names none.
    pub finals: Option<Result<String, String>>,
}

impl Answer {
    /// An answer that tells of no run.
    pub fn without_run(status: Status, headline: String, details: Vec<String>) -> Self {
        Answer {
            status,
            property: None,
            headline,
            details,
            digest: String::new(),
            counts: serde_json::Map::new(),
            short: None,
            json: None,
            trace: None,
            finals: None,
        }
    }

    /// What a run says.
    pub fn of(run: &Run, wants: Wants) -> Answer {
        let violated = run.verdicts.iter().find_map(|verdict| match &verdict.result {
            Finding::Violated(violation) => Some((verdict.property, violation)),
            Finding::Holds(_) | Finding::NotApplicable => None,
        });
        let (status, headline, details) = match violated {
            Some((property, violation)) => {
                let explained = explain(&run.evidence, &run.verdicts).split_off(1);
                (Status::Failed, format!("{property}: {}", violation.summary), explained)
            }
            None if run.vacuous.is_empty() => {
                (Status::Pass, format!("{} verdicts hold", run.verdicts.len()), Vec::new())
            }
            None => (Status::Vacuous, format!("vacuous: {}", run.vacuous[0]), run.vacuous[1..].to_vec()),
        };
        let counts = match serde_json::to_value(&run.evidence.counts) {
            Ok(serde_json::Value::Object(counts)) => counts,
            other => panic!("counts are numbers by name, not {other:?}"),
        };
        let palette = if wants.coloured { Palette::coloured() } else { Palette::default() };
        Answer {
            status,
            property: violated.map(|(property, _)| property.to_owned()),
            headline,
            details,
            digest: format!("{:032x}", run.digest),
            counts,
            short: (wants.short || status != Status::Pass).then(|| report::short(run, &palette)),
            json: wants.json.then(|| report::json(run)),
            trace: wants
                .trace
                .then(|| run.evidence.records.iter().map(|recorded| line(recorded).to_string()).collect()),
            finals: wants.finals.then(|| tables::of(run)).flatten(),
        }
    }
}
