//! What views cost whoever uses them.
//!
//! SQLite expands a view wherever it is named, again and again: a view of two views of two views … takes time and memory that
//! double with each. And it does so while it prepares, where nothing can be counted that is the same on every replica. So
//! the cost is read off the texts: a view weighs one and as much as all that its text names, and what weighs too much is
//! refused. A word that only looks like the name of a view counts as well.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::text::words;

/// Maximum number of views that a statement, a view or a trigger may expand to, views in views counted each time.
const WEIGHT_MAX: u64 = 1000;

/// The views of a schema by their [`key`], with their weights.
#[derive(Debug, Default)]
pub struct Views(BTreeMap<String, u64>);

impl Views {
    /// Reads the views of a schema.
    ///
    /// # Errors
    /// What SQLite reports.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Views> {
        let sql = "SELECT name, sql FROM main.sqlite_schema WHERE type = 'view'";
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (name, text): (String, String) = (row.get(0)?, row.get(1)?);
            let all = texts.entry(key(&name)).or_default();
            all.push(' ');
            all.push_str(&text);
        }
        let mut views = Views::default();
        for name in texts.keys() {
            views.weigh(name, &texts);
        }
        Ok(views)
    }

    /// Weighs a view and those that it names. Each is weighed once, in the order in which they need one another.
    fn weigh(&mut self, name: &str, texts: &BTreeMap<String, String>) {
        let mut pending = vec![name.to_owned()];
        while let Some(name) = pending.last().cloned() {
            if self.0.contains_key(&name) {
                pending.pop();
                continue;
            }
            let named: Vec<String> = words(&texts[&name])
                .map(str::to_lowercase)
                .filter(|word| *word != name && texts.contains_key(word))
                .collect();
            // One that waits already names itself in a circle, which SQLite refuses to expand.
            let unknown = named.iter().find(|word| !self.0.contains_key(*word) && !pending.contains(word));
            match unknown {
                Some(unknown) => pending.push(unknown.clone()),
                None => {
                    let weight = named
                        .iter()
                        .filter_map(|word| self.0.get(word))
                        .fold(1u64, |sum, weight| sum.saturating_add(*weight));
                    self.0.insert(name, weight);
                    pending.pop();
                }
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Why a text is refused that names views; `None` if it is fine.
    pub fn refusal(&self, sql: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let weights = words(sql).filter_map(|word| self.0.get(&word.to_lowercase()));
        too_heavy(weights.fold(0u64, |sum, weight| sum.saturating_add(*weight)))
    }

    /// Why a view is refused; `None` if it is fine.
    pub fn refusal_of(&self, name: &str) -> Option<String> {
        too_heavy(self.0.get(&key(name)).copied().unwrap_or(0))
    }
}

fn too_heavy(weight: u64) -> Option<String> {
    (weight > WEIGHT_MAX).then(|| {
        format!(
            "the views that it names expand to {weight} views, and {WEIGHT_MAX} is the most; read views of views less often, or \
             keep their rows in a table"
        )
    })
}

/// The word under which a view is found in texts that name it: the longest of its name, in lower case. Views that share one
/// weigh together.
fn key(name: &str) -> String {
    words(name).max_by_key(|word| word.len()).unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(texts: &[&str]) -> Views {
        let connection = Connection::open_in_memory().unwrap();
        texts.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        Views::read(&connection).unwrap()
    }

    #[test]
    fn a_view_weighs_what_it_names_each_time() {
        let texts: Vec<String> = (1..20)
            .map(|level| format!("CREATE VIEW v{level} AS SELECT 1 FROM \"V{}\" AS a, v{} AS b", level - 1, level - 1))
            .collect();
        let mut all = vec!["CREATE VIEW v0 AS SELECT 1"];
        all.extend(texts.iter().map(String::as_str));
        let views = views(&all);
        assert_eq!((views.0["v0"], views.0["v3"], views.0["v19"]), (1, 15, (1 << 20) - 1));
        assert_eq!(views.refusal("SELECT * FROM v8 JOIN v7"), None);
        assert!(views.refusal("SELECT * FROM v8, v8").unwrap().contains("expand to 1022 views"));
        assert!(views.refusal_of("V9").is_some() && views.refusal_of("v8").is_none());
    }

    #[test]
    fn a_name_that_must_be_quoted_is_found_by_its_longest_word() {
        let views =
            views(&["CREATE VIEW \"a big-picture\" AS SELECT 1", "CREATE VIEW c AS SELECT * FROM [a big-picture]"]);
        assert_eq!((views.0["picture"], views.0["c"]), (1, 2));
    }

    #[test]
    fn a_circle_ends() {
        let views = views(&["CREATE VIEW a AS SELECT * FROM b", "CREATE VIEW b AS SELECT * FROM a, b"]);
        assert_eq!(views.refusal("SELECT * FROM a"), None);
    }
}
