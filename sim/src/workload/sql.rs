//! The user's own statements, chosen by weight, with values drawn for their parameters.

use std::collections::BTreeMap;

use lockstep_node::api::{Batch, Parameters, Statement, Value};
use lockstep_node::client::Resend;

use super::{Asked, weighted};
use crate::choice::Stream;
use crate::scenario::model::{Mixed, Template, Values};

/// What texts are made of: letters, and what is easily mistaken for something else on its way into a database and out again.
const CHARACTERS: &[char] = &[
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'k', 'l', 'm', 'n', 'o', 'p', 'r', 's', 't', 'u', 'v', 'w', 'y', 'A',
    'E', 'N', 'R', 'S', 'T', '0', '1', '7', ' ', ' ', ' ', '\'', '"', '%', '_', '\\', ';', '-', '\n', 'é', 'ß',
    '\u{301}', '漢', '🦀',
];

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
    let resend = if chosen.read.is_some() { Resend::Idempotent } else { Resend::Never };
    Asked { batch: Batch { statements, atomic: chosen.atomic }, read: chosen.read, resend }
}

fn draw(stream: &mut Stream, values: &Values) -> Value {
    match values {
        Values::Range(first, last) => {
            let span = last.abs_diff(*first);
            Value::Integer(first.wrapping_add_unsigned(stream.between(0, span)))
        }
        Values::Zipf(first, last) => {
            let rank = zipf(stream, last.abs_diff(*first).saturating_add(1));
            Value::Integer(first.wrapping_add_unsigned(rank - 1))
        }
        Values::Text(least, most) => {
            let length = stream.between(u64::from(*least), u64::from(*most));
            Value::Text((0..length).map(|_| *stream.pick(CHARACTERS)).collect())
        }
        Values::Blob(least, most) => {
            let length = stream.between(u64::from(*least), u64::from(*most));
            Value::Blob((0..length).map(|_| stream.below(256) as u8).collect())
        }
        Values::OneOf(values) => stream.pick(values).clone(),
    }
}

/// A rank from 1 to `count`, the n-th about n times as seldom as the first: evenly one of the octaves 1, 2 to 3, 4 to 7 …,
/// and evenly a rank in it. Whole numbers only, since the last bit of a power differs between machines.
fn zipf(stream: &mut Stream, count: u64) -> u64 {
    let octaves = u64::from(count.ilog2()) + 1;
    loop {
        let first = 1 << stream.below(octaves);
        let rank = first + stream.below(first);
        if rank <= count {
            return rank;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    fn drawn(values: &Values, times: usize) -> Vec<Value> {
        let mut stream = Stream::new(&Trace::default(), 7, "workload.sql", 0);
        (0..times).map(|_| draw(&mut stream, values)).collect()
    }

    #[test]
    fn the_first_of_many_is_hot() {
        let drawn = drawn(&Values::Zipf(1, 1000), 10_000);
        let times = |ranks: std::ops::RangeInclusive<i64>| {
            drawn.iter().filter(|value| matches!(value, Value::Integer(rank) if ranks.contains(rank))).count()
        };
        assert_eq!(times(1..=1000), 10_000);
        assert!((900..1200).contains(&times(1..=1)), "{}", times(1..=1));
        assert!((350..650).contains(&times(2..=2)), "{}", times(2..=2));
        assert!((800..1200).contains(&times(512..=1000)), "{}", times(512..=1000));
    }

    #[test]
    fn ranges_keep_to_their_ends() {
        for values in [Values::Zipf(-3, -3), Values::Range(-3, -3)] {
            assert_eq!(drawn(&values, 3), [-3, -3, -3].map(Value::Integer));
        }
        let whole = drawn(&Values::Zipf(i64::MIN, i64::MAX), 2000);
        assert!(whole.iter().any(|value| matches!(value, Value::Integer(0..))));
        assert!(whole.iter().any(|value| matches!(value, Value::Integer(i64::MIN..-9_000_000_000_000_000_000))));
    }

    #[test]
    fn texts_and_blobs_have_their_lengths() {
        for value in drawn(&Values::Text(2, 5), 200) {
            let Value::Text(text) = value else { panic!("{value} is no text") };
            assert!((2..=5).contains(&text.chars().count()), "{text:?}");
        }
        let lengths: std::collections::BTreeSet<usize> = drawn(&Values::Blob(0, 3), 200)
            .into_iter()
            .map(|value| if let Value::Blob(bytes) = value { bytes.len() } else { panic!("{value} is no blob") })
            .collect();
        assert_eq!(lengths, [0, 1, 2, 3].into());
    }
}
