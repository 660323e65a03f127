//! A database as SQL statements, for systems that copy one to another machine.

use lockstep_node::api::{Batch, Statement};
use rusqlite::Connection;

use super::plain_sqlite;

/// What users made, of what `sqlite_schema` lists: not SQLite's own tables, nor those in which virtual tables keep theirs.
const USERS: &str = "sql IS NOT NULL AND name NOT GLOB 'sqlite_*' \
                     AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')";

/// At most `count` of the statements that make a copy of a database, after the first `begin` of them: its tables, their rows,
/// then what else there is. Fewer than `count` are the last.
pub fn statements(database: &Connection, begin: usize, count: usize) -> rusqlite::Result<Vec<Statement>> {
    let mut wanted = Wanted { skip: begin, count, statements: Vec::new() };
    let texts = |what: &str| {
        strings(
            database,
            &format!("SELECT sql FROM sqlite_schema WHERE {USERS} AND {what} ORDER BY type = 'trigger', type, name"),
        )
    };
    wanted.take_all(texts("type = 'table'")?);
    for table in
        strings(database, &format!("SELECT name FROM sqlite_schema WHERE {USERS} AND type = 'table' ORDER BY name"))?
    {
        wanted.take_rows(database, &table)?;
    }
    if database.table_exists(Some("main"), "sqlite_sequence")? {
        // The rows of all other tables have left their own there.
        wanted.take_all(vec!["DELETE FROM sqlite_sequence".to_owned()]);
        wanted.take_rows(database, "sqlite_sequence")?;
    }
    // A trigger needs its view.
    wanted.take_all(texts("type <> 'table'")?);
    Ok(wanted.statements)
}

/// The part of a list of statements that is asked for. What comes before it is counted and not read.
struct Wanted {
    skip: usize,
    count: usize,
    statements: Vec<Statement>,
}

impl Wanted {
    fn take_all(&mut self, texts: Vec<String>) {
        let skipped = self.skip.min(texts.len());
        self.skip -= skipped;
        let room = self.count - self.statements.len();
        self.statements.extend(texts.into_iter().skip(skipped).take(room).map(Statement::new));
    }

    /// The statements that fill a table.
    fn take_rows(&mut self, database: &Connection, table: &str) -> rusqlite::Result<()> {
        let name = quoted(table);
        let rows: u32 = database.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0))?;
        let rows = rows as usize;
        let skipped = self.skip.min(rows);
        self.skip -= skipped;
        let room = self.count - self.statements.len();
        if skipped == rows || room == 0 {
            return Ok(());
        }
        let mut columns = database.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid")?;
        let columns: Vec<String> = columns.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let (listed, places) =
            (columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "), vec!["?"; columns.len()]);
        let insert = format!("INSERT OR REPLACE INTO {name}({listed}) VALUES ({})", places.join(", "));
        let mut read = database.prepare(&format!("SELECT {listed} FROM {name} LIMIT {room} OFFSET {skipped}"))?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            self.statements.push(Statement::with(insert.clone(), plain_sqlite::values(row, columns.len())?));
        }
        Ok(())
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn strings(database: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    database.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// Puts a piece of a copy in place of everything that is there, or beside it. Returns whether it fits.
pub fn put(database: &Connection, batch: &Batch, anew: bool) -> rusqlite::Result<bool> {
    // What a row refers to may come with a later piece.
    database.execute_batch("PRAGMA foreign_keys = OFF")?;
    let cleared = if anew { clear(database) } else { Ok(()) };
    let results = cleared.and_then(|()| plain_sqlite::execute(database, batch));
    database.execute_batch("PRAGMA foreign_keys = ON")?;
    Ok(results?.iter().all(Result::is_ok))
}

fn clear(database: &Connection) -> rusqlite::Result<()> {
    let drop = "format('DROP %s \"%w\";', type, name)";
    let sql = format!("SELECT {drop} FROM sqlite_schema WHERE {USERS} AND type IN ('table', 'view')");
    database.execute_batch(&strings(database, &sql)?.concat())
}

#[cfg(test)]
mod tests {
    use lockstep_node::sqlite::dump::dump;

    use super::*;

    #[test]
    fn a_copy_of_a_quiet_database_is_that_database() {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(include_str!("../../../scenarios/store/store.sql")).unwrap();
        database.execute_batch("CREATE TABLE sqlites(a); INSERT INTO sqlites VALUES (1), (2)").unwrap();
        let words = "CREATE VIRTUAL TABLE words USING fts5(word); INSERT INTO words VALUES ('one')";
        database.execute_batch(words).unwrap();
        let copy = Connection::open_in_memory().unwrap();
        copy.execute_batch(words).unwrap();
        copy.execute_batch("CREATE TABLE old(a); CREATE VIEW older AS SELECT * FROM old; INSERT INTO old VALUES (1)")
            .unwrap();
        let mut begin = 0;
        loop {
            let statements = statements(&database, begin, 50).unwrap();
            let (copied, batch) = (statements.len(), Batch { statements, atomic: true });
            assert!(put(&copy, &batch, begin == 0).unwrap(), "the piece after {begin} statements does not fit");
            if copied < 50 {
                break;
            }
            begin += copied;
        }
        let values = |database: &Connection| {
            let mut dump = dump(database).unwrap();
            // Rows of tables without a key of their own are numbered anew.
            dump.tables.iter_mut().flat_map(|table| &mut table.rows).for_each(|row| row.key.clear());
            dump
        };
        assert_eq!(values(&copy), values(&database));
        let found = "SELECT word FROM words WHERE words MATCH 'one'";
        assert_eq!(strings(&copy, found).unwrap(), strings(&database, found).unwrap());
    }
}
