//! The shape of tables.
//!
//! Nothing in here resolves a name that a user could have defined: tables are named with their schema, and what SQLite tells
//! of a table is asked for by PRAGMA statements, not by the functions of the same names, which a view may hide.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{SESSION_TABLES, is_internal};

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// Its name.
    pub name: String,
    /// The names of its columns, without virtual generated ones: those are computed whenever they are read.
    pub columns: Vec<String>,
    /// What identifies a row.
    pub key: Key,
}

/// What identifies a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The rowid, under the first of its three names that no column hides.
    Rowid(&'static str),
    /// These columns, of a table `WITHOUT ROWID`.
    Primary(Vec<String>),
}

impl TableShape {
    /// A query for all rows in the order of their key: the key's columns first, then all columns.
    pub fn select(&self) -> String {
        let key = match &self.key {
            Key::Rowid(name) => (*name).to_owned(),
            Key::Primary(columns) => list(columns),
        };
        format!("SELECT {key}, {} FROM main.{} ORDER BY {key}", list(&self.columns), quote(&self.name))
    }

    /// How many of the query's columns are the key.
    pub fn key_width(&self) -> usize {
        match &self.key {
            Key::Rowid(_) => 1,
            Key::Primary(columns) => columns.len(),
        }
    }
}

/// The user's tables, by name. `sqlite_sequence` is not among them.
///
/// # Errors
/// What SQLite reports, or that all three names of a table's rowid are hidden.
pub fn tables(connection: &Connection) -> rusqlite::Result<Vec<TableShape>> {
    shapes(connection, |name| !is_internal(name))
}

/// The tables whose rows are part of the digest: the user's and those of client sessions.
///
/// # Errors
/// As for [`tables`].
pub fn hashed_tables(connection: &Connection) -> rusqlite::Result<Vec<TableShape>> {
    shapes(connection, is_hashed)
}

/// Whether the rows of a table of this name are part of the digest.
pub fn is_hashed(name: &str) -> bool {
    !is_internal(name) || SESSION_TABLES.contains(&name)
}

fn shapes(connection: &Connection, is_wanted: impl Fn(&str) -> bool) -> rusqlite::Result<Vec<TableShape>> {
    let mut names = names(connection)?;
    names.retain(|name| is_wanted(name));
    let hidden =
        |name: &str| rusqlite::Error::InvalidColumnName(format!("{name}: rowid, oid and _rowid_ are all columns"));
    names.into_iter().map(|name| shape(connection, name.clone())?.ok_or_else(|| hidden(&name))).collect()
}

/// The first name that SQLite made unique with a number of its process-wide generator. It appends `:1` to `:4` to equal names of
/// a subquery's columns, after removing such a number, and random numbers only when all four are taken.
pub fn random_name<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let drawn =
        |name: &&str| numbered(name).is_some_and(|(_, number)| number.parse::<u32>().is_ok_and(|number| number > 4));
    if !names.clone().any(|name| drawn(&name)) {
        return None;
    }
    let lower: BTreeSet<String> = names.clone().map(str::to_ascii_lowercase).collect();
    let is_taken =
        |base: &str| (1..=4).all(|number| lower.contains(&format!("{}:{number}", base.to_ascii_lowercase())));
    names.into_iter().filter(drawn).find(|name| numbered(name).is_some_and(|(base, _)| is_taken(base)))
}

/// A name without the number at its end, and the number.
fn numbered(name: &str) -> Option<(&str, &str)> {
    let (base, number) = name.rsplit_once(':')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some((base, number))
}

/// What to say of a name that [`random_name`] found.
pub fn random_name_refusal(name: &str) -> String {
    let base = name.rsplit_once(':').map_or(name, |(base, _)| base);
    format!(
        "the columns named {base} are refused: where more than five are equal but for a number at their end, SQLite tells them \
         apart by random numbers; give each a name of its own with AS"
    )
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// It is computed whenever it is read.
    pub is_virtual: bool,
}

