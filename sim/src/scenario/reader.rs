//! Reads the spanned tree of a TOML document. A [`Table`] remembers which keys it was asked for: those are the valid
//! ones, and what else stands in it is refused. Problems are collected, not thrown, so that one look shows them all.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Problem, Source};
use super::value::Wrong;

/// The keys of the top level.
pub const ROOT_KEYS: &[&str] = &[
    "seeds",
    "cluster",
    "network",
    "clock",
    "disk",
    "schema",
    "workload",
    "invariant",
    "nemesis",
    "event",
    "phases",
    "final",
    "expect",
    "limits",
];

/// The keys of the top level that hold lists of tables.
pub const LISTS: &[&str] = &["workload", "invariant", "event", "nemesis"];

/// Collects what is wrong with a text.
pub struct Problems {
    source: Arc<Source>,
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    /// Nothing wrong yet with this text.
    pub fn new(source: Arc<Source>) -> Self {
        Problems { source, found: RefCell::default() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// Adds a problem at a place of the text.
    pub fn add(&self, span: Range<usize>, title: impl Into<String>, label: impl Into<String>, help: Option<String>) {
        let place = Some((self.source.clone(), span));
        self.push(Problem { title: title.into(), place, label: label.into(), related: None, help });
    }

    /// Adds a problem that two places of the text make together.
    pub fn add_related(&self, span: Range<usize>, title: String, label: &str, other: (Range<usize>, &str), help: &str) {
        let place = Some((self.source.clone(), span));
        let related = Some((other.0, other.1.to_owned()));
        self.push(Problem { title, place, label: label.to_owned(), related, help: Some(help.to_owned()) });
    }

    /// Adds a problem of any text.
    pub fn push(&self, problem: Problem) {
        self.found.borrow_mut().push(problem);
    }

    /// Whether nothing is wrong so far.
    pub fn none(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// All that is wrong.
    pub fn into_found(self) -> Vec<Problem> {
        self.found.into_inner()
    }
}

/// The name nearest to a misspelt one, if any is near.
pub fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    let distance = |name: &str| strsim::damerau_levenshtein(&word.to_lowercase(), name);
    let best = names.iter().copied().min_by_key(|name| distance(name))?;
    (distance(best) <= word.chars().count().max(3) / 3).then_some(best)
}

/// What to say of an unknown name: the label and the help.
pub fn suggest(word: &str, names: &[&str]) -> (String, Option<String>) {
    match nearest(word, names) {
        Some(name) => (format!("did you mean `{name}`?"), None),
        None => ("not known here".to_owned(), Some(format!("valid here: {}", names.join(", ")))),
    }
}

/// A table being read.
pub struct Table<'a> {
    /// What it is called in messages: `[disk]`, `[[event]]`.
    pub name: String,
    /// Where it begins: its header, or all of an inline table.
    pub span: Range<usize>,
    entries: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

impl<'a> Table<'a> {
    /// The top level of a document.
    pub fn root(entries: &'a DeTable<'a>, problems: &'a Problems) -> Self {
        let name = "the top level".to_owned();
        Table { name, span: 0..0, entries, asked: RefCell::default(), problems }
    }

    /// The value of a key. From now on the key is valid.
    pub fn find(&self, key: &'static str) -> Option<Item<'a>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        let (key, value) = self.entries.get_key_value(key)?;
        Some(Item::new(key.get_ref(), key.span(), value, self.problems))
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a key is there. It does not become valid by this.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Reads the value of a key, or takes the default if it is absent or wrong.
    pub fn get<T>(&self, key: &'static str, default: T, read: impl FnOnce(&Item<'a>) -> Option<T>) -> T {
        self.find(key).and_then(|item| read(&item)).unwrap_or(default)
    }

    /// The table of a key.
    pub fn table(&self, key: &'static str) -> Option<Table<'a>> {
        self.find(key)?.table(&format!("[{key}]"))
    }

    /// The tables of a key that holds a list of them.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        self.tables_called(key, &format!("[[{key}]]"))
    }

    /// The same, where the list has a longer name: `[[network.link]]`.
    pub fn tables_called(&self, key: &'static str, name: &str) -> Vec<Table<'a>> {
        let Some(item) = self.find(key) else { return Vec::new() };
        if let DeValue::Table(_) = item.value {
            let help = format!("write `{name}`, or `{key} = [{{ … }}, {{ … }}]`");
            item.wrong::<()>(Wrong::new("is a list", "this is a single table", help));
            return Vec::new();
        }
        item.list().unwrap_or_default().iter().filter_map(|item| item.table(name)).collect()
    }

    /// The tables of a list as far as it is one. Nothing is said of what is wrong with it.
    pub fn peek(&self, key: &str) -> Vec<Table<'a>> {
        let Some(DeValue::Array(items)) = self.entries.get(key).map(Spanned::get_ref) else { return Vec::new() };
        let table = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::Table(entries) => {
                let (name, asked) = (String::new(), RefCell::default());
                Some(Table { name, span: item.span(), entries, asked, problems: self.problems })
            }
            _ => None,
        };
        items.iter().filter_map(table).collect()
    }

    /// All entries: every key is valid.
    pub fn entries(&self) -> Vec<Item<'a>> {
        self.entries.iter().map(|(key, value)| Item::new(key.get_ref(), key.span(), value, self.problems)).collect()
    }

