//! Statements of clients that know nothing of each other.
//!
//! All clients know one schema, which the setup creates, and a few names that may be there beside it: indexes, views,
//! triggers, columns. Each operation is drawn from the schema as it was at first, whatever others did to it since: what does
//! not fit is answered with an error, the same everywhere. What takes something away that others rely on gives it back in
//! the same batch ([`Options::restore`]), so that most statements fit.

use lockstep_node::api::{Batch, ReadLevel};
use lockstep_node::client::Resend;

use super::schema::{Affinity, Column, View};
use super::{Drawn, Generator, Options, Schema};
use crate::choice::Stream;
use crate::scenario::model::WorkloadKind;
use crate::workload::Asked;

/// How many names there are of each kind of thing that clients create beside the schema.
const NAMES: u64 = 6;

/// How many of 100 operations only read.
const READS_PERCENT: u64 = 25;

/// What a workload's statements contain, if it is of this kind.
pub fn options(kind: &WorkloadKind) -> Option<Options> {
    let WorkloadKind::Generated { tables, value_bytes, ddl } = *kind else { return None };
    Some(Options { tables, value_bytes_max: value_bytes, ddl, moment: true, restore: true })
}

/// The statements that create the schema, in their order, and the schema.
pub fn schema(stream: Stream, options: Options) -> (Vec<String>, Schema) {
    let mut generator = Generator::new(stream, options);
    let mut statements: Vec<Drawn> = Vec::new();
    while generator.schema.tables.len() < options.tables as usize {
        statements.extend(generator.create_table());
    }
    (statements.into_iter().map(|drawn| drawn.statement.sql).collect(), generator.schema)
}

/// An operation of a client that knows this schema.
pub(crate) fn operation(mut stream: Stream, options: Options, schema: Schema) -> Asked {
    let schema = with_names(&mut stream, schema);
    let mut generator = Generator::with_schema(stream, options, schema);
    if generator.percent(READS_PERCENT) {
        let statements = (0..1 + generator.below(2)).map(|_| generator.query()).filter(|drawn| drawn.reads());
        let statements: Vec<_> = statements.map(|drawn| drawn.statement).collect();
        if !statements.is_empty() {
            let batch = Batch { statements, atomic: generator.percent(50) };
            return Asked { batch, read: Some(ReadLevel::Strong), resend: Resend::Idempotent };
        }
    }
    let (batch, _) = generator.batch();
    Asked { batch, read: None, resend: Resend::Never }
}

/// The schema with what others may have created by now.
fn with_names(stream: &mut Stream, mut schema: Schema) -> Schema {
    let first = u64::from(schema.names) + 1;
    let mut pick = || stream.between(first, first + NAMES - 1);
    let names = [pick(), pick(), pick(), pick()];
    let table = stream.below(schema.tables.len() as u64) as usize;
    let name = schema.tables[table].name.clone();
    schema.indexes.push((format!("i{}", names[0]), name.clone()));
    schema.triggers.push((format!("g{}", names[1]), name.clone()));
    schema.constraints.push((name, format!("k{}", names[2])));
    schema.views.push(View { name: format!("v{}", names[3]), columns: vec!["v1".to_owned()] });
    if stream.below(4) == 0 {
        let name = format!("n{}", names[3]);
        let affinity = *stream.pick(&Affinity::ALL);
        let column = Column { name, affinity, generated: false, required: false, primary: false };
        schema.tables[table].columns.push(column);
    }
    // The next name that the generator gives away is one of these as well.
    schema.names += stream.below(NAMES) as u32;
    schema
}

impl Drawn {
    /// Whether it is a query, and none that is wrong on purpose.
    fn reads(&self) -> bool {
        ["SELECT", "VALUES"].iter().any(|verb| self.statement.sql.starts_with(verb))
            || (self.statement.sql.starts_with("WITH") && self.kind != "insert from recursion")
    }
}
