//! Transactions that append items to lists and read lists whole. No item is appended twice: so whoever reads a list sees
//! in which order everything before took effect.

use lockstep_node::api::{Command, Reply, Rows, Statement, Value};

use super::{Asked, batch, integer, integers};
use crate::choice::Stream;
use crate::scenario::model::{Layout, Probability};

/// Creates the table of lists that are one text each: items, each with a comma before it.
pub const TEXTS: &str = "CREATE TABLE lists(id INTEGER PRIMARY KEY, items TEXT NOT NULL)";

/// Creates the table of lists whose items are rows.
pub const ITEMS: &str = "CREATE TABLE items(\n  place INTEGER PRIMARY KEY AUTOINCREMENT,\n  \
                         list INTEGER NOT NULL,\n  item INTEGER NOT NULL\n)";

const TEXT_APPEND: &str =
    "INSERT INTO lists VALUES (?1, ',' || ?2) ON CONFLICT(id) DO UPDATE SET items = items || excluded.items";
const TEXT_READ: &str = "SELECT id, items FROM lists WHERE id = ?1";
const TEXT_READ_ALL: &str = "SELECT id, items FROM lists ORDER BY id";
const ROWS_APPEND: &str = "INSERT INTO items(list, item) VALUES (?1, ?2)";
const ROWS_READ: &str = "SELECT list, item FROM items WHERE list = ?1 ORDER BY place";
const ROWS_READ_ALL: &str = "SELECT list, item FROM items ORDER BY place";

/// After so many transactions a list the next ones take its place: a list that is read again and again must not grow
/// for ever.
const TRANSACTIONS_A_LIST: u64 = 40;

/// The most parts that a transaction may have, so that each append has an item of its own.
pub const LENGTH_MAX: u32 = 16;

/// What transactions are like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// How many lists are in use at a time.
    pub(super) keys: u32,
    /// The least and the most parts.
    pub(super) length: (u32, u32),
    /// The chance that a part reads.
    pub(super) reads: Probability,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// Appends and reads, all or nothing.
    Parts(Vec<Part>),
    /// Reads all lists.
    ReadAll,
}

/// A part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Appends an item to a list.
    Append {
        /// The list.
        list: i64,
        /// The item.
        item: i64,
    },
    /// Reads a list.
    Read {
        /// The list.
        list: i64,
    },
}

/// The transaction of this number.
pub(super) fn operation(stream: &mut Stream, number: u64, shape: &Shape) -> Transaction {
    let keys = u64::from(shape.keys);
    let generation = number / (TRANSACTIONS_A_LIST * keys);
    let length = stream.between(u64::from(shape.length.0), u64::from(shape.length.1));
    let part = |place| {
        let list = (generation * keys + stream.between(1, keys)) as i64;
        match stream.happens(shape.reads) {
            true => Part::Read { list },
            false => Part::Append { list, item: (number * u64::from(LENGTH_MAX) + place) as i64 },
        }
    };
    Transaction::Parts((0..length).map(part).collect())
}

impl Transaction {
    /// What is asked where lists are stored like this.
    pub(crate) fn asked(&self, layout: Layout) -> Asked {
        let (append, read, read_all) = match layout {
            Layout::Text => (TEXT_APPEND, TEXT_READ, TEXT_READ_ALL),
            Layout::Rows => (ROWS_APPEND, ROWS_READ, ROWS_READ_ALL),
        };
        let Transaction::Parts(parts) = self else { return Asked::read(vec![Statement::new(read_all)]) };
        let statement = |part: &Part| match *part {
            Part::Append { list, item } => Statement::with(append, [list, item].map(Value::Integer)),
            Part::Read { list } => Statement::with(read, [Value::Integer(list)]),
        };
        let statements = parts.iter().map(statement).collect();
        match parts.iter().all(|part| matches!(part, Part::Read { .. })) {
            true => Asked::read(statements),
            false => Asked::write(statements),
        }
    }

    /// What a command asks, if it is one of this workload's.
    pub fn of(command: &Command) -> Option<Transaction> {
        let part = |statement: &Statement| match (statement.sql.as_str(), &integers(statement)?[..]) {
            (TEXT_APPEND | ROWS_APPEND, [list, item]) => Some(Part::Append { list: *list, item: *item }),
            (TEXT_READ | ROWS_READ, [list]) => Some(Part::Read { list: *list }),
            _ => None,
        };
        match &batch(command)?.statements[..] {
            [all] if matches!(all.sql.as_str(), TEXT_READ_ALL | ROWS_READ_ALL) => Some(Transaction::ReadAll),
            statements => statements.iter().map(part).collect::<Option<_>>().map(Transaction::Parts),
        }
    }
}

/// The items of each list among these rows, in the order of the rows; `None` if they hold something else. A row is a list
/// and one of its items, or all of them as a text.
pub fn lists(rows: &Rows) -> Option<Vec<(i64, Vec<i64>)>> {
    let mut lists: Vec<(i64, Vec<i64>)> = Vec::new();
    for row in &rows.rows {
        let (list, items) = match &row[..] {
            [list, Value::Text(items)] => (integer(list)?, items_of(items)?),
            [list, item] => (integer(list)?, vec![integer(item)?]),
            _ => return None,
        };
        match lists.iter_mut().find(|(known, _)| *known == list) {
            Some((_, known)) => known.extend(items),
            None => lists.push((list, items)),
        }
    }
    Some(lists)
}

/// The lists that the reads of a transaction saw, in the order of its parts; `None` if a part failed or gave something
/// that is no list.
pub fn seen(transaction: &Transaction, reply: &Reply) -> Option<Vec<(i64, Vec<i64>)>> {
    let rows: Vec<&Rows> = reply.results.iter().map(|result| result.as_ref().ok()).collect::<Option<_>>()?;
    let Transaction::Parts(parts) = transaction else { return lists(rows.first()?) };
    if rows.len() != parts.len() {
        return None;
    }
    let reads = parts.iter().zip(rows).filter_map(|(part, rows)| match part {
        Part::Append { .. } => None,
        Part::Read { list } => Some((*list, rows)),
    });
    let read = |(list, rows)| match &lists(rows)?[..] {
        [] => Some((list, Vec::new())),
        [(found, items)] if *found == list => Some((list, items.clone())),
        _ => None,
    };
    reads.map(read).collect()
}

/// `,3,7` as 3 and 7.
fn items_of(text: &str) -> Option<Vec<i64>> {
    text.strip_prefix(',')?.split(',').map(|item| item.parse().ok()).collect()
}
