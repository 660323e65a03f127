//! Seeds as people write them: `7`, or `1..5` with both ends.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// One seed, or all from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    first: u64,
    last: u64,
}

impl Seeds {
    /// The seeds, in order.
    pub fn iter(self) -> RangeInclusive<u64> {
        self.first..=self.last
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(text)?, number(text)?),
        };
        if last < first {
            return Err(format!("the range runs backwards: write `{last}..{first}`"));
        }
        Ok(Seeds { first, last })
    }
}

/// One seed.
///
/// # Errors
/// If it is none, with what to write instead.
pub fn number(text: &str) -> Result<u64, String> {
    let text = text.trim();
    text.parse().map_err(|_| match text.strip_prefix('=') {
        Some(rest) => format!("`..` includes both ends already: write `{rest}` without the `=`"),
        None => format!("`{text}` is no seed: write a whole number such as `7`; a range is `1..5`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<u64>, String> {
        text.parse::<Seeds>().map(|seeds| seeds.iter().collect())
    }

    #[test]
    fn both_ends_belong_to_a_range() {
        assert_eq!(parse("3..5"), Ok(vec![3, 4, 5]));
        assert_eq!(parse("7"), Ok(vec![7]));
        assert_eq!(parse("18446744073709551615"), Ok(vec![u64::MAX]));
    }

    #[test]
    fn what_is_no_seed_is_refused_with_a_remedy() {
        assert!(parse("9..3").unwrap_err().contains("write `3..9`"));
        assert!(parse("1..=3").unwrap_err().contains("without the `=`"));
        for wrong in ["", "seven", "-1", "1..", "..", "1.5", "18446744073709551616"] {
            assert!(parse(wrong).unwrap_err().contains("write a whole number"), "{wrong}");
        }
    }
}
