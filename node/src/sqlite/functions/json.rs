//! JSON functions whose memory or time SQLite does not bound: the aggregates collect and `json_pretty` indents without a limit
//! until they end, and `json_patch` looks up each member of one object among all those of the other.
//!
//! Values are rendered by SQLite's own functions, on a connection of their own, so that they look as they do elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rusqlite::functions::{Aggregate, Context, FunctionFlags, SqlFnOutput, SubType, WindowAggregate};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, Result};

use super::{longest, too_big};

/// The subtype of a text that is JSON.
const JSON: u32 = 74;

/// Maximum product of the lengths of two objects to be merged, in bytes: a tenth of a second's work.
const PATCH_BYTES_MAX: u64 = 1 << 32;

/// Replaces them on a connection.
///
/// # Errors
/// When SQLite is out of memory.
pub(super) fn install(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS
        | FunctionFlags::SQLITE_SUBTYPE
        | FunctionFlags::SQLITE_RESULT_SUBTYPE;
    let renderer = Renderer::default();
    for (name, shape, binary) in [
        ("json_group_array", Shape::Array, false),
        ("jsonb_group_array", Shape::Array, true),
        ("json_group_object", Shape::Object, false),
        ("jsonb_group_object", Shape::Object, true),
    ] {
        let arguments = if shape == Shape::Array { 1 } else { 2 };
        let group = Group { renderer: renderer.clone(), shape, binary };
        connection.create_window_function(name, arguments, flags, group)?;
    }
    for (name, query) in [("json_patch", "SELECT json_patch(?1, ?2)"), ("jsonb_patch", "SELECT jsonb_patch(?1, ?2)")] {
        let renderer = renderer.clone();
        connection.create_scalar_function(name, 2, flags, move |context| patch(context, &renderer, name, query))?;
    }
    for arguments in [1, 2] {
        let renderer = renderer.clone();
        connection
            .create_scalar_function("json_pretty", arguments, flags, move |context| pretty(context, &renderer))?;
    }
    Ok(())
}

/// SQLite's own functions, on a connection that is opened when one is asked for.
#[derive(Clone, Default)]
struct Renderer(Arc<Mutex<Option<Connection>>>);

