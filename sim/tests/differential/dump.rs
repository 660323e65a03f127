//! All that a database holds, as text: the schema, and every table with its rowids and the storage class of each value.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

/// The lines of each table by its name; the schema is a table too.
pub type Dump = BTreeMap<String, Vec<String>>;

/// Reads everything but Lockstep's own tables. A table that cannot be read has one line that says why.
pub fn dump(connection: &Connection) -> Dump {
    let schema = format!("SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE tbl_name {NOT_OWN}");
    let mut dump = Dump::from([("the schema".to_owned(), lines(connection, &schema))]);
    let names = format!(
        "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name <> 'sqlite_schema' \
         AND name {NOT_OWN}"
    );
    let mut statement = connection.prepare(&names).expect("the tables can be listed");
    let tables = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)));
    for table in tables.expect("the tables can be listed") {
        let (name, without_rowid) = table.expect("a table has a name");
        let quoted = name.replace('"', "\"\"");
        let mut rows = match without_rowid {
            true => lines(connection, &format!("SELECT * FROM main.\"{quoted}\"")),
            false => lines(connection, &format!("SELECT rowid, * FROM main.\"{quoted}\" ORDER BY rowid")),
        };
        if without_rowid {
            rows.sort();
        }
        dump.insert(name, rows);
    }
    dump
}

/// Leaves Lockstep's own tables out.
const NOT_OWN: &str = "NOT LIKE '\\_lockstep\\_%' ESCAPE '\\'";

fn lines(connection: &Connection, sql: &str) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(sql)?;
        let width = statement.column_count();
        let rows = statement.query_map([], |row| line(row, width))?;
        rows.collect()
    };
    read().unwrap_or_else(|error| vec![format!("cannot be read: {error}")])
}

fn line(row: &Row<'_>, width: usize) -> rusqlite::Result<String> {
    let values = (0..width).map(|column| Ok(text(row.get_ref(column)?))).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(values.join(", "))
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        // The sign of zero counts, and so does the last bit.
        ValueRef::Real(value) => format!("{value:?} ({:016x})", value.to_bits()),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("text of bytes {text:02x?}"),
        },
        ValueRef::Blob(blob) => format!("x'{}'", blob.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
