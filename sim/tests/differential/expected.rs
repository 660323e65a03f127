//! Differences that are known and about to be mended. These lists are to be empty.

use lockstep_node::api::SqlError;

use super::difference::Difference;
use super::program::Program;

/// A difference, by its name and what it looks like. The rest of its program is not executed.
type Expected = (&'static str, fn(&Program, &Difference) -> bool);

const EXPECTED: &[Expected] = &[];

/// Errors of SQLite that plain SQLite does not have.
const REFUSALS: &[&str] = &[];

/// The name of a difference, if it is expected.
pub fn name(program: &Program, difference: &Difference) -> Option<&'static str> {
    EXPECTED.iter().find(|(_, is)| is(program, difference)).map(|(name, _)| *name)
}

/// Whether an error is to be taken as a refusal for the time being.
pub fn is_refusal(error: &SqlError) -> bool {
    REFUSALS.iter().any(|text| error.message.contains(text))
}
