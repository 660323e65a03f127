//! Verdicts on a real run whose evidence was tampered with: each lie is noticed, by the property that is made for it.

use std::path::Path;
use std::time::Duration;

use lockstep_node::api::Value;
use lockstep_sim::cases;
use lockstep_sim::check;
use lockstep_sim::history::{Operation, Outcome};
use lockstep_sim::run::{Evidence, Finding, Violation};
use lockstep_sim::simulate::{Options, simulate};
use lockstep_sim::systems;
use lockstep_sim::systems::lockstep::LOCKSTEP;

/// The first property that is violated once the evidence of a run was tampered with.
fn noticed(name: &str, tamper: impl FnOnce(&mut Evidence)) -> Option<(&'static str, Violation)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace");
    let file = root.join("scenarios").join(name).with_extension("toml");
    let scenario = cases::load_file(&file, systems::ALL).unwrap_or_else(|report| panic!("{report}"));
    let mut evidence = simulate(&LOCKSTEP, &scenario, 1, &Options::default()).evidence;
    tamper(&mut evidence);
    let verdicts = check::judge(check::all(&scenario), None, &evidence);
    verdicts.into_iter().find_map(|verdict| match verdict.result {
        Finding::Violated(violation) => Some((verdict.property, violation)),
        Finding::Holds(_) | Finding::NotApplicable => None,
    })
}

fn property(name: &str, tamper: impl FnOnce(&mut Evidence)) -> Option<&'static str> {
    noticed(name, tamper).map(|(property, _)| property)
}

/// The operations that were acknowledged and that fit, as they can be changed.
fn acknowledged(evidence: &mut Evidence, fits: fn(&Operation) -> bool) -> impl Iterator<Item = &mut Operation> {
    let operations = evidence.history.operations.iter_mut();
    operations.filter(move |operation| operation.reply().is_some() && fits(operation))
}

fn reply(operation: &mut Operation) -> &mut lockstep_node::api::Reply {
    match &mut operation.outcome {
        Outcome::Acknowledged { reply, .. } => reply,
        other => panic!("{other:?} holds no reply"),
    }
}

#[test]
fn what_was_not_tampered_with_holds() {
    assert_eq!(property("steady/bank", |_| {}), None);
    assert_eq!(property("sql/shop", |_| {}), None);
    assert_eq!(property("sql/random-and-now", |_| {}), None);
}

#[test]
fn a_result_that_was_changed_is_noticed() {
    let changed = |evidence: &mut Evidence| {
        let read = acknowledged(evidence, Operation::reads).last().expect("some operation reads");
        reply(read).results[0].as_mut().expect("it succeeded").rows.clear();
    };
    assert_eq!(property("sql/shop", changed), Some("model-replay"));
    let counted = |evidence: &mut Evidence| {
        let wrote = acknowledged(evidence, |operation| !operation.reads()).last().expect("some operation writes");
        reply(wrote).results[0].as_mut().expect("it succeeded").rows_affected += 1;
    };
    assert_eq!(property("steady/bank", counted), Some("model-replay"));
}

#[test]
fn a_log_in_another_order_is_noticed() {
    let swapped = |evidence: &mut Evidence| {
        // In a session the earlier of two requests that change places would not be executed.
        evidence.log.values_mut().flatten().for_each(|command| command.session = None);
        let told: Vec<(usize, u64, Duration, Duration)> = evidence
            .history
            .operations
            .iter()
            .enumerate()
            .filter_map(|(place, operation)| {
                let (reply, returned) = operation.reply()?;
                Some((place, reply.index, operation.called, returned))
            })
            .collect();
        let (one, first, _, returned) = told[0];
        let later = told.iter().find(|(_, _, called, _)| *called > returned).expect("not all overlap");
        let (other, second) = (later.0, later.1);
        let (a, b) = (evidence.log.remove(&first), evidence.log.remove(&second));
        evidence.log.insert(first, b.expect("it is in the log"));
        evidence.log.insert(second, a.expect("it is in the log"));
        reply(&mut evidence.history.operations[one]).index = second;
        reply(&mut evidence.history.operations[other]).index = first;
    };
    assert_eq!(property("steady/bank", swapped), Some("real-time"));
}

#[test]
fn an_entry_that_is_gone_doubled_or_another_is_noticed() {
    let gone = |evidence: &mut Evidence| {
        let index = reply(acknowledged(evidence, |_| true).last().expect("some are acknowledged")).index;
        evidence.log.remove(&index);
    };
    assert_eq!(property("steady/bank", gone), Some("exactly-once"));
    let doubled = |evidence: &mut Evidence| {
        let (index, entry) = evidence.log.last_key_value().expect("the log is not empty");
        let (next, mut entry) = (index + 1, entry.clone());
        // With the same number in its session it would not be executed.
        entry.iter_mut().for_each(|command| command.session = None);
        evidence.log.insert(next, entry);
    };
    assert_eq!(property("sql/shop", doubled), Some("exactly-once"));
    let another = |evidence: &mut Evidence| {
        let index = reply(acknowledged(evidence, |_| true).last().expect("some are acknowledged")).index;
        evidence.log.insert(index, None);
    };
    assert_eq!(property("steady/bank", another), Some("exactly-once"));
}

#[test]
fn an_operation_that_was_refused_and_is_in_the_log_is_noticed() {
    let refused = |evidence: &mut Evidence| {
        let operation = acknowledged(evidence, |operation| !operation.reads()).last().expect("some operation writes");
        operation.outcome = Outcome::NotExecuted { reason: "busy".into(), returned: operation.called };
    };
    assert_eq!(property("sql/shop", refused), Some("exactly-once"));
}

#[test]
fn tables_that_are_wrong_on_all_replicas_alike_are_noticed() {
    let wrong = |evidence: &mut Evidence| {
        for replica in evidence.replicas.values_mut() {
            let tables = &mut replica.dump.as_mut().expect("it can be read").tables;
            let orders = tables.iter_mut().find(|table| !table.rows.is_empty()).expect("some table holds rows");
            orders.rows[0].values[0] = Value::Text("wrong".into());
        }
    };
    let (property, violation) = noticed("sql/shop", wrong).expect("it is noticed");
    assert_eq!(property, "model-replay");
    assert!(violation.details[0].contains("the log"), "{:?}", violation.details);
}
