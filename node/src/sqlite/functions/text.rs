//! `instr`, `replace` and `trim` in time that grows with the length of their arguments, and no faster. SQLite's own compare
//! at every place, which takes hours for two texts of a megabyte. The results are the same.
//!
//! They are C functions, because only SQLite's own interface converts numbers to text as SQLite does.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_char, c_int, c_void};

use memchr::memmem;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ffi};

type Function = unsafe extern "C" fn(*mut ffi::sqlite3_context, c_int, *mut *mut ffi::sqlite3_value);

/// Which ends a trim function works on, as its user data says.
const LEFT: usize = 1;
const RIGHT: usize = 2;

/// Replaces them on a connection.
///
/// # Errors
/// When SQLite is out of memory.
pub(super) fn install(connection: &Connection) -> rusqlite::Result<()> {
    create(connection, c"instr", 2, 0, instr)?;
    create(connection, c"replace", 3, 0, replace)?;
    for (name, sides) in [(c"ltrim", LEFT), (c"rtrim", RIGHT), (c"trim", LEFT | RIGHT)] {
        create(connection, name, 1, sides, trim)?;
        create(connection, name, 2, sides, trim)?;
    }
    Ok(())
}

fn create(
    connection: &Connection,
    name: &std::ffi::CStr,
    arguments: c_int,
    data: usize,
    function: Function,
) -> rusqlite::Result<()> {
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS;
    // SAFETY: the connection is open, the name ends with a zero byte, and the user data is a number.
    let code = unsafe {
        let (handle, data) = (connection.handle(), data as *mut c_void);
        ffi::sqlite3_create_function_v2(handle, name.as_ptr(), arguments, flags, data, Some(function), None, None, None)
    };
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// The bytes of an argument as text; `None` for NULL.
///
/// # Safety
/// The value is an argument of the function that is running. The bytes are valid until it returns.
unsafe fn text<'a>(value: *mut ffi::sqlite3_value) -> Option<&'a [u8]> {
    // SAFETY: by this function's contract; the text is asked for before its length, as SQLite demands.
    unsafe {
        let start = if ffi::sqlite3_value_type(value) == ffi::SQLITE_BLOB {
            ffi::sqlite3_value_blob(value).cast()
        } else {
            ffi::sqlite3_value_text(value)
        };
        let length = ffi::sqlite3_value_bytes(value) as usize;
        match (start.is_null(), ffi::sqlite3_value_type(value)) {
            (_, ffi::SQLITE_NULL) => None,
            (true, _) => Some(&[]),
            (false, _) => Some(std::slice::from_raw_parts(start, length)),
        }
    }
}

/// Returns text from a function.
///
/// # Safety
/// The context is that of the function that is running.
unsafe fn answer(context: *mut ffi::sqlite3_context, text: &[u8]) {
    // SAFETY: by this function's contract; SQLite copies the text. It is no longer than an int can say, since it was
    // compared with a limit, or is a part of an argument.
    unsafe {
        let copied = ffi::SQLITE_TRANSIENT();
        ffi::sqlite3_result_text(context, text.as_ptr().cast::<c_char>(), text.len() as c_int, copied);
    }
}

fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

unsafe extern "C" fn instr(context: *mut ffi::sqlite3_context, _: c_int, arguments: *mut *mut ffi::sqlite3_value) {
    // SAFETY: SQLite calls this with two arguments.
    let (first, second) = unsafe { (*arguments, *arguments.add(1)) };
    // SAFETY: they are arguments of this call.
    let (Some(text), Some(wanted)) = (unsafe { self::text(first) }, unsafe { self::text(second) }) else { return };
    // SAFETY: they are arguments of this call.
    let blobs = [first, second].iter().all(|value| unsafe { ffi::sqlite3_value_type(*value) } == ffi::SQLITE_BLOB);
    // SAFETY: the context is that of this call.
    unsafe { ffi::sqlite3_result_int(context, position(text, wanted, !blobs) as c_int) };
}

/// Where a text contains another, in characters or in bytes from 1; 0 if it does not.
fn position(text: &[u8], wanted: &[u8], in_characters: bool) -> usize {
    // A character begins where a byte continues none, and at the beginning whatever is there.
    let found = match wanted.first() {
        Some(first) if in_characters && continues(*first) => text.starts_with(wanted).then_some(0),
        _ => memmem::find(text, wanted),
    };
    match found {
        None => 0,
        Some(at) if in_characters => 1 + text.iter().take(at + 1).skip(1).filter(|byte| !continues(**byte)).count(),
        Some(at) => 1 + at,
    }
}

unsafe extern "C" fn replace(context: *mut ffi::sqlite3_context, _: c_int, arguments: *mut *mut ffi::sqlite3_value) {
    // SAFETY: SQLite calls this with three arguments, which are those of this call.
    let [text, wanted, by] = unsafe { [0, 1, 2].map(|place| self::text(*arguments.add(place))) };
    let (Some(text), Some(wanted)) = (text, wanted) else { return };
    // SQLite ends the pattern at its first zero byte when it looks whether there is one.
    if wanted.first().is_none_or(|first| *first == 0) {
        // SAFETY: the context is that of this call.
        return unsafe { answer(context, text) };
    }
    let Some(by) = by else { return };

    // SAFETY: the context is that of this call, whose connection is open; -1 asks without setting.
    let longest = unsafe {
        let connection = ffi::sqlite3_context_db_handle(context);
        ffi::sqlite3_limit(connection, Limit::SQLITE_LIMIT_LENGTH as c_int, -1) as usize
    };
    let (mut replaced, mut from) = (Vec::with_capacity(text.len()), 0);
    for at in memmem::find_iter(text, wanted) {
        replaced.extend_from_slice(&text[from..at]);
        replaced.extend_from_slice(by);
        from = at + wanted.len();
        if replaced.len() > longest {
            break;
        }
    }
    replaced.extend_from_slice(&text[from..]);
    if replaced.len() > longest {
        // SAFETY: the context is that of this call.
        return unsafe { ffi::sqlite3_result_error_toobig(context) };
    }
    // SAFETY: the context is that of this call.
    unsafe { answer(context, &replaced) };
}

unsafe extern "C" fn trim(context: *mut ffi::sqlite3_context, count: c_int, arguments: *mut *mut ffi::sqlite3_value) {
    // SAFETY: SQLite calls this with as many arguments as it says, which are those of this call.
    let Some(text) = (unsafe { self::text(*arguments) }) else { return };
    let characters = match count {
        1 => Some(&b" "[..]),
        // SAFETY: as above.
        _ => unsafe { self::text(*arguments.add(1)) },
    };
    let Some(characters) = characters else { return };
    // SAFETY: the user data is the number that `install` gave.
    let sides = unsafe { ffi::sqlite3_user_data(context) } as usize;
    let characters = Characters::of(characters);
    let from = if sides & LEFT != 0 { characters.left(text) } else { 0 };
    let to = if sides & RIGHT != 0 { characters.right(text, from) } else { text.len() };
    // SAFETY: the context is that of this call.
    unsafe { answer(context, &text[from..to]) };
}

/// Characters to trim. As in SQLite one is a byte, with the bytes that continue it if it can begin a longer one; where
/// several fit, in text that is not UTF-8, the first in the list counts.
struct Characters<'a> {
    places: BTreeMap<&'a [u8], usize>,
    lengths: BTreeSet<usize>,
}

