//! Numbers beside their goals.

use std::fmt;

/// What a number is meant to be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtLeast(f64),
    AtMost(f64),
    None,
}

/// All numbers.
#[derive(Debug, Default)]
pub struct Table(Vec<Row>);

#[derive(Debug)]
struct Row {
    name: String,
    value: f64,
    goal: Goal,
    about: String,
}

impl Table {
    /// Adds a number.
    pub fn row(&mut self, name: &str, value: f64, goal: Goal, about: String) {
        self.0.push(Row { name: name.to_owned(), value, goal, about });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { name, value, goal, about } in &self.0 {
            let (goal, held) = match *goal {
                Goal::AtLeast(least) => (format!("≥ {}", number(least)), *value >= least),
                Goal::AtMost(most) => (format!("≤ {}", number(most)), *value <= most),
                Goal::None => (String::new(), true),
            };
            let held = if held { "" } else { "missed" };
            writeln!(f, "{name:<42} {:>10}  {goal:<10} {held:<7} {about}", number(*value))?;
        }
        Ok(())
    }
}

/// Three digits or so, thousands apart.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8(groups.join(&b","[..])).expect("digits and commas")
}
