//! Mistakes in the TOML itself, in the style of all others.

use std::ops::Range;
use std::sync::Arc;

use super::reader::LISTS;
use super::report::{Problem, Source};

/// The problem that the parser of TOML reports.
pub fn problem(source: &Arc<Source>, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    let word = source.text.get(span.clone()).unwrap_or("");
    let place = Some((source.clone(), span.clone()));
    if error.message() == "duplicate key" {
        let earlier = definition_before(&source.text, word, span.start);
        let (title, label, help) = duplicate(word, &source.text[..span.start]);
        let related = earlier.map(|span| (span, "first here".to_owned()));
        return Problem { title, place, label, related, help: Some(help) };
    }
    let (label, help) = match error.message() {
        message if message.starts_with("string values must be quoted") => (
            "a value is missing, or it lacks its quotes".to_owned(),
            Some("texts, durations and ranges stand in double quotes: \"power-cut\", \"30ms\", \"1..3\"".to_owned()),
        ),
        "invalid basic string, expected `\"`" => ("the closing `\"` is missing".to_owned(), None),
        message if message.contains("array") => {
            let help = "perhaps the `]` of the list that begins further up is missing".to_owned();
            (message.to_owned(), Some(help))
        }
        message => (message.to_owned(), None),
    };
    Problem { title: "this is not valid TOML".to_owned(), place, label, related: None, help }
}

fn duplicate(word: &str, before: &str) -> (String, String, String) {
    let in_header = before.trim_end().ends_with('[');
    if LISTS.contains(&word) && in_header {
        let help = format!("keep one form: `[[{word}]]` for each, or one `{word} = [ … ]` above the first `[table]`");
        return (format!("the list `{word}` is written in two forms"), "and here in another".to_owned(), help);
    }
    if in_header {
        let help = format!("write everything of `{word}` in one place");
        return (format!("the table `{word}` is opened twice"), "and here again".to_owned(), help);
    }
    let header = before.lines().rev().find(|line| line.starts_with('[')).filter(|line| line.starts_with("[["));
    let help = match header {
        Some(header) => format!("keep one of them; a new entry of the list begins with a line `{}`", header.trim_end()),
        None => "keep one of them".to_owned(),
    };
    (format!("the key `{word}` stands twice in one table"), "and here again".to_owned(), help)
}

/// Where a key was first defined, on a line of its own: `key = …`, `[key]` or `[[key]]`.
fn definition_before(text: &str, key: &str, end: usize) -> Option<Range<usize>> {
    let mut start = 0;
    let mut last = None;
    for line in text[..end].split_inclusive('\n') {
        let body = line.trim_start_matches(|c: char| c.is_whitespace() || c == '[');
        let begin = start + (line.len() - body.len());
        let follows = body.strip_prefix(key).map(|rest| rest.trim_start().starts_with(['=', ']', '.']));
        if follows == Some(true) {
            last = Some(begin..begin + key.len());
        }
        start += line.len();
    }
    last
}
