//! What clients that know nothing of each other have in common: the schema that all of them begin with.

use super::{Drawn, Generator, Options, Schema};
use crate::choice::Stream;

/// The statements that create the shared schema, in their order, and the schema.
pub fn schema(stream: Stream, options: Options) -> (Vec<String>, Schema) {
    let mut generator = Generator::new(stream, options);
    let mut statements: Vec<Drawn> = Vec::new();
    while generator.schema.tables.len() < options.tables as usize {
        statements.extend(generator.create_table());
    }
    (statements.into_iter().map(|drawn| drawn.statement.sql).collect(), generator.schema)
}
