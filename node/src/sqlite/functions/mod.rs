//! Which of SQLite's functions give the same result on every replica, and those that are replaced.
//!
//! A function that does not is refused twice. The authorizer sees it while a statement is prepared, and says what to write
//! instead. But it is not asked about what a schema already holds: a CHECK constraint is resolved when the schema is read. So
//! the function itself is replaced by one that fails ([`install`]): however a call comes about, it gives no answer.
//!
//! Others are replaced because SQLite's own take time or memory that grows faster than their arguments (`text`, `json`).

mod json;
mod text;

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::limits::Limit;

/// Replaces functions on a connection, in every place where SQL can call them.
///
/// # Errors
/// When SQLite is out of memory.
pub fn install(connection: &Connection) -> rusqlite::Result<()> {
    const ANY_NUMBER: i32 = -1;
    for name in REFUSED.iter().filter(|(_, replaced, _)| *replaced).flat_map(|(names, ..)| *names) {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        let message = refusal(name).expect("it is on the list of those refused");
        for arguments in [ANY_NUMBER, 0, 1] {
            let message = message.clone();
            let fail = move |_: &Context<'_>| -> rusqlite::Result<i64> {
                Err(rusqlite::Error::UserFunctionError(message.clone().into()))
            };
            connection.create_scalar_function(*name, arguments, flags, fail)?;
        }
    }
    text::install(connection)?;
    json::install(connection)
}

/// The longest value that a function may return or collect at the moment, in bytes.
///
/// # Errors
/// None is known.
pub(super) fn longest(context: &Context<'_>) -> rusqlite::Result<usize> {
    // SAFETY: the connection is used for nothing but to ask it for a limit.
    let connection = unsafe { context.get_connection()? };
    Ok(usize::try_from(connection.limit(Limit::SQLITE_LIMIT_LENGTH)?).unwrap_or(usize::MAX))
}

/// What SQLite says of a value that is longer. With a text of its own the error would lose its code.
pub(super) fn too_big() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG), None)
}

/// Why a function is refused, or `None` if it may be called. A function that nobody has thought about is refused.
pub fn refusal(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if ALLOWED.binary_search(&name.as_str()).is_ok() {
        return None;
    }
    let advice = REFUSED.iter().find(|(names, ..)| names.contains(&name.as_str())).map(|(.., advice)| *advice);
    Some(format!(
        "{name}() is refused: {}",
        advice.unwrap_or("it is not known to give the same result on every replica")
    ))
}

/// Why a function is refused in an index, or `None` if it may be called there. Whether a value is JSON is known of one that a
/// JSON function just returned, and no longer when it is read from its row: an index would not find it again.
pub fn refusal_in_index(name: &str) -> Option<String> {
    const BY_SUBTYPE: [&str; 7] = ["array", "array_insert", "insert", "object", "quote", "replace", "set"];
    let name = name.to_ascii_lowercase();
    let rest = name.strip_prefix("jsonb_").or_else(|| name.strip_prefix("json_"))?;
    BY_SUBTYPE.contains(&rest).then(|| {
        format!(
            "{name}() in an index is refused: its result depends on how a value was made, which the row does not tell"
        )
    })
}

/// Functions whose result follows from their arguments, the entry's time and the entry's seed. Sorted.
const ALLOWED: &[&str] = &[
    "->",
    "->>",
    "abs",
    "avg",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "dense_rank",
    "first_value",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_insert",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_array_insert",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_patch",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "printf",
    "quote",
    "random",
    "randomblob",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "soundex",
    // SQLite calls these itself while it alters a table; SQL of a user cannot name them.
    "sqlite_add_constraint",
    "sqlite_drop_column",
    "sqlite_drop_constraint",
    "sqlite_fail",
    "sqlite_find_constraint",
    "sqlite_rename_column",
    "sqlite_rename_quotefix",
    "sqlite_rename_table",
    "sqlite_rename_test",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "subtype",
    "sum",
    "time",
    "timediff",
    "total",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unistr_quote",
    "unixepoch",
    "unlikely",
    "upper",
    "zeroblob",
];

/// Functions that tell one replica from another, whether they are replaced, and what to write instead. Those of virtual
/// tables are not: a user's SQL reaches them only where the authorizer sees it.
const REFUSED: &[(&[&str], bool, &str)] = &[
    (
        &["last_insert_rowid"],
        true,
        "it is what this connection did last, which differs after a restart; write INSERT … RETURNING rowid",
    ),
    (
        &["changes", "total_changes"],
        true,
        "it is what this connection did last, which differs after a restart; every result carries the rows affected, and \
         RETURNING names them",
    ),
    (
        &[
            "sqlite_version",
            "sqlite_source_id",
            "sqlite_compileoption_get",
            "sqlite_compileoption_used",
            "fts5_source_id",
        ],
        true,
        "it differs between builds, and replicas are upgraded one by one",
    ),
    (&["load_extension"], true, "code that is not part of Lockstep may differ between replicas"),
    (&["sqlite_log"], true, "it writes to the log of one machine"),
    (
        &[
            "bm25",
            "fts3_tokenizer",
            "fts5",
            "fts5_get_locale",
            "fts5_insttoken",
            "fts5_locale",
            "highlight",
            "match",
            "matchinfo",
            "offsets",
            "optimize",
            "rtreecheck",
            "rtreedepth",
            "rtreenode",
            "snippet",
        ],
        false,
        "it belongs to virtual tables, whose modules keep state of their own on each replica",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowed_functions_are_sorted() {
        assert!(ALLOWED.is_sorted());
    }

    /// Fails when an upgrade of SQLite brings a function that nobody has decided about.
    #[test]
    fn every_function_of_this_build_is_decided() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let mut statement =
            connection.prepare("SELECT DISTINCT lower(name) FROM pragma_function_list ORDER BY 1").unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<String>, _>>().unwrap();
        let undecided = |name: &&String| {
            !ALLOWED.contains(&name.as_str()) && !REFUSED.iter().any(|(names, ..)| names.contains(&name.as_str()))
        };
        assert_eq!(names.iter().filter(undecided).collect::<Vec<_>>(), Vec::<&String>::new());
    }
}
