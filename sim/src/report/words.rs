//! Numbers and times as people write them.

use std::time::Duration;

/// A number with its thousands apart: `1,204`.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits are ASCII")).collect();
    groups.join(",")
}

/// A time in seconds, to the millisecond: `2.371s`.
pub fn seconds(time: Duration) -> String {
    format!("{:.3}s", time.as_secs_f64())
}

/// Parts on lines of at most `width` columns, two spaces between them.
pub fn wrap(parts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 2 + part.chars().count() <= width => {
                line.push_str("  ");
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

/// Text cut to a width, with `…` where it was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn lines_keep_to_their_width() {
        let parts = ["one", "two", "three"].map(str::to_owned);
        assert_eq!(wrap(&parts, 8), ["one  two", "three"]);
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
