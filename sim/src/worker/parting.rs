//! Where two runs of one seed part.
//!
//! Two workers make the run at the same time and tell every item of their digests; the parent reads both side by side and
//! stops at the first item that differs. So a pair of runs is compared with nothing but itself, however differently each
//! further run would go, and no more than one item of each is kept.

use std::fmt;
use std::io;

use super::{Job, Said, Wants, Worker};
use crate::trace::Entered;

/// How many pairs of runs are made until one parts. What depends on luck may not happen again at once.
const PAIRS_MAX: usize = 5;

/// How many bytes are shown from the first that differs on.
const BYTES_MAX: usize = 16;

/// The first difference of a pair of runs.
#[derive(Debug)]
pub(super) struct Parting {
    /// The last item that both have, if there is one.
    before: Option<Entered>,
    /// What follows it in each: an item, or the end of the run.
    sides: [Said; 2],
}

/// Makes pairs of runs of a job, one in a process that has run another seed before and one in a fresh process, until the
/// two differ. `None` if they never do.
///
/// # Errors
/// If no process can be started.
pub(super) fn find(job: &Job) -> io::Result<Option<Parting>> {
    let job = Job { wants: Wants { items: true, ..Wants::default() }, ..job.clone() };
    for _ in 0..PAIRS_MAX {
        let (mut warm, mut fresh) = (Worker::default(), Worker::default());
        warm.ask(&Job { seed: job.seed.wrapping_add(1), wants: Wants::default(), ..job.clone() })?;
        warm.begin(&job)?;
        fresh.begin(&job)?;
        if let Some(parting) = first(|| warm.hear(), || fresh.hear()) {
            return Ok(Some(parting));
        }
    }
    Ok(None)
}

/// Reads two runs side by side to the first difference, or to the end.
fn first(mut one: impl FnMut() -> Said, mut other: impl FnMut() -> Said) -> Option<Parting> {
    let mut before = None;
    loop {
        match (one(), other()) {
            (Said::Item(one), Said::Item(other)) if one == other => before = Some(one),
            (Said::Answer(one), Said::Answer(other)) if one == other => return None,
            (one, other) => return Some(Parting { before, sides: [one, other] }),
        }
    }
}

impl Parting {
    /// What both runs did before, and what each did then.
    pub(super) fn lines(&self) -> Vec<String> {
        let from = match &self.sides {
            [Said::Item(one), Said::Item(other)] => first_different_byte(&one.bytes, &other.bytes),
            _ => 0,
        };
        let before = self.before.as_ref().map(|item| format!("both   {item}"));
        let side = |name: &str, said: &Said| match said {
            Said::Item(item) => format!("{name}  {item}{}", bytes(&item.bytes, from)),
            Said::Answer(answer) => format!("{name}  the run is over: {}", answer.headline),
        };
        let [one, other] = &self.sides;
        before.into_iter().chain([side("one  ", one), side("other", other)]).collect()
    }
}

impl fmt::Display for Parting {
    /// The item, as far as both runs agree on it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sides {
            [Said::Item(one), Said::Item(other)] if (one.item, &one.about) == (other.item, &other.about) => one.fmt(f),
            [Said::Item(one), _] | [_, Said::Item(one)] => write!(f, "item {} {}", one.number, when(one)),
            [Said::Answer(_), Said::Answer(_)] => write!(f, "how they end"),
        }
    }
}

impl fmt::Display for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} {}, {}: {}", self.number, when(self), self.item, self.about)
    }
}

fn when(item: &Entered) -> String {
    if item.at.is_zero() { "in the setup".to_owned() } else { format!("at {:.6}s", item.at.as_secs_f64()) }
}

/// The place of the first byte in which two texts of hexadecimal digits differ.
fn first_different_byte(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count() / 2
}

/// Some bytes of a text of hexadecimal digits, from a place on.
fn bytes(digits: &str, from: usize) -> String {
    let count = digits.len() / 2;
    if count == 0 {
        return String::new();
    }
    let shown: Vec<&str> = (from..count.min(from + BYTES_MAX)).map(|place| &digits[2 * place..2 * place + 2]).collect();
    let more = if count > from + BYTES_MAX { " …" } else { "" };
    format!("; {count} bytes, from byte {from} on: {}{more}", shown.join(" "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::status::Status;
    use crate::trace::Item;
    use crate::worker::Answer;

    fn item(number: u64, bytes: &str) -> Said {
        let about = "datagram from n1 to n2".to_owned();
        let at = Duration::from_millis(350);
        Said::Item(Entered { number, at, item: Item::Message, about, bytes: bytes.to_owned(), hash: 0 })
    }

    fn end() -> Said {
        Said::Answer(Box::new(Answer::without_run(Status::Pass, "all is well".to_owned(), Vec::new())))
    }

    fn parting(one: Vec<Said>, other: Vec<Said>) -> Option<Parting> {
        let (mut one, mut other) = (one.into_iter(), other.into_iter());
        first(|| one.next().unwrap(), || other.next().unwrap())
    }

    #[test]
    fn equal_runs_do_not_part() {
        assert!(parting(vec![item(1, "aa"), end()], vec![item(1, "aa"), end()]).is_none());
    }

    #[test]
    fn the_first_item_that_differs_is_named_with_its_first_byte_that_does() {
        let one = vec![item(1, ""), item(2, "0102030405"), item(3, "aa"), end()];
        let other = vec![item(1, ""), item(2, "0102ff0405"), item(3, "bb"), end()];
        let parting = parting(one, other).unwrap();
        assert_eq!(parting.to_string(), "item 2 at 0.350000s, message: datagram from n1 to n2");
        let lines = parting.lines();
        assert!(lines[0].starts_with("both   item 1"), "{lines:?}");
        assert!(lines[1].starts_with("one") && lines[1].ends_with("; 5 bytes, from byte 2 on: 03 04 05"), "{lines:?}");
        assert!(lines[2].starts_with("other") && lines[2].ends_with(": ff 04 05"), "{lines:?}");
    }

    #[test]
    fn a_run_that_ends_first_parts_there() {
        let parting = parting(vec![item(1, ""), end()], vec![item(1, ""), item(2, "")]).unwrap();
        assert_eq!(parting.to_string(), "item 2 at 0.350000s");
        assert_eq!(parting.lines()[1], "one    the run is over: all is well");
    }
}
