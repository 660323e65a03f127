//! A database as SQL statements, for systems that copy one to another machine.

use lockstep_node::api::{Batch, Statement};
use lockstep_node::sqlite::dump::{Table, dump};
use rusqlite::Connection;

use super::plain_sqlite;

/// The statements that make a copy of a database: its tables, their rows, then what else there is.
pub fn statements(database: &Connection) -> rusqlite::Result<Vec<Statement>> {
    let dump = dump(database)?;
    let is_table = |sql: &String| sql.get(..12).is_some_and(|begin| begin.eq_ignore_ascii_case("CREATE TABLE"));
    // SQLite makes its own tables itself.
    let users = dump.schema.into_iter().filter(|sql| !sql.starts_with("CREATE TABLE sqlite_"));
    let (tables, rest): (Vec<String>, Vec<String>) = users.partition(is_table);
    let rows = dump.tables.iter().flat_map(rows);
    Ok(tables.into_iter().map(Statement::new).chain(rows).chain(rest.into_iter().map(Statement::new)).collect())
}

/// The statements that fill a table.
fn rows(table: &Table) -> impl Iterator<Item = Statement> {
    let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = table.columns.iter().map(quoted).collect();
    let values = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT OR REPLACE INTO {}({}) VALUES ({values})", quoted(&table.name), columns.join(", "));
    // The rows of all other tables have left their own there.
    let clear = (table.name == "sqlite_sequence").then(|| Statement::new("DELETE FROM sqlite_sequence"));
    clear.into_iter().chain(table.rows.iter().map(move |row| Statement::with(insert.clone(), row.values.clone())))
}

/// Puts a piece of a copy in place of everything that is there, or beside it. Returns whether it fits.
pub fn put(database: &Connection, batch: &Batch, anew: bool) -> rusqlite::Result<bool> {
    // What a row refers to may come with a later piece.
    database.execute_batch("PRAGMA foreign_keys = OFF")?;
    if anew {
        let sql = "SELECT format('DROP %s \"%w\";', type, name) FROM sqlite_schema \
                   WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'";
        let drops: Vec<String> = database.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        database.execute_batch(&drops.concat())?;
    }
    let results = plain_sqlite::execute(database, batch)?;
    database.execute_batch("PRAGMA foreign_keys = ON")?;
    Ok(results.iter().all(Result::is_ok))
}