    /// Adds a problem with the table as a whole.
    pub fn wrong(&self, title: impl Into<String>, label: impl Into<String>, help: impl Into<String>) {
        self.problems.add(self.span.clone(), title, label, Some(help.into()));
    }

    /// The line of the file on which the table begins, from 1.
    pub fn line(&self) -> u32 {
        let before = &self.problems.text().as_bytes()[..self.span.start];
        before.iter().filter(|byte| **byte == b'\n').count() as u32 + 1
    }

    /// Refuses every key that was not asked for.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.entries.iter().filter(|(key, _)| !asked.contains(&key.get_ref().as_ref())) {
            self.refuse(key.get_ref(), key.span(), &asked);
        }
    }

    fn refuse(&self, key: &str, span: Range<usize>, valid: &[&str]) {
        let below_header = self.problems.text()[self.span.clone()].starts_with('[');
        if below_header && LISTS.contains(&key) {
            let help =
                format!("keep one form: `[[{key}]]` throughout, or one `{key} = [ … ]` above the first `[table]`");
            let label = format!("this line belongs to {}, which has no such key", self.name);
            self.problems.add(span, format!("the list `{key}` is written inside of {}", self.name), label, Some(help));
        } else if below_header && ROOT_KEYS.contains(&key) {
            let label = format!("this line belongs to {}, which has no such key", self.name);
            let help = format!("`{key}` is a key of the top level: move it above the first `[table]` of the file");
            self.problems.add(span, format!("`{key}` stands below {}", self.name), label, Some(help));
        } else {
            let (label, help) = suggest(key, valid);
            self.problems.add(span, format!("unknown key `{key}` in {}", self.name), label, help);
        }
    }
}

/// A value being read.
#[derive(Clone)]
pub struct Item<'a> {
    /// The key it belongs to.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// Where the value stands.
    pub span: Range<usize>,
    value: &'a DeValue<'a>,
    problems: &'a Problems,
}

impl<'a> Item<'a> {
    fn new(key: &str, key_span: Range<usize>, value: &'a Spanned<DeValue<'a>>, problems: &'a Problems) -> Self {
        Item { key: key.to_owned(), key_span, span: value.span(), value: value.get_ref(), problems }
    }

    /// Adds a problem with this value; `None`, for the reader to pass on.
    pub fn wrong<T>(&self, wrong: Wrong) -> Option<T> {
        self.problems.add(self.span.clone(), format!("`{}` {}", self.key, wrong.title), wrong.label, wrong.help);
        None
    }

    /// Adds a problem with this value under a title of its own; `None`, for the reader to pass on.
    pub fn refuse<T>(&self, title: impl Into<String>, label: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.problems.add(self.span.clone(), title, label, Some(help.into()));
        None
    }

    /// Adds a problem that this value makes together with another.
    pub fn contradicts(&self, other: &Item<'_>, title: &str, label: &str, other_label: &str, help: &str) {
        let other = (other.key_span.clone(), other_label);
        self.problems.add_related(self.key_span.clone(), title.to_owned(), label, other, help);
    }

    /// Adds a problem with some bytes of a text that this value holds.
    pub fn wrong_inside(&self, text: &str, at: Range<usize>, title: String, label: String, help: Option<String>) {
        self.problems.add(self.inside(text, at), title, label, help);
    }

    /// Adds a problem with some bytes of a file that this value names.
    pub fn wrong_in(&self, file: &Arc<Source>, at: Range<usize>, title: String, label: String, help: Option<String>) {
        self.problems.push(Problem { title, place: Some((file.clone(), at)), label, related: None, help });
    }

    /// Adds a problem that was found elsewhere.
    pub fn push(&self, problem: Problem) {
        self.problems.push(problem);
    }