/// The shape of a table; `None` if its columns hide all names of its rowid.
///
/// # Errors
/// What SQLite reports.
pub fn shape(connection: &Connection, name: String) -> rusqlite::Result<Option<TableShape>> {
    let mut columns = columns(connection, &name)?;
    let primary = primary_without_rowid(connection, &name)?;
    let key = match primary.is_empty() {
        true => rowid_name(&columns).map(Key::Rowid),
        false => Some(Key::Primary(primary)),
    };
    columns.retain(|column| !column.is_virtual);
    let columns = columns.into_iter().map(|column| column.name).collect();
    Ok(key.map(|key| TableShape { name, columns, key }))
}

/// The names of all ordinary tables, in their order.
fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL %' \
               AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// The columns of a table.
///
/// # Errors
/// What SQLite reports.
pub fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    const VIRTUAL: i64 = 2;
    let mut statement = connection.prepare(&format!("PRAGMA main.table_xinfo({})", quote(table)))?;
    let column = |row: &rusqlite::Row<'_>| {
        Ok(Column { name: row.get("name")?, is_virtual: row.get::<_, i64>("hidden")? == VIRTUAL })
    };
    statement.query_map([], column)?.collect()
}

/// The default of each column that has one, as SQL.
///
/// # Errors
/// What SQLite reports.
pub fn defaults(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA main.table_xinfo({})", quote(table)))?;
    let defaults = statement.query_map([], |row| row.get::<_, Option<String>>("dflt_value"))?;
    defaults.filter_map(Result::transpose).collect()
}

/// The columns of the primary key of a table `WITHOUT ROWID`, in their order; none of another one. That is how SQLite tells the
/// two apart (<https://sqlite.org/pragma.html#pragma_index_info>).
fn primary_without_rowid(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA main.index_info({})", quote(table)))?;
    statement.query_map([], |row| row.get("name"))?.collect()
}

/// The tables that a table's foreign keys refer to.
///
/// # Errors
/// What SQLite reports.
pub fn parents(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(&format!("PRAGMA main.foreign_key_list({})", quote(table)))?;
    statement.query_map([], |row| row.get("table"))?.collect()
}

fn rowid_name(columns: &[Column]) -> Option<&'static str> {
    let hides = |name: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["rowid", "oid", "_rowid_"].into_iter().find(|name| !hides(name))
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ")
}

/// A name as SQL writes it.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a user can define does not stand between the node and its tables, whatever it is called.
    #[test]
    fn views_do_not_hide_what_the_node_asks_for() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE a(x, y AS (x), z); CREATE TABLE b(k, v, PRIMARY KEY(v, k)) WITHOUT ROWID;
                 CREATE VIEW pragma_table_list AS SELECT 'main' AS schema, '_x' AS name, 'table' AS type, 0 AS wr;
                 CREATE VIEW pragma_table_xinfo AS SELECT 'q' AS name, 0 AS hidden, 0 AS pk, 0 AS cid, '' AS arg, '' AS schema;
                 CREATE VIEW pragma_index_info AS SELECT 'q' AS name, 'a' AS arg, 'main' AS schema;
                 CREATE VIEW pragma_foreign_key_list AS SELECT '_lockstep_state' AS \"table\"",
            )
            .unwrap();
        let of = |name: &str, columns: &[&str], key| TableShape {
            name: name.into(),
            columns: columns.iter().map(|name| (*name).into()).collect(),
            key,
        };
        let expected = [
            of("a", &["x", "z"], Key::Rowid("rowid")),
            of("b", &["k", "v"], Key::Primary(vec!["v".into(), "k".into()])),
        ];
        assert_eq!(tables(&connection).unwrap(), expected);
        assert_eq!(parents(&connection, "a").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_random_name_is_one_after_all_four_numbers_are_taken() {
        let found = |names: &[&'static str]| random_name(names.iter().copied());
        assert_eq!(found(&["time", "time:30"]), None);
        assert_eq!(found(&["a", "a:1", "a:2", "a:3", "a:4"]), None);
        assert_eq!(found(&["a", "A:1", "a:2", "a:3", "a:4", "a:3983604339"]), Some("a:3983604339"));
        assert_eq!(found(&["x:1", "x:2", "x:3", "x:4", "x:77"]), Some("x:77"), "the base itself need not be there");
        assert_eq!(found(&["b:9", "x:1", "x:2", "x:3", "x:4"]), None);
    }
}
