//! The table of forms: statements, and what becomes of each.
//!
//! It stands in files of SQL. A line `-- # title` begins a database of its own; a line `-- converges`, `-- refused: words` or
//! `-- error CODE: words` (the words may be left out) says what becomes of the statements below it, up to the next one. A
//! statement is a line, and the indented lines that follow it. Other comments are for the reader.

use std::fmt;
use std::path::PathBuf;

use lockstep_node::api::{Statement, StatementResult};

/// Forms that are executed one after the other in one database.
pub struct Section {
    pub forms: Vec<Form>,
}

/// One statement and what becomes of it.
pub struct Form {
    /// Where it stands, for messages.
    pub place: String,
    pub statement: Statement,
    pub expected: Expected,
}

/// What becomes of a statement, the same on every replica.
#[derive(Clone, Debug)]
pub enum Expected {
    /// It is executed, with the same result and effect everywhere.
    Converges,
    /// Lockstep refuses it, in a sentence that has these words.
    Refused(String),
    /// SQLite reports an error of this extended code, in a sentence that has these words.
    Fails(i32, String),
}

impl Expected {
    pub fn matches(&self, result: &StatementResult) -> bool {
        match (self, result) {
            (Expected::Converges, Ok(_)) => true,
            (Expected::Refused(words), Err(error)) => error.code == 0 && error.message.contains(words),
            (Expected::Fails(code, words), Err(error)) => error.code == *code && error.message.contains(words),
            (_, _) => false,
        }
    }

    /// Reads a header. `None` is a comment for the reader.
    fn parse(comment: &str) -> Option<Expected> {
        if comment == "converges" {
            return Some(Expected::Converges);
        }
        if let Some(words) = comment.strip_prefix("refused: ") {
            return Some(Expected::Refused(words.to_owned()));
        }
        let error = comment.strip_prefix("error ")?;
        let (code, words) = error.split_once(": ").unwrap_or((error, ""));
        Some(Expected::Fails(code.parse().ok()?, words.to_owned()))
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Converges => f.write_str("converges"),
            Expected::Refused(words) => write!(f, "refused: {words}"),
            Expected::Fails(code, words) => write!(f, "error {code}: {words}"),
        }
    }
}

impl fmt::Display for Form {
    /// Names it by its place and its text, cut short.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS_MAX: usize = 160;
        let text = self.statement.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(CHARACTERS_MAX) {
            None => write!(f, "{}: {text}", self.place),
            Some((end, _)) => write!(f, "{}: {}… ({} bytes)", self.place, &text[..end], self.statement.sql.len()),
        }
    }
}

/// Reads a file of the table.
pub fn read(name: &str) -> Vec<Section> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/state_machine/forms").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut sections: Vec<Section> = Vec::new();
    let mut expected = Expected::Converges;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("-- # ") {
            sections.push(Section { forms: Vec::new() });
            expected = Expected::Converges;
        } else if let Some(comment) = line.strip_prefix("-- ") {
            expected = Expected::parse(comment).unwrap_or(expected);
        } else if !line.trim().is_empty() {
            let forms = &mut sections.last_mut().unwrap_or_else(|| panic!("{name}: no title")).forms;
            match forms.last_mut() {
                Some(form) if line.starts_with(' ') => {
                    form.statement.sql.push('\n');
                    form.statement.sql.push_str(line);
                }
                _ => {
                    let (place, expected) = (format!("{name}:{number}"), expected.clone());
                    forms.push(Form { place, statement: Statement::new(line), expected });
                }
            }
        }
    }
    sections
}