impl Renderer {
    fn ask(&self, query: &str, arguments: &[ValueRef<'_>]) -> Result<Value> {
        let mut connection = self.0.lock().expect("nothing panics while it holds the lock");
        let connection = match &mut *connection {
            Some(connection) => connection,
            none => none.insert(Connection::open_in_memory()?),
        };
        let mut statement = connection.prepare_cached(query)?;
        for (place, value) in arguments.iter().enumerate() {
            statement.raw_bind_parameter(place + 1, ToSqlOutput::Borrowed(*value))?;
        }
        let mut rows = statement.raw_query();
        rows.next()?.expect("a query without FROM has a row").get(0)
    }

    /// A value as JSON.
    fn quote(&self, value: ValueRef<'_>) -> Result<Vec<u8>> {
        let plain = |text: &[u8]| text.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\');
        Ok(match value {
            ValueRef::Null => b"null".to_vec(),
            ValueRef::Integer(value) => value.to_string().into_bytes(),
            ValueRef::Text(text) if plain(text) => [b"\"", text, b"\""].concat(),
            other => match self.ask("SELECT CAST(json_quote(?1) AS BLOB)", &[other])? {
                Value::Blob(text) => text,
                _ => unreachable!("a cast to a blob is one, and json_quote never returns NULL"),
            },
        })
    }
}

/// JSON, as text or in SQLite's binary form.
enum Output {
    Text(Vec<u8>),
    Binary(Value),
}

impl SqlFnOutput for Output {
    fn to_sql(&self) -> Result<(ToSqlOutput<'_>, SubType)> {
        Ok(match self {
            Output::Text(text) => (ToSqlOutput::Borrowed(ValueRef::Text(text)), Some(JSON)),
            Output::Binary(value) => (ToSqlOutput::Borrowed(value.into()), None),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Array,
    Object,
}

/// One of the four aggregates.
struct Group {
    renderer: Renderer,
    shape: Shape,
    binary: bool,
}

/// What was collected so far.
#[derive(Default)]
struct Collected {
    /// Elements, or members with their names; `None` for a member without a name, which a window must count.
    parts: VecDeque<Option<Vec<u8>>>,
    bytes: usize,
}

impl Group {
    fn part(&self, context: &Context<'_>) -> Result<Option<Vec<u8>>> {
        let value = |place: usize| match context.get_raw(place) {
            ValueRef::Text(text) if context.get_subtype(place) == JSON => Ok(text.to_vec()),
            other => self.renderer.quote(other),
        };
        if self.shape == Shape::Array {
            return value(0).map(Some);
        }
        let name = match context.get_raw(0) {
            ValueRef::Null => return Ok(None),
            ValueRef::Text(text) => self.renderer.quote(ValueRef::Text(until_zero(text)))?,
            other => match self.renderer.ask("SELECT CAST(CAST(?1 AS TEXT) AS BLOB)", &[other])? {
                Value::Blob(text) => self.renderer.quote(ValueRef::Text(until_zero(&text)))?,
                _ => unreachable!("a cast to a blob is one"),
            },
        };
        Ok(Some([name, b":".to_vec(), value(1)?].concat()))
    }

    fn output(&self, collected: Option<&Collected>) -> Result<Output> {
        let (open, close) = if self.shape == Shape::Array { (b'[', b']') } else { (b'{', b'}') };
        let mut text = vec![open];
        for part in collected.iter().flat_map(|collected| collected.parts.iter().flatten()) {
            if text.len() > 1 {
                text.push(b',');
            }
            text.extend_from_slice(part);
        }
        text.push(close);
        match self.binary {
            false => Ok(Output::Text(text)),
            true => self.renderer.ask("SELECT jsonb(?1)", &[ValueRef::Text(&text)]).map(Output::Binary),
        }
    }
}

/// SQLite reads the name of a member as C does.
fn until_zero(text: &[u8]) -> &[u8] {
    &text[..text.iter().position(|byte| *byte == 0).unwrap_or(text.len())]
}

impl Aggregate<Collected, Output> for Group {
    fn init(&self, _: &mut Context<'_>) -> Result<Collected> {
        Ok(Collected::default())
    }

    fn step(&self, context: &mut Context<'_>, collected: &mut Collected) -> Result<()> {
        let part = self.part(context)?;
        collected.bytes += 1 + part.as_ref().map_or(0, Vec::len);
        if collected.bytes > longest(context)? {
            return Err(too_big());
        }
        collected.parts.push_back(part);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, collected: Option<Collected>) -> Result<Output> {
        self.output(collected.as_ref())
    }
}

impl WindowAggregate<Collected, Output> for Group {
    fn value(&self, collected: Option<&mut Collected>) -> Result<Output> {
        self.output(collected.map(|collected| &*collected))
    }

    fn inverse(&self, _: &mut Context<'_>, collected: &mut Collected) -> Result<()> {
        if let Some(part) = collected.parts.pop_front() {
            collected.bytes -= 1 + part.map_or(0, |part| part.len());
        }
        Ok(())
    }
}

fn patch(context: &Context<'_>, renderer: &Renderer, name: &str, query: &str) -> Result<Output> {
    let arguments = [context.get_raw(0), context.get_raw(1)];
    let bytes = |value: &ValueRef<'_>| match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
        _ => 1,
    };
    let [target, changes] = [bytes(&arguments[0]), bytes(&arguments[1])];
    if target.saturating_mul(changes) > PATCH_BYTES_MAX {
        let message = format!(
            "{name}() of {target} and {changes} bytes is refused: its time grows with their product, which may be \
             {PATCH_BYTES_MAX}; change single members by json_set()"
        );
        return Err(Error::UserFunctionError(message.into()));
    }
    let patched = renderer.ask(query, &arguments)?;
    Ok(match patched {
        Value::Text(text) => Output::Text(text.into_bytes()),
        other => Output::Binary(other),
    })
}

/// `json_pretty`, unless it would indent to more than a value may have.
fn pretty(context: &Context<'_>, renderer: &Renderer) -> Result<Value> {
    let indent = match context.len() {
        1 => ValueRef::Text(b"    "),
        _ => match context.get_raw(1) {
            ValueRef::Null => ValueRef::Text(b"    "),
            other => other,
        },
    };
    let indent_bytes = match indent {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len() as u64,
        _ => 32,
    };
    // Without white space and comments a bracket or a comma begins a line, unless it stands in a string.
    if let Ok(Value::Text(json)) = renderer.ask("SELECT json(?1)", &[context.get_raw(0)]) {
        let (mut depth, mut bytes, mut in_string, mut escaped) = (0u64, json.len() as u64, false, false);
        for byte in json.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if !in_string && matches!(byte, b'[' | b'{' | b',' | b']' | b'}') {
                bytes += 2 + depth * indent_bytes;
            }
        }
        // A little more than there will be: two bytes for each line.
        if bytes > 2 * longest(context)? as u64 {
            return Err(too_big());
        }
    }
    renderer.ask("SELECT json_pretty(?1, ?2)", &[context.get_raw(0), indent])
}

#[cfg(test)]
mod tests {
    use rusqlite::limits::Limit;

