//! SQL programs drawn at random: schemas, queries and writes of every kind that SQLite knows, and mistakes among them.
//!
//! A [`Generator`] keeps a model of the schema that its own statements create and draws statements that fit it. The model is
//! optimistic: it takes every change of the schema for done, unless it is told that it failed ([`Generator::undo`]). Errors are
//! results like any other, as long as most statements succeed. Everything is drawn from one [`Stream`]: the same stream gives the same program.
//!
//! The same statements serve three tests. The differential test and the digest test run whole programs on one state machine.
//! The workload `generated` has many clients send single batches, none of which may depend on what another client did: there
//! each batch is drawn from the schema that all of them begin with ([`shared`]).
//!
//! What is left out: functions and statements that Lockstep refuses (they have a table of their own in the node's tests),
//! `last_insert_rowid()` and its kin, virtual tables, and queries whose cost grows without a bound.

mod alter;
mod broken;
mod create;
mod expression;
mod insert;
mod modify;
mod query;
mod schema;
pub mod shared;
mod trigger;
mod value;
mod window;

use lockstep_node::api::{Batch, Parameters, Statement, Value};

use crate::choice::Stream;
use crate::scenario::model::Probability;
pub use schema::Schema;
use value::Binding;

/// What programs contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many tables there are at most.
    pub tables: u32,
    /// The longest text or blob that is bound to a parameter, in bytes. Most are short.
    pub value_bytes_max: u64,
    /// The chance that a statement changes the schema.
    pub ddl: Probability,
    /// Whether statements ask for the time and for random numbers. Lockstep pins both; plain SQLite does not.
    pub moment: bool,
    /// Whether what takes something away that others rely on gives it back: a table that is dropped is created again, and one
    /// that is renamed gets its old name, in the same batch.
    pub restore: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { tables: 5, value_bytes_max: 1 << 20, ddl: Probability(120_000), moment: false, restore: false }
    }
}

/// A statement, and what it is an example of.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The statement.
    pub statement: Statement,
    /// Its kind, for instance `insert select` or `alter add column`.
    pub kind: &'static str,
}

/// Draws statements.
#[derive(Debug)]
pub struct Generator {
    stream: Stream,
    options: Options,
    schema: Schema,
    /// The schema before the last batch.
    before: Schema,
    /// How values of the statement that is being drawn are written.
    binding: Binding,
    /// What is bound to its parameters.
    bound: Vec<Value>,
}

impl Generator {
    /// A generator that begins with an empty database.
    pub fn new(stream: Stream, options: Options) -> Generator {
        Generator::with_schema(stream, options, Schema::default())
    }

    /// A generator that begins with this schema.
    pub fn with_schema(stream: Stream, options: Options, schema: Schema) -> Generator {
        Generator { stream, options, schema, before: Schema::default(), binding: Binding::Literal, bound: Vec::new() }
    }

    /// The schema as it is when everything drawn so far has succeeded.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A batch of one or a few statements, and the kind of each.
    pub fn batch(&mut self) -> (Batch, Vec<&'static str>) {
        self.before = self.schema.clone();
        let length = if self.percent(60) { 1 } else { 1 + self.below(6) };
        let drawn: Vec<Drawn> = (0..length).flat_map(|_| self.statements()).collect();
        let kinds: Vec<_> = drawn.iter().map(|drawn| drawn.kind).collect();
        let statements = drawn.into_iter().map(|drawn| drawn.statement).collect();
        (Batch { statements, atomic: self.percent(40) }, kinds)
    }

    /// Takes back what the last batch did to the model of the schema: it failed.
    pub fn undo(&mut self) {
        let names = self.schema.names;
        self.schema = std::mem::take(&mut self.before);
        // What is left of it may have some of the names.
        self.schema.names = names;
    }

    /// One statement, or several that belong together.
    pub fn statements(&mut self) -> Vec<Drawn> {
        if self.schema.tables.len() < 2 {
            return self.create_table();
        }
        if self.stream.happens(self.options.ddl) {
            return self.change_schema();
        }
        match self.below(100) {
            0..30 => self.insert(),
            30..48 => vec![self.update()],
            48..58 => vec![self.delete()],
            58..93 => vec![self.query()],
            93..96 => self.transfer(),
            _ => vec![self.mistake()],
        }
    }

    /// A statement that changes the schema, or several that belong together.
    fn change_schema(&mut self) -> Vec<Drawn> {
        let few = self.schema.tables.len() < self.options.tables as usize;
        match self.below(100) {
            0..8 if !few => self.create_again(),
            0..24 if few => self.create_table(),
            0..40 => vec![self.create_index()],
            40..54 => self.create_trigger(),
            54..63 => vec![self.create_view()],
            63..90 => self.alter(),
            _ => self.drop_something(),
        }
    }

    /// Begins a statement: chooses how its values are written.
    fn begin(&mut self) {
        self.bound.clear();
        self.binding = match self.below(10) {
            0..4 => Binding::Literal,
            4..7 => Binding::Positional,
            _ => Binding::Named,
        };
    }

    /// Ends a statement.
    fn finish(&mut self, kind: &'static str, sql: String) -> Drawn {
        let values = std::mem::take(&mut self.bound);
        let parameters = match self.binding {
            Binding::Named if !values.is_empty() => {
                Parameters::Named(values.into_iter().zip(1..).map(|(value, nth)| (format!("p{nth}"), value)).collect())
            }
            _ => Parameters::Positional(values),
        };
        self.binding = Binding::Literal;
        Drawn { statement: Statement { sql, parameters }, kind }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.stream.below(bound)
    }

    /// Whether something happens that happens so many times in 100.
    fn percent(&mut self, times: u64) -> bool {
        self.stream.below(100) < times
    }

    /// One of these.
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.stream.below(of.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::trace::Trace;

    fn program(seed: u64, batches: usize) -> Vec<(Batch, Vec<&'static str>)> {
        let stream = Stream::new(&Trace::default(), seed, "test.generated", 0);
        let mut generator = Generator::new(stream, Options::default());
        (0..batches).map(|_| generator.batch()).collect()
    }

    #[test]
    fn a_seed_gives_one_program() {
        assert_eq!(program(7, 50), program(7, 50));
        assert_ne!(program(7, 50), program(8, 50));
    }

    #[test]
    fn every_kind_of_statement_is_drawn() {
        let kinds: BTreeSet<_> = (0..40).flat_map(|seed| program(seed, 100)).flat_map(|(_, kinds)| kinds).collect();
        assert!(kinds.len() > 50, "{} kinds: {kinds:?}", kinds.len());
    }
}
