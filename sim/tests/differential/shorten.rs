//! Shortens the text of a statement, word by word. What is left need not make sense: it only has to differ as before.

use lockstep_node::api::{Parameters, Statement};

/// The statement with its values in the text, in the place of its parameters.
pub fn without_parameters(statement: &Statement) -> Statement {
    let mut values = match &statement.parameters {
        Parameters::Positional(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Parameters::Named(values) => values.iter().map(|(_, value)| value.to_string()).collect(),
    }
    .into_iter();
    let mut sql = String::new();
    for word in words(&statement.sql) {
        let is_parameter = word.starts_with(['?', ':', '@', '$']);
        match values.next().filter(|_| is_parameter) {
            Some(value) => sql.push_str(&format!("{value} ")),
            None => sql.push_str(&word),
        }
    }
    Statement::new(sql)
}

/// Shorter statements, the shortest first.
pub fn shorter(sql: &str) -> Vec<String> {
    let words = words(sql);
    let mut all = Vec::new();
    for size in [16, 8, 4, 2, 1].into_iter().filter(|size| *size < words.len()) {
        let ranges = (0..words.len() - size + 1).step_by(size.div_ceil(2));
        all.extend(ranges.map(|from| [&words[..from], &words[from + size..]].concat().concat()));
    }
    for (from, to) in groups(&words) {
        all.push([&words[..from], &words[to + 1..]].concat().concat());
        all.push(format!("{} 1 {}", words[..from].concat(), words[to + 1..].concat()));
    }
    all.retain(|shorter| shorter.len() < sql.len());
    all.sort_by_key(String::len);
    all
}

/// The words of a statement, each with the white space behind it: together they are the statement.
fn words(sql: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quote = None;
    let mut ended = true;
    for character in sql.chars() {
        let in_word = |c: char| c.is_alphanumeric() || "_.?:@$'\"".contains(c);
        let last = words.last().and_then(|word| word.chars().last());
        let begins = quote.is_none()
            && (ended && !character.is_whitespace()
                || !in_word(character) && !character.is_whitespace()
                || last.is_some_and(|last| !in_word(last)) && !character.is_whitespace());
        if begins || words.is_empty() {
            words.push(String::new());
        }
        words.last_mut().expect("there is one").push(character);
        ended = quote.is_none() && character.is_whitespace();
        match quote {
            Some(open) if open == character => quote = None,
            None if ['\'', '"'].contains(&character) => quote = Some(character),
            _ => {}
        }
    }
    words
}

/// The places of parentheses that belong together.
fn groups(words: &[String]) -> Vec<(usize, usize)> {
    let (mut open, mut groups) = (Vec::new(), Vec::new());
    for (at, word) in words.iter().enumerate() {
        match word.trim_end() {
            "(" => open.push(at),
            ")" => groups.extend(open.pop().map(|from| (from, at))),
            _ => {}
        }
    }
    groups
}
