//! What a schema may not contain, and the authorizer cannot see: looked for after each statement that changed the schema.
//!
//! What is refused in one place must be refused in all. A constraint may come about by `CREATE TABLE` or by any form of
//! `ALTER TABLE`, of which SQLite executes some without asking the authorizer. So the definition of each table that changed
//! is created once more, in a database of its own, as if a user had written it.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::authorizer::{RANDOM_CONSTRAINT, TEMPORARY, local_table};
use super::database::{Database, OpenError, Options, Seen};
use super::digest::RowHash;
use super::limits::{FOREIGN_KEYS_MAX, NAME_BYTES_MAX, SCHEMA_BYTES_MAX};
use super::schema::{self, Key};
use super::{INTERNAL_TABLES, is_internal};

/// Inspects one database's schema. An object's definition says all that is looked for, so each is looked at once.
#[derive(Debug, Default)]
pub struct Inspector {
    /// The hashes of definitions that are fine.
    fine: BTreeSet<u128>,
    /// The database in which tables are created once more.
    scratch: Option<Box<Database>>,
}

/// A row of `sqlite_schema`.
struct Object {
    kind: String,
    name: String,
    table: String,
    /// `None` for what SQLite made on its own.
    sql: Option<String>,
}

/// How large a schema is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// Tables, indexes, views and triggers.
    pub objects: usize,
    /// Bytes of their definitions.
    pub bytes: usize,
    /// Bytes of those of views and triggers, in which names are looked for.
    pub searched: usize,
}

impl Inspector {
    /// Why the schema, as a user's statement just left it, is refused; `None` if it is fine. Also returns how many objects it has,
    /// as far as they were looked at, and the bytes of their definitions.
    ///
    /// # Errors
    /// What SQLite reports.
    pub fn refusal(&mut self, database: &Database) -> rusqlite::Result<(Option<String>, Size)> {
        let connection = database.connection();
        // The authorizer sees `CREATE TRIGGER temp.x ON main.t` as one of the main schema.
        if connection.prepare("SELECT 1 FROM temp.sqlite_schema")?.exists([])? {
            return Ok((Some(TEMPORARY.to_owned()), Size::default()));
        }

        // Most objects did not change: of those nothing but a hash is taken.
        let (mut fine, mut changed, mut size) = (BTreeSet::new(), Vec::new(), Size::default());
        let mut row_hash = RowHash::default();
        let expands = !database.views().is_empty();
        let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM main.sqlite_schema")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            row_hash.begin(b"sqlite_schema", 0);
            (0..4).try_for_each(|column| row.get_ref(column).map(|value| row_hash.push(value)))?;
            let hash = row_hash.finish();
            // What a view or a trigger costs is a matter of other views as well.
            let depends = expands && matches!(row.get_ref(0)?.as_str()?, "view" | "trigger");
            if depends || !self.fine.contains(&hash) {
                changed.push(Object::read(row)?);
            }
            fine.insert(hash);
            size.objects += 1;
            let bytes = row.get_ref(3)?.as_bytes_or_null()?.map_or(0, <[u8]>::len);
            size.bytes += bytes;
            size.searched += if matches!(row.get_ref(0)?.as_str()?, "view" | "trigger") { bytes } else { 0 };
        }
        drop(rows);
        if size.bytes > SCHEMA_BYTES_MAX {
            let message = format!(
                "the definitions of tables, indexes, views and triggers have {} bytes, and {SCHEMA_BYTES_MAX} is the most; keep \
                 texts in tables",
                size.bytes
            );
            return Ok((Some(message), size));
        }

