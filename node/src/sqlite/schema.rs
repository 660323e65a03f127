//! The shape of tables, and what a user's schema may not contain.

use std::collections::{BTreeMap, BTreeSet};

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
    let mut tables = names(connection)?;
    tables.retain(|(name, _)| is_wanted(name));
    tables.into_iter().map(|(name, without_rowid)| shape(connection, name, without_rowid)).collect()
}

/// Finds in a schema what the authorizer cannot see. A table's definition says all that is looked for, so each is looked at
/// once.
#[derive(Debug, Default)]
pub struct Inspector {
    /// The definitions of tables that are fine.
    fine: BTreeSet<String>,
}

impl Inspector {
    /// Why the schema, as a user's statement just left it, is refused; `None` if it is fine.
    ///
    /// # Errors
    /// What SQLite reports.
    pub fn refusal(&mut self, connection: &Connection, internal: &[&str]) -> rusqlite::Result<Option<String>> {
        let definitions = definitions(connection)?;
        if definitions.values().all(|definition| self.fine.contains(definition)) {
            return Ok(None);
        }
        for (table, without_rowid) in names(connection)? {
            if definitions.get(&table).is_some_and(|definition| self.fine.contains(definition)) {
                continue;
            }
            let refusal = table_refusal(connection, &table, without_rowid, internal)?;
            if refusal.is_some() {
                return Ok(refusal);
            }
        }
        self.fine = definitions.into_values().collect();
        Ok(None)
    }
}

fn table_refusal(
    connection: &Connection,
    table: &str,
    without_rowid: bool,
    internal: &[&str],
) -> rusqlite::Result<Option<String>> {
    if is_internal(table) {
        let refused = format!("{table} is refused: names that begin with _lockstep_ are Lockstep's own");
        return Ok((!internal.contains(&table)).then_some(refused));
    }
    let columns = columns(connection, table)?;
    if let Some(name) = random_name(columns.iter().map(|column| column.name.as_str())) {
        return Ok(Some(random_name_refusal(name)));
    }
    if !without_rowid && rowid_name(&columns).is_none() {
        let message = "hides all three names of its rowid; leave one of rowid, oid and _rowid_ free";
        return Ok(Some(format!("table {table} is refused: it {message}")));
    }
    let parents = parents(connection, table)?;
    let parent = parents.iter().find(|parent| is_internal(parent));
    Ok(parent
        .map(|parent| format!("a foreign key to {parent} is refused: Lockstep keeps its own state under that name")))
}

/// The first name that SQLite made unique with a number of its process-wide generator: it appends `:1` to `:4` to equal
/// names of a subquery's columns, and random numbers from there on.
pub fn random_name<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    names.clone().find(|name| {
        let Some((base, suffix)) = name.rsplit_once(':') else { return false };
        suffix.parse::<u32>().is_ok_and(|number| number > 4)
            && names.clone().any(|other| other.eq_ignore_ascii_case(base))
    })
}

/// What to say of a name that [`random_name`] found.
pub fn random_name_refusal(name: &str) -> String {
    let base = name.rsplit_once(':').map_or(name, |(base, _)| base);
    format!(
        "more than five columns named {base} are refused: SQLite tells them apart by random numbers; give each a name of its \
         own with AS"
    )
}

struct Column {
    name: String,
    /// Its place in the primary key from 1, or 0.
    primary: usize,
    is_virtual: bool,
}

fn shape(connection: &Connection, name: String, without_rowid: bool) -> rusqlite::Result<TableShape> {
    let mut columns = columns(connection, &name)?;
    let key = if without_rowid {
        let mut primary = columns.iter().filter(|column| column.primary > 0).collect::<Vec<_>>();
        primary.sort_by_key(|column| column.primary);
        Key::Primary(primary.into_iter().map(|column| column.name.clone()).collect())
    } else {
        let hidden = || rusqlite::Error::InvalidColumnName(format!("{name}: rowid, oid and _rowid_ are all columns"));
        Key::Rowid(rowid_name(&columns).ok_or_else(hidden)?)
    };
    columns.retain(|column| !column.is_virtual);
    Ok(TableShape { name, columns: columns.into_iter().map(|column| column.name).collect(), key })
}

/// The definition of every table by the table's name.
fn definitions(connection: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let sql = "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql IS NOT NULL";
    connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Every ordinary table with whether it is `WITHOUT ROWID`, by name.
fn names(connection: &Connection) -> rusqlite::Result<Vec<(String, bool)>> {
    let sql = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
               AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    connection.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Column>> {
    const VIRTUAL: i64 = 2;
    let mut statement =
        connection.prepare("SELECT name, pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid")?;
    let column = |row: &rusqlite::Row<'_>| {
        Ok(Column {
            name: row.get(0)?,
            primary: row.get::<_, u32>(1)? as usize,
            is_virtual: row.get::<_, i64>(2)? == VIRTUAL,
        })
    };
    statement.query_map([table], column)?.collect()
}

fn parents(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT \"table\" FROM pragma_foreign_key_list(?1, 'main')")?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

fn rowid_name(columns: &[Column]) -> Option<&'static str> {
    let hides = |name: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["rowid", "oid", "_rowid_"].into_iter().find(|name| !hides(name))
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ")
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