    use super::*;

    /// The same query on SQLite's own functions and on ours.
    #[test]
    fn results_are_those_of_sqlites_own_functions() {
        let (own, ours) = (Connection::open_in_memory().unwrap(), Connection::open_in_memory().unwrap());
        install(&ours).unwrap();
        let rows = "(SELECT column1 AS k, column2 AS v FROM (VALUES ('a', 1), ('b', NULL), (NULL, 2.5), ('q\"\\', 'x'),
            (7, 1e300), ('é', 'line' || char(10)), (1.5, json('[1, 2]')), ('z', '[1]'), ('n', 0.1), ('', ''),
            ('j', jsonb('{\"a\":1}')), (x'6162', 9223372036854775807)))";
        let mut queries = vec![];
        for (array, object) in [("json_group_array", "json_group_object"), ("jsonb_group_array", "jsonb_group_object")]
        {
            let window = "OVER (ORDER BY rowid ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)";
            let json = if array.starts_with("jsonb") { "json" } else { "" };
            queries.extend([
                format!("SELECT {json}({array}(v)) FROM {rows}"),
                format!("SELECT {json}({array}(k)) FROM {rows} WHERE typeof(k) <> 'blob'"),
                format!("SELECT {json}({object}(k, v)) FROM {rows}"),
                format!("SELECT {json}({array}(v)) FROM {rows} WHERE 0"),
                format!("SELECT {json}({object}(k, v)) FROM {rows} WHERE 0"),
                format!("SELECT {json}({array}(json_array(k, 1))) FROM {rows} WHERE typeof(k) <> 'blob'"),
                format!("SELECT json_array({array}(1), {object}('a', 'b'))"),
                format!("SELECT group_concat(j, ';') FROM (SELECT {json}({array}(v) {window}) AS j FROM {rows})")
                    .replace("rowid", "typeof(k), k"),
                format!("SELECT group_concat(j, ';') FROM (SELECT {json}({object}(k, v) {window}) AS j FROM {rows})")
                    .replace("rowid", "typeof(k), k"),
                format!("SELECT {array}(x'ff')"),
                format!("SELECT {json}({array}(DISTINCT v)) FROM {rows}"),
                format!("SELECT {json}({array}(v ORDER BY typeof(k), k)) FROM {rows}"),
            ]);
        }
        queries.extend(["SELECT json_patch('{\"a\":1,\"b\":2}', '{\"b\":null,\"c\":[1]}')".to_owned()]);
        queries.extend(["SELECT json_patch('{', '{}')", "SELECT json_patch(NULL, '{}')"].map(str::to_owned));
        queries.extend([
            "SELECT json_array(json_patch('{}', '{\"c\":[1]}'), json(jsonb_patch('{}', '{\"a\":1}')))".to_owned()
        ]);
        let document = "'{\"a\":[1,{\"b\":\"x,[\\\"\"}],\"c\":{}}'";
        for arguments in ["", ", NULL", ", '\t'", ", 7", ", x'2020'", ", ''"] {
            queries.push(format!("SELECT json_pretty({document}{arguments})"));
            queries.push(format!("SELECT json_pretty(jsonb({document}){arguments}), json_pretty(NULL{arguments})"));
            queries.push(format!("SELECT json_pretty('[1, /* no */ 2,]'{arguments}), json_pretty('{{'{arguments})"));
        }
        for query in queries {
            let answer = |connection: &Connection| {
                connection.query_row(&query, [], |row| row.get::<_, Value>(0)).map_err(|error| error.to_string())
            };
            assert_eq!(answer(&ours), answer(&own), "{query}");
        }
    }

    #[test]
    fn what_is_indented_is_bounded_before_it_is() {
        let connection = Connection::open_in_memory().unwrap();
        install(&connection).unwrap();
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 1 << 20).unwrap();
        let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        let wide = format!("{}{}1{}", "[".repeat(900), "1,".repeat(100_000), "]".repeat(900));
        for query in
            [format!("SELECT json_pretty('{deep}', hex(zeroblob(300000)))"), format!("SELECT json_pretty('{wide}')")]
        {
            let error = connection.query_row(&query, [], |_| Ok(())).unwrap_err();
            assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::TooBig));
        }
    }

    #[test]
    fn what_is_collected_is_bounded_as_it_comes() {
        let connection = Connection::open_in_memory().unwrap();
        install(&connection).unwrap();
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 1 << 20).unwrap();
        let query = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100)
            SELECT length(json_group_array(hex(zeroblob(400000 + n)))) FROM c";
        let error = connection.query_row(query, [], |_| Ok(())).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::TooBig));
    }
}
