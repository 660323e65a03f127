//! `values` of a workload of the user's own statements: what its named parameters are drawn from.

use lockstep_node::api::Value;

use super::expect::scalar;
use super::model::Values;
use super::reader::Item;
use super::value::{self, Wrong};

/// The longest text or blob that is drawn.
const LENGTH_MAX: i64 = 10_000;

/// The values that a parameter takes: a range, a list, a single one, or a generator in a table.
pub fn read(item: &Item<'_>) -> Option<Values> {
    match item.kind() {
        "string" => item.parse(value::integer_range).map(|(first, last)| Values::Range(first, last)),
        "array" => {
            let list: Vec<Value> = item.list()?.iter().map(scalar).collect::<Option<_>>()?;
            match list.is_empty() {
                true => item.wrong(Wrong::brief("is empty", "there is no value to draw")),
                false => Some(Values::OneOf(list)),
            }
        }
        "table" => generator(item),
        _ => scalar(item).map(|value| Values::OneOf(vec![value])),
    }
}

fn generator(item: &Item<'_>) -> Option<Values> {
    let table = item.table("`values`")?;
    let given: Vec<Item<'_>> = ["zipf", "text", "blob"].into_iter().filter_map(|key| table.find(key)).collect();
    table.finish();
    match &given[..] {
        [one] if one.key == "zipf" => one.parse(value::integer_range).map(|(first, last)| Values::Zipf(first, last)),
        [one] if one.key == "text" => lengths(one).map(|(least, most)| Values::Text(least, most)),
        [one] => lengths(one).map(|(least, most)| Values::Blob(least, most)),
        [one, other, ..] => {
            let help = "a parameter has one generator: keep one of them";
            other.contradicts(one, "two generators for one value", "and here another", "here is one", help);
            None
        }
        // What stands there instead was refused already.
        [] if !table.is_empty() => None,
        [] => item.wrong(Wrong::new("is empty", "there is no value to draw", EXAMPLES)),
    }
}

const EXAMPLES: &str = "for instance { zipf = \"1..100\" }, { text = \"0..80\" } or { blob = \"16..16\" }";

fn lengths(item: &Item<'_>) -> Option<(u32, u32)> {
    let (least, most) = item.parse(value::integer_range)?;
    match (u32::try_from(least), u32::try_from(most)) {
        (Ok(shortest), Ok(longest)) if most <= LENGTH_MAX => Some((shortest, longest)),
        _ => item.wrong(Wrong::brief("is out of range", format!("a length lies between 0 and {LENGTH_MAX}"))),
    }
}
