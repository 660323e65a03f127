//! The user's own statements, chosen by weight, with values drawn for their parameters.

use std::collections::BTreeMap;

use lockstep_node::api::{Batch, Parameters, Statement, Value};
use lockstep_node::client::Resend;

use super::{Asked, weighted};
use crate::choice::Stream;
use crate::scenario::model::{Mixed, Template, Values};

/// An operation of the mix.
pub(super) fn operation(stream: &mut Stream, mix: &[Mixed], values: &BTreeMap<String, Values>) -> Asked {
    let chosen = weighted(stream, mix, |mixed| mixed.weight);
    // One value a name and operation: the statements of an operation speak of the same things.
    let drawn: BTreeMap<&str, Value> = values.iter().map(|(name, of)| (name.as_str(), draw(stream, of))).collect();
    let statement = |template: &Template| Statement {
        sql: template.sql.clone(),
        parameters: Parameters::Named(
            template.parameters.iter().map(|name| (name.clone(), drawn[name.as_str()].clone())).collect(),
        ),
    };
    let statements = chosen.sql.iter().map(statement).collect();
    // A read changes nothing, however often it is done; what a write would do twice nobody knows.
    let resend = if chosen.read { Resend::Idempotent } else { Resend::Never };
    Asked { batch: Batch { statements, atomic: chosen.atomic }, read: chosen.read, resend }
}

fn draw(stream: &mut Stream, values: &Values) -> Value {
    match values {
        Values::Range(first, last) => {
            let span = last.abs_diff(*first);
            Value::Integer(first.wrapping_add_unsigned(stream.between(0, span)))
        }
        Values::OneOf(values) => stream.pick(values).clone(),
    }
}
