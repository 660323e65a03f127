//! A run as JSON, for programs. Equal runs give equal objects, in whatever folder and environment: nothing in it is
//! measured by a wall clock, and no path is in it.

use std::collections::BTreeMap;

use lockstep_node::api::Value;
use serde::Serialize;

use crate::run::{Counts, Finding, Rows, Run, Verdict};

/// A run. The fields are in this order.
#[derive(Debug, Serialize)]
pub struct Object<'r> {
    scenario: &'r str,
    system: &'r str,
    seed: u64,
    /// `pass`, `fail` or `vacuous`.
    result: &'static str,
    verdicts: Vec<Judged<'r>>,
    failure: Option<Failure<'r>>,
    vacuous: &'r [String],
    counts: &'r Counts,
    /// 32 hexadecimal digits.
    digest: String,
    simulated_s: f64,
    /// By table or query as the scenario writes it, then by replica.
    finals: BTreeMap<&'r str, BTreeMap<String, Contents<'r>>>,
}

#[derive(Debug, Serialize)]
struct Judged<'r> {
    property: &'r str,
    /// `holds`, `violated` or `not-applicable`.
    result: &'static str,
    detail: &'r str,
}

#[derive(Debug, Serialize)]
struct Failure<'r> {
    property: &'r str,
    summary: &'r str,
    details: &'r [String],
    at_s: Option<f64>,
    index: Option<u64>,
    node: Option<String>,
}

/// Rows, or why there are none.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Contents<'r> {
    Rows { columns: &'r [String], rows: Vec<Vec<serde_json::Value>> },
    Error { error: &'r str },
}

impl<'r> Object<'r> {
    /// Of a run.
    pub fn of(run: &'r Run) -> Self {
        let evidence = &run.evidence;
        let failure = super::failure(run).map(|(property, violation)| Failure {
            property,
            summary: &violation.summary,
            details: &violation.details,
            at_s: violation.at.map(|at| at.as_secs_f64()),
            index: violation.index,
            node: violation.machine.map(|machine| machine.to_string()),
        });
        Object {
            scenario: &evidence.scenario.name,
            system: &evidence.system,
            seed: evidence.seed,
            result: match failure {
                Some(_) => "fail",
                None if run.vacuous.is_empty() => "pass",
                None => "vacuous",
            },
            verdicts: run.verdicts.iter().map(judged).collect(),
            failure,
            vacuous: &run.vacuous,
            counts: &evidence.counts,
            digest: format!("{:032x}", run.digest),
            simulated_s: evidence.ended.as_secs_f64(),
            finals: finals(run),
        }
    }
}

fn judged(verdict: &Verdict) -> Judged<'_> {
    let (result, detail) = match &verdict.result {
        Finding::Holds(detail) => ("holds", detail.as_str()),
        Finding::Violated(violation) => ("violated", violation.summary.as_str()),
        Finding::NotApplicable => ("not-applicable", ""),
    };
    Judged { property: verdict.property, result, detail }
}

fn finals(run: &Run) -> BTreeMap<&str, BTreeMap<String, Contents<'_>>> {
    let names = run.evidence.scenario.finals.iter().enumerate();
    names
        .map(|(place, name)| {
            let replicas = run.evidence.replicas.iter();
            let held = replicas
                .filter_map(|(machine, replica)| Some((machine.to_string(), contents(replica.finals.get(place)?))));
            (name.as_str(), held.collect())
        })
        .collect()
}

fn contents(rows: &Result<Rows, String>) -> Contents<'_> {
    match rows {
        Ok(rows) => Contents::Rows {
            columns: &rows.columns,
            rows: rows.rows.iter().map(|row| row.iter().map(value).collect()).collect(),
        },
        Err(error) => Contents::Error { error },
    }
}

/// Integers, reals and text as they are; a blob, and a number that JSON lacks, as an SQL literal in a string.
fn value(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(number) => (*number).into(),
        Value::Real(number) if number.is_finite() => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Real(_) | Value::Blob(_) => value.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::short::tests::{failed, passed};
    use super::*;

    #[test]
    fn equal_runs_give_equal_text_with_the_fields_in_order() {
        let text = serde_json::to_string(&Object::of(&passed())).unwrap();
        assert_eq!(text, serde_json::to_string(&Object::of(&passed())).unwrap());
        assert!(
            text.starts_with(r#"{"scenario":"bank/quiet","system":"lockstep","seed":7,"result":"pass","#),
            "{text}"
        );
    }

    #[test]
    fn a_failure_names_property_index_and_node() {
        let json = super::super::json(&failed());
        assert_eq!(json["result"], "fail");
        assert_eq!(json["failure"]["property"], "state-machine-safety");
        assert_eq!((&json["failure"]["index"], &json["failure"]["node"]), (&5.into(), &"n3".into()));
        assert_eq!(json["digest"], "0000000000000000000000009c41e0d7");
    }
}
