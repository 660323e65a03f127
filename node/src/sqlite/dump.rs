//! The whole logical contents of a database, in an order that depends on nothing but the contents.

use bytes::Bytes;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::{is_internal, schema};
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

/// Reads the whole contents of a database. Lockstep's own tables are left out, and so are virtual generated columns. Text
/// that is not UTF-8 comes as a blob.
///
/// # Errors
/// What SQLite reports.
pub fn dump(connection: &Connection) -> rusqlite::Result<Dump> {
    let tables = schema::tables(connection)?.into_iter().map(|shape| {
        let key = shape.key_width();
        read(connection, &shape.select(), key, shape.name.clone(), shape.columns.clone())
    });
    let mut tables = tables.collect::<rusqlite::Result<Vec<_>>>()?;
    if connection.table_exists(Some("main"), "sqlite_sequence")? {
        let columns = vec!["name".to_owned(), "seq".to_owned()];
        let sql = "SELECT rowid, name, seq FROM main.sqlite_sequence ORDER BY rowid";
        tables.push(read(connection, sql, 1, "sqlite_sequence".to_owned(), columns)?);
    }
    Ok(Dump { schema: read_schema(connection)?, tables })
}

fn read_schema(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT tbl_name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let texts = rows.filter(|row| !row.as_ref().is_ok_and(|(table, _)| is_internal(table)));
    texts.map(|row| row.map(|(_, sql)| sql)).collect()
}

fn read(connection: &Connection, sql: &str, key: usize, name: String, columns: Vec<String>) -> rusqlite::Result<Table> {
    let mut statement = connection.prepare(sql)?;
    let width = key + columns.len();
    let rows = statement.query_map([], |row| {
        let values = |range: std::ops::Range<usize>| {
            range.map(|column| row.get_ref(column).map(value)).collect::<rusqlite::Result<_>>()
        };
        Ok(Row { key: values(0..key)?, values: values(key..width)? })
    })?;
    Ok(Table { name, columns, rows: rows.collect::<rusqlite::Result<Vec<_>>>()? })
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Blob(Bytes::copy_from_slice(text)),
        },
        ValueRef::Blob(blob) => Value::Blob(Bytes::copy_from_slice(blob)),
    }
}
