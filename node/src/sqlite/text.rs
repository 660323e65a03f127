//! The text of statements, as far as it must be looked at before SQLite prepares it.

use std::ffi::c_char;
use std::ptr::null_mut;

use rusqlite::{Connection, ffi};

use super::INTERNAL_TABLES;
use super::authorizer::{RANDOM_CONSTRAINT, local_table};
use super::database::Unfit;

/// Whether a text may go on after its first statement: only one with a semicolon in its middle can.
pub(super) fn may_go_on(sql: &str) -> bool {
    sql.trim_end_matches(|character: char| character == ';' || character.is_ascii_whitespace()).contains(';')
}

/// Refuses a text that goes on after its first statement.
///
/// rusqlite finds that out by preparing what follows, and so on: thousands of short statements would take its stack.
pub(super) fn check_single(connection: &Connection, sql: &str) -> Result<(), Unfit> {
    let mut rest = sql;
    // Empty statements are no statements: what counts is where the first that is one ends.
    while !rest.is_empty() {
        let (is_empty, end) = prepare_first(connection, rest)?;
        rest = &rest[end..];
        if !is_empty {
            break;
        }
    }
    if is_blank(rest) {
        return Ok(());
    }
    Err(Unfit::Refused("more than one statement: send one at a time, several in one batch".to_owned()))
}

/// Prepares the first statement of a text. Returns whether it is empty, and where it ends. An error of it is left to whoever
/// prepares it next.
fn prepare_first(connection: &Connection, sql: &str) -> Result<(bool, usize), Unfit> {
    let whole = Ok((false, sql.len()));
    let Ok(length) = i32::try_from(sql.len()) else { return whole };
    let (mut statement, mut tail): (*mut ffi::sqlite3_stmt, *const c_char) = (null_mut(), std::ptr::null());
    // SAFETY: the connection is open, the text has that many bytes, and both results are valid places. The statement is given
    // back at once.
    let code = unsafe {
        let text = sql.as_ptr().cast();
        let code = ffi::sqlite3_prepare_v3(connection.handle(), text, length, 0, &mut statement, &mut tail);
        ffi::sqlite3_finalize(statement);
        code
    };
    if code != ffi::SQLITE_OK || tail.is_null() {
        return whole;
    }
    // SAFETY: SQLite returns a place in the text or right behind it.
    let end = unsafe { tail.cast::<u8>().offset_from(sql.as_ptr()) };
    let end = usize::try_from(end).expect("the end is not before the beginning");
    Ok((statement.is_null(), end.max(1)))
}

/// Whether there is nothing but white space, semicolons and comments.
fn is_blank(sql: &str) -> bool {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|character: char| character == ';' || character.is_ascii_whitespace());
        let after = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n')
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/")
        } else {
            return rest.is_empty();
        };
        // A comment that does not end goes on to the end of the text.
        let Some((_, after)) = after else { return true };
        rest = after;
    }
}

/// Why a text is refused for the tables that it names; `None` if it is fine.
///
/// The authorizer is not asked about columns that `NATURAL JOIN` and `USING` compare, nor about a table of which nothing else
/// is read; and while a table is altered, SQLite draws from its own generator. A name has no second spelling, so the text shows
/// it.
pub(super) fn name_refusal(sql: &str, alters: bool) -> Option<String> {
    let is_any = |word: &str, of: &[&str]| of.iter().any(|one| word.eq_ignore_ascii_case(one));
    if let Some(word) = words(sql).find(|word| is_any(word, &INTERNAL_TABLES)) {
        let message =
            "Lockstep keeps its own state under that name; choose another name, and bind such a text as a parameter";
        return Some(format!("{word} is refused: {message}"));
    }
    if alters && words(sql).any(|word| is_any(word, &["random", "randomblob"])) {
        return Some(RANDOM_CONSTRAINT.to_owned());
    }
    if !words(sql).any(|word| is_any(word, &["natural", "using"])) {
        return None;
    }
    let schema = ["sqlite_schema", "sqlite_master", "sqlite_temp_schema", "sqlite_temp_master"];
    let local = words(sql).find(|word| is_any(word, &schema) || local_table(word).is_some())?;
    Some(format!(
        "a join of {local} by NATURAL or USING is refused: it may compare what is one replica's; write the join with ON"
    ))
}

/// The words of a text that may be names, whether they are quoted or not: all that is between what cannot be part of one.
pub(super) fn words(sql: &str) -> impl Iterator<Item = &str> {
    let is_part =
        |character: char| character.is_alphanumeric() || character == '_' || character == '$' || !character.is_ascii();
    sql.split(move |character| !is_part(character)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_single(sql: &str) -> bool {
        check_single(&Connection::open_in_memory().unwrap(), sql).is_ok()
    }

    #[test]
    fn one_statement_with_whatever_is_no_statement_around_it_is_single() {
        for sql in [
            "SELECT 1",
            "SELECT 1;",
            ";;; SELECT 1 ;; \n",
            "SELECT 1; -- and that is all; really",
            "SELECT 1; /* one; */ ; /* two",
            "SELECT ';', 'a;b' -- ;",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END",
            "SELEC ;nonsense",
            "",
            ";",
            "-- nothing; at all",
        ] {
            assert!(is_single(sql), "{sql}");
        }
    }

    #[test]
    fn a_second_statement_is_seen_without_preparing_it() {
        for sql in ["SELECT 1; SELECT 2", "SELECT 1;;;/**/SELECT 2", ";SELECT 1; SELEC", &"SELECT 1;".repeat(100_000)] {
            assert!(!is_single(sql), "{}", &sql[..sql.len().min(40)]);
        }
    }
}
