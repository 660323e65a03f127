//! Values of every storage class, most of them ordinary and few of them alike, and how they are written.

use bytes::Bytes;
use lockstep_node::api::Value;

use super::Generator;
use super::schema::Affinity;

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// As literals: where there are no parameters, in a schema for instance.
    Literal,
    /// As `?`.
    Positional,
    /// As `:p1`, `@p2` and `$p3`.
    Named,
}

const INTEGERS: &[i64] = &[
    i64::MIN,
    i64::MIN + 1,
    i64::MAX,
    i64::MAX - 1,
    1 << 53,
    (1 << 53) + 1,
    -(1 << 53) - 1,
    1 << 31,
    -(1 << 31),
    1 << 47,
    255,
    256,
    -129,
    32_768,
    8_388_608,
];

const REALS: &[f64] = &[
    0.0,
    -0.0,
    0.5,
    -1.5,
    0.1,
    3.0,
    1e15,
    1e16,
    9.223372036854776e18,
    -9.223372036854776e18,
    1e308,
    5e-324,
    2.2250738585072014e-308,
    123456.789,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "ab",
    "AB ",
    "b",
    "10",
    " 10",
    "10 ",
    "-7",
    "1e3",
    "0x10",
    "3.0",
    "9223372036854775808",
    "it's",
    "say \"hi\"",
    "100%",
    "a_b",
    "é",
    "É",
    "e\u{301}",
    "漢字",
    "🦀",
    "a\u{0}b",
    "\u{0}",
    "line\nline",
    "null",
    "[1,2,[3,4]]",
    "{\"a\":1,\"b\":[true,null,2.5]}",
    "{\"a\":{\"b\":\"c\"}}",
    "[1,",
    "{a:1}",
    "2024-02-29",
    "2024-02-29 23:59:59.999",
];

const BLOBS: &[&[u8]] =
    &[b"", b"\x00", b"\xff", b"a", b"ab", b"\x00\x01\x02", b"{\"a\":1}", b"\xc3\x28", b"\x0c", b"\x4b\x17a"];

/// Texts that are not UTF-8, as SQL writes them.
const INVALID: &[&str] = &["CAST(x'ff' AS TEXT)", "CAST(x'61c3' AS TEXT)", "CAST(x'eda080' AS TEXT)"];

impl Generator {
    /// A value that a column of this affinity likes, or now and then any other.
    pub(super) fn value(&mut self, affinity: Affinity) -> Value {
        match self.below(100) {
            0..7 => return Value::Null,
            7..15 => {
                let other = *self.stream.pick(&Affinity::ALL);
                return self.value_of(other);
            }
            _ => {}
        }
        self.value_of(affinity)
    }

    fn value_of(&mut self, affinity: Affinity) -> Value {
        match affinity {
            Affinity::Integer => Value::Integer(self.integer()),
            Affinity::Real => Value::Real(self.real()),
            Affinity::Text => self.text(),
            Affinity::Blob => self.blob(),
            Affinity::Numeric if self.percent(50) => Value::Real(self.real()),
            Affinity::Numeric => Value::Integer(self.integer()),
        }
    }

    fn integer(&mut self) -> i64 {
        match self.below(100) {
            0..70 => self.below(15) as i64,
            70..85 => self.below(2000) as i64 - 1000,
            85..95 => *self.stream.pick(INTEGERS),
            _ => self.stream.number() as i64,
        }
    }

    fn real(&mut self) -> f64 {
        match self.below(100) {
            0..50 => self.below(40) as f64 / 4.0,
            50..85 => *self.stream.pick(REALS),
            _ => f64::from_bits(self.stream.number()),
        }
    }

    fn text(&mut self) -> Value {
        if self.percent(2) {
            let length = self.length();
            let unit = self.one(&["x", "é", "漢", "ab\u{0}", "%", "7"]);
            return Value::Text(unit.repeat(length / unit.len() + 1));
        }
        Value::from(self.one(TEXTS))
    }

    fn blob(&mut self) -> Value {
        if self.percent(3) {
            let length = self.length();
            let byte = self.below(256) as u8;
            return Value::Blob(vec![byte; length].into());
        }
        let blob = BLOBS[self.stream.below(BLOBS.len() as u64) as usize];
        Value::Blob(Bytes::copy_from_slice(blob))
    }

    /// How many bytes a long value has: evenly one of the magnitudes, so that few are really long.
    fn length(&mut self) -> usize {
        let magnitudes = u64::from(self.options.value_bytes_max.max(2).ilog2());
        // The longest are drawn once more: they make everything after them slow.
        let magnitude = match self.below(magnitudes) {
            magnitude @ 16.. if !self.percent(15) => magnitude - 12,
            magnitude => magnitude,
        };
        (self.below(1 << magnitude) + (1 << magnitude)).min(self.options.value_bytes_max) as usize
    }

    /// A value as it stands in a statement: a literal or a parameter.
    pub(super) fn operand(&mut self, affinity: Affinity) -> String {
        if affinity == Affinity::Text && self.percent(2) {
            return self.one(INVALID).to_owned();
        }
        let value = self.value(affinity);
        self.written(value)
    }

    /// A value as it stands in a statement.
    pub(super) fn written(&mut self, value: Value) -> String {
        let nth = self.bound.len() + 1;
        // As many parameters as a statement may have are not needed to find what they do.
        let binding = if nth > 200 { Binding::Literal } else { self.binding };
        match binding {
            Binding::Literal => return short(&value).unwrap_or_else(|| literal(&value)),
            _ if length_of(&value) < 100 && self.percent(30) => return literal(&value),
            _ => self.bound.push(value),
        }
        match binding {
            Binding::Named => format!("{}p{nth}", self.one(&[":", "@", "$"])),
            _ => "?".to_owned(),
        }
    }
}

fn length_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(blob) => blob.len(),
        _ => 0,
    }
}

/// A long value as a call that makes one of its length: the text of a statement has a bound.
fn short(value: &Value) -> Option<String> {
    let length = length_of(value);
    match value {
        Value::Blob(_) if length > 10_000 => Some(format!("zeroblob({length})")),
        Value::Text(_) if length > 10_000 => Some(format!("printf('%.{length}c', 'x')")),
        _ => None,
    }
}

/// A value as a literal.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) if value.is_nan() => "NULL".to_owned(),
        Value::Real(f64::INFINITY) => "9e999".to_owned(),
        Value::Real(f64::NEG_INFINITY) => "-9e999".to_owned(),
        Value::Real(value) => format!("{value:?}"),
        Value::Text(text) if text.contains('\0') => format!("CAST({} AS TEXT)", bytes(text.as_bytes())),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(blob) => bytes(blob),
    }
}

/// Bytes as a literal. Long ones of one byte have a short form.
fn bytes(bytes: &[u8]) -> String {
    match bytes {
        [0, rest @ ..] if bytes.len() > 64 && rest.iter().all(|byte| *byte == 0) => {
            format!("zeroblob({})", bytes.len())
        }
        _ => format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}