impl<'a> Characters<'a> {
    fn of(list: &'a [u8]) -> Self {
        let end = list.iter().position(|byte| *byte == 0).unwrap_or(list.len());
        let (mut rest, mut places) = (&list[..end], BTreeMap::new());
        while !rest.is_empty() {
            let (character, after) = rest.split_at(length(rest));
            let place = places.len();
            places.entry(character).or_insert(place);
            rest = after;
        }
        let lengths = places.keys().map(|character| character.len()).collect();
        Characters { places, lengths }
    }

    /// Where the text begins without them.
    fn left(&self, text: &[u8]) -> usize {
        let mut from = 0;
        while from < text.len() {
            let whole = &text[from..from + length(&text[from..])];
            let fitting = self.lengths.range(..=whole.len()).filter_map(|length| self.known(&whole[..*length]));
            let Some((_, length)) = fitting.min() else { break };
            from += length;
        }
        from
    }

    /// Where the text ends without them, if it begins at `from`.
    fn right(&self, text: &[u8], from: usize) -> usize {
        let mut to = text.len();
        // The last byte before the end that continues none, found once for all that do.
        let mut begin = to;
        while to > from {
            if begin >= to {
                begin = text[from..to].iter().rposition(|byte| !continues(*byte)).map_or(from, |at| from + at);
            }
            let last = self.known(&text[to - 1..to]);
            let is_long = to - begin > 1 && text[begin] >= 0xc0 && self.lengths.contains(&(to - begin));
            let long = if is_long { self.known(&text[begin..to]) } else { None };
            let Some((_, length)) = last.into_iter().chain(long).min() else { break };
            to -= length;
        }
        to
    }