        for object in &changed {
            if let Some(refusal) = self.object_refusal(database, object)? {
                return Ok((Some(refusal), size));
            }
        }
        self.fine = fine;
        Ok((None, size))
    }

    fn object_refusal(&mut self, database: &Database, object: &Object) -> rusqlite::Result<Option<String>> {
        let Object { kind, name, table, sql } = object;
        if let Some(taken) = [name, table].into_iter().find(|name| is_internal(name)) {
            let refused = format!("{taken} is refused: names that begin with _lockstep_ are Lockstep's own");
            return Ok((!INTERNAL_TABLES.contains(&table.as_str())).then_some(refused));
        }
        if let Some(refusal) = local_table(name).or_else(|| name_refusal(kind, name)) {
            return Ok(Some(refusal));
        }
        match (kind.as_str(), sql) {
            ("table", Some(sql)) if !is_sqlites(name) => self.table_refusal(database.connection(), name, sql),
            ("view", _) => {
                Ok(database.views().refusal_of(name).map(|refusal| format!("view {name} is refused: {refusal}")))
            }
            ("trigger", Some(sql)) => {
                Ok(database.views().refusal(sql).map(|refusal| format!("trigger {name} is refused: {refusal}")))
            }
            _ => Ok(None),
        }
    }

    fn table_refusal(&mut self, connection: &Connection, table: &str, sql: &str) -> rusqlite::Result<Option<String>> {
        let columns = schema::columns(connection, table)?;
        let refusal = columns.iter().find_map(|column| name_refusal("column", &column.name));
        if refusal.is_some() {
            return Ok(refusal);
        }
        // An index or a constraint that says true would come to mean the column, and rows that are there would not be in it.
        let is_literal = |name: &str| ["true", "false"].iter().any(|literal| name.eq_ignore_ascii_case(literal));
        if let Some(column) = columns.iter().find(|column| is_literal(&column.name)) {
            let name = &column.name;
            let message = "expressions could not tell it from the value; choose another name";
            return Ok(Some(format!("a column named {name} is refused: {message}")));
        }
        if let Some(name) = schema::random_name(columns.iter().map(|column| column.name.as_str())) {
            return Ok(Some(schema::random_name_refusal(name)));
        }
        let Some(shape) = schema::shape(connection, table.to_owned())? else {
            let message = "hides all three names of its rowid; leave one of rowid, oid and _rowid_ free";
            return Ok(Some(format!("table {table} is refused: it {message}")));
        };
        let parents = schema::parents(connection, table)?;
        if parents.len() > FOREIGN_KEYS_MAX {
            let many = parents.len();
            return Ok(Some(format!(
                "table {table} has {many} foreign keys, and {FOREIGN_KEYS_MAX} is the most; split it"
            )));
        }
        if let Some(parent) = parents.iter().find(|parent| is_internal(parent)) {
            let message = "Lockstep keeps its own state under that name";
            return Ok(Some(format!("a foreign key to {parent} is refused: {message}")));
        }
        // Whatever the node will have to read, it tries to read now.
        if let Err(error) = connection.prepare(&shape.select()) {
            let width = match &shape.key {
                Key::Rowid(_) => shape.columns.len(),
                Key::Primary(key) => key.len() + shape.columns.len(),
            };
            return Ok(Some(format!(
                "table {table} is refused: a query for its {width} columns of key and values fails ({error}); split the table"
            )));
        }
        self.definition_refusal(table, sql)
    }

    /// Creates a table once more, as a user would.
    fn definition_refusal(&mut self, table: &str, sql: &str) -> rusqlite::Result<Option<String>> {
        let scratch = match &mut self.scratch {
            Some(scratch) => scratch,
            none => none.insert(Box::new(open_scratch()?)),
        };
        let created = create_once_more(scratch, table, sql);
        // A definition that left something behind must not meet the next one.
        if !matches!(created, Ok(None)) {
            self.scratch = None;
        }
        created
    }
}

/// Opens a database in which a table can be created and dropped whatever it refers to.
fn open_scratch() -> rusqlite::Result<Database> {
    let opened = Database::in_memory(Options { cached_statements: 0, ..Options::default() });
    let scratch = opened.map_err(|error| match error {
        OpenError::Sqlite(error) => error,
        OpenError::Vfs(reason) => {
            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOMEM), Some(reason))
        }
    })?;
    scratch.connection().set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    Ok(scratch)
}

/// Creates a table in an empty database, and removes it again. Returns why it is refused, if it is.
fn create_once_more(scratch: &Database, table: &str, sql: &str) -> rusqlite::Result<Option<String>> {
    let before = scratch.draws();
    let (created, Seen { refusal, .. }) = scratch.as_user(&Seen::default(), |connection| connection.execute_batch(sql));
    if let Err(error) = created {
        return Ok(Some(refusal.unwrap_or_else(|| format!("table {table} is refused: {error}"))));
    }
    let in_definition = scratch.draws() - before;

    // A default may draw a number, a constraint may not. SQLite says of each call that there is one, and not where: what is
    // not in a default is in a constraint.
    if in_definition > 0 {
        let before = scratch.draws();
        for default in schema::defaults(scratch.connection(), table)? {
            let sql = format!("SELECT {default}");
            let (_prepared, _) = scratch.as_user(&Seen::default(), |connection| connection.prepare(&sql).map(|_| ()));
        }
        if in_definition > scratch.draws() - before {
            return Ok(Some(RANDOM_CONSTRAINT.to_owned()));
        }
    }
    scratch.connection().execute_batch(&format!("DROP TABLE main.{}", schema::quote(table)))?;
    Ok(None)
}

impl Object {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Object> {
        Ok(Object { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    }
}

fn name_refusal(kind: &str, name: &str) -> Option<String> {
    (name.len() > NAME_BYTES_MAX).then(|| {
        let beginning: String = name.chars().take(20).collect();
        format!(
            "the name of {kind} {beginning}… has {} bytes, and {NAME_BYTES_MAX} is the most; choose a shorter one",
            name.len()
        )
    })
}

/// Whether a table is one of SQLite's own, `sqlite_sequence` for instance.
fn is_sqlites(name: &str) -> bool {
    name.as_bytes().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"sqlite_"))
}