    /// A text with a unit, or a bare number, whose reader will say that it lacks one.
    pub fn parse<T>(&self, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let result = match self.value {
            DeValue::String(text) => read(text),
            DeValue::Integer(number) => read(number.as_str()),
            DeValue::Float(number) => read(number.as_str()),
            other => Err(must_be("a string", other)),
        };
        result.map_or_else(|wrong| self.wrong(wrong), Some)
    }

    /// A whole number between two bounds, both included.
    pub fn integer(&self, least: i64, most: i64) -> Option<i64> {
        let DeValue::Integer(number) = self.value else {
            let mut wrong = must_be("a whole number", self.value);
            if self.as_text().is_some_and(|text| text.trim().parse::<i64>().is_ok()) {
                wrong.help = Some("leave the quotes out".to_owned());
            }
            return self.wrong(wrong);
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ if most == i64::MAX => {
                self.wrong(Wrong::brief("is out of range", format!("it must be at least {least}")))
            }
            _ => self.wrong(Wrong::brief("is out of range", format!("it must be between {least} and {most}"))),
        }
    }

    /// A whole number of 32 bits between two bounds, both included.
    pub fn count(&self, least: u32, most: u32) -> Option<u32> {
        self.integer(least.into(), most.into()).map(|number| u32::try_from(number).expect("within its bounds"))
    }

    /// A whole number of 64 bits from a bound upwards.
    pub fn large(&self, least: u64) -> Option<u64> {
        self.integer(i64::try_from(least).expect("bounds are small"), i64::MAX).map(i64::unsigned_abs)
    }

    /// A finite number with a fraction.
    pub fn real(&self) -> Option<f64> {
        let DeValue::Float(number) = self.value else { return self.wrong(must_be("a number", self.value)) };
        match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Some(number),
            _ => self.wrong(Wrong::brief("is not a finite number", "SQLite has no such value")),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            other => self.wrong(must_be("`true` or `false`", other)),
        }
    }

    /// A text.
    pub fn text(&self) -> Option<String> {
        match self.value {
            DeValue::String(text) => Some(text.to_string()),
            other => self.wrong(must_be("a string", other)),
        }
    }

    /// A text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// The kind of the value: `string`, `integer`, `table` …
    pub fn kind(&self) -> &'static str {
        self.value.type_str()
    }

    /// One of some names.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        self.unknown(&format!("`{}` cannot be", self.key), &text, &names)
    }

    /// Adds the problem that a name is not one of the valid ones. The title ends with the name.
    pub fn unknown<T>(&self, title: &str, word: &str, names: &[&str]) -> Option<T> {
        let (label, help) = suggest(word, names);
        self.problems.add(self.span.clone(), format!("{title} `{word}`"), label, help);
        None
    }

    /// The same item with its key as the place of its problems.
    pub fn at_key(&self) -> Item<'a> {
        Item { span: self.key_span.clone(), ..self.clone() }
    }

    /// The members of a list.
    pub fn list(&self) -> Option<Vec<Item<'a>>> {
        let DeValue::Array(list) = self.value else { return self.wrong(must_be("a list", self.value)) };
        Some(list.iter().map(|value| Item::new(&self.key, self.key_span.clone(), value, self.problems)).collect())
    }

    /// The members of a list, or the value itself as its only member.
    pub fn one_or_list(&self) -> Vec<Item<'a>> {
        match self.value {
            DeValue::Array(_) => self.list().unwrap_or_default(),
            _ => vec![self.clone()],
        }
    }

    /// A table, called `name` in messages.
    pub fn table(&self, name: &str) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value else { return self.wrong(must_be("a table", self.value)) };
        let (span, problems) = (self.span.clone(), self.problems);
        Some(Table { name: name.to_owned(), span, entries, asked: RefCell::default(), problems })
    }

    /// Where bytes of the text that this value holds stand in the file. With escapes in it, that is the whole value.
    fn inside(&self, text: &str, at: Range<usize>) -> Range<usize> {
        match self.problems.text()[self.span.clone()].find(text) {
            Some(begin) if !text.is_empty() => {
                let begin = self.span.start + begin;
                begin + at.start..begin + at.end
            }
            _ => self.span.clone(),
        }
    }
}

fn must_be(wanted: &str, found: &DeValue<'_>) -> Wrong {
    let found = match found {
        DeValue::Array(_) => "list",
        other => other.type_str(),
    };
    let article = if found.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    Wrong::brief(format!("must be {wanted}"), format!("this is {article} {found}"))
}
