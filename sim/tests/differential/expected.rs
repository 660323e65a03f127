//! Differences that are known and about to be mended. These lists are to be empty.

use lockstep_node::api::SqlError;
use lockstep_node::state_machine::Fatal;

use super::difference::Difference;
use super::program::Program;

/// A difference, by its name and what it looks like. The rest of its program is not executed.
type Expected = (&'static str, fn(&Program, &Difference) -> bool);

const EXPECTED: &[Expected] = &[
    ("a counter that is exhausted is taken for a full disk", |_, difference| {
        matches!(difference, Difference::Fatal { fatal: Fatal::Sqlite { code: 13, .. }, .. })
    }),
    ("rows that are shorter than their table are hashed as they are not", |program, difference| {
        let is_digest = matches!(difference, Difference::Digest { .. } | Difference::Copy { .. });
        is_digest && program.entries.iter().flat_map(|entry| &entry.kinds).any(|kind| kind.starts_with("alter add"))
    }),
];

/// Errors of SQLite that plain SQLite does not have.
const REFUSALS: &[&str] = &["non-deterministic functions prohibited in"];

/// The name of a difference, if it is expected.
pub fn name(program: &Program, difference: &Difference) -> Option<&'static str> {
    EXPECTED.iter().find(|(_, is)| is(program, difference)).map(|(name, _)| *name)
}

/// Whether an error is to be taken as a refusal for the time being.
pub fn is_refusal(error: &SqlError) -> bool {
    REFUSALS.iter().any(|text| error.message.contains(text))
}