    /// The place and the length of a character that is one of them.
    fn known(&self, character: &[u8]) -> Option<(usize, usize)> {
        self.places.get(character).map(|place| (*place, character.len()))
    }
}

/// The bytes of the first character.
fn length(text: &[u8]) -> usize {
    match text[0] {
        0xc0.. => 1 + text[1..].iter().take_while(|byte| continues(**byte)).count(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::params;
    use rusqlite::types::Value;

    use super::*;

    /// Few bytes, so that they meet: letters, the parts of two- and three-byte characters, and a zero.
    fn drawn(number: &mut u64, longest: u64) -> Vec<u8> {
        let mut draw = |below: u64| {
            *number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*number >> 33) % below
        };
        (0..draw(longest + 1)).map(|_| [b'a', b'b', 0xc3, 0xa9, 0xe2, 0x82, b'1', 0][draw(8) as usize]).collect()
    }

    /// The same query on SQLite's own functions and on ours.
    #[test]
    fn results_are_those_of_sqlites_own_functions() {
        let (own, ours) = (Connection::open_in_memory().unwrap(), Connection::open_in_memory().unwrap());
        install(&ours).unwrap();
        let queries = [
            "SELECT instr(?1, ?2) || ':' || ?3",
            "SELECT replace(?1, ?2, ?3)",
            "SELECT trim(?1, ?2) || ?3",
            "SELECT ltrim(?1, ?2) || ?3",
            "SELECT rtrim(?1, ?2) || ?3",
            "SELECT trim(?1) || ?2 || ?3",
            "SELECT instr(CAST(?1 AS BLOB), ?2) || ?3",
            "SELECT instr(CAST(?1 AS BLOB), CAST(?2 AS BLOB)) || ?3",
        ];
        let mut number = 7;
        let mut value = |longest| match drawn(&mut number, 9) {
            kind if kind.len() == 8 => Value::Null,
            kind if kind.len() == 9 => Value::Real(121.5),
            _ => Value::Blob(drawn(&mut number, longest)),
        };
        for round in 0..20_000 {
            let values = [value(12), value(4), value(3)];
            let text = if round % 2 == 0 { queries[round / 2 % 8].to_owned() } else { texts(queries[round / 2 % 8]) };
            let answer = |connection: &Connection| {
                let [a, b, c] = &values;
                connection.prepare_cached(&text).unwrap().query_row(params![a, b, c], |row| row.get::<_, Value>(0))
            };
            let cast = |connection: &Connection| answer(connection).map_err(|error| error.to_string());
            assert_eq!(cast(&ours), cast(&own), "{text} of {values:?}");
        }
    }

    /// The query with its values as text, which need not be UTF-8.
    fn texts(query: &str) -> String {
        ["?1", "?2", "?3"]
            .iter()
            .fold(format!("SELECT hex(({query}))"), |query, name| query.replace(name, &format!("CAST({name} AS TEXT)")))
    }

    #[test]
    fn megabytes_take_no_longer_than_their_bytes() {
        let connection = Connection::open_in_memory().unwrap();
        install(&connection).unwrap();
        let (text, half) = ("a".repeat(1 << 20), "a".repeat(1 << 19) + "b");
        let many: String = (0..100_000u32).filter_map(|code| char::from_u32(0x1_0000 + code)).collect();
        for (query, other) in
            [("SELECT instr(?1, ?2)", &half), ("SELECT replace(?1, ?2, 'x')", &half), ("SELECT trim(?1, ?2)", &many)]
        {
            connection.query_row(query, params![text, other], |_| Ok(())).unwrap();
        }
    }
}
