//! The whole logical contents of a database, in an order that depends on nothing but the contents.

use crate::api::Value;

/// All user tables and the schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dump {
    /// The SQL text of every user table, index, view and trigger, ordered by kind and name.
    pub schema: Vec<String>,
    /// The tables by name, `sqlite_sequence` included if there is one.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns' names.
    pub columns: Vec<String>,
    /// Its rows, ordered by key.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The rowid, or the primary key of a table without one.
    pub key: Vec<Value>,
    /// One value a column.
    pub values: Vec<Value>,
}
