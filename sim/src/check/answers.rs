//! Every request is answered in time by the process to which it came, if only with "unknown" or "not now".
//!
//! Judged is each request that comes to a process, of a client or passed on by a node, in every phase and whatever fails
//! around the process: within `limits.answer` an answer leaves it. Where it arrives, and whether it is a good one, is not
//! judged here. The time is the machine's own monotonic time, since a process has no other, and **does not count** while
//!
//! * the process is paused: it gets no turn;
//! * the machine's disk is stalled: a process may hang in a call to it.
//!
//! All other time counts: while the network is cut, while nobody leads, while the process boots but takes connections, while
//! its disk is slow by whatever factor. A slow disk keeps nobody from saying "unknown". A process that ends, a connection that
//! breaks and the end of the run leave a request without an answer, and none is missed unless its time was over by then. A
//! request that never came to a process is nobody's fault.
//!
//! The world measures this, so nothing that nodes say of themselves is believed: all systems are judged.

use super::{Check, violation};
use crate::record::{Late, What};
use crate::report::words::seconds;
use crate::run::{Evidence, Finding, Violation};

/// Looks for requests that waited for too long.
pub(super) struct Answers;

impl Check for Answers {
    fn property(&self) -> &'static str {
        "answers"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let late = evidence.records.iter().filter_map(|recorded| match &recorded.what {
            What::Late(late) => Some((recorded.at, late)),
            _ => None,
        });
        let mut late = late.peekable();
        let Some(&(at, first)) = late.peek() else {
            let (requests, longest_ms) = (evidence.counts.requests, evidence.counts.answer_longest_us / 1000);
            return Finding::Holds(format!("{requests} requests in {longest_ms} ms each at most"));
        };
        let limit = evidence.scenario.limits.answer;
        let details = late.take(DETAILS_MAX).map(|(_, late)| late.to_string()).collect();
        Finding::Violated(Violation { at: Some(at), details, ..violation(summary(first, limit), first.machine, None) })
    }
}

/// The most requests that are listed.
const DETAILS_MAX: usize = 10;

fn summary(late: &Late, limit: std::time::Duration) -> String {
    let Late { machine, from, arrived, waited, answered } = late;
    let end = if *answered { "answered it after" } else { "had not answered it after" };
    format!(
        "{machine} got a request of {from} at {} and {end} {}, not within {}",
        seconds(*arrived),
        seconds(*waited),
        seconds(limit)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::check::testing::{at, evidence, summary};
    use crate::record::Machine;

    fn late(machine: u32, waited_ms: u64, answered: bool) -> What {
        let (arrived, waited) = (Duration::from_secs(2), Duration::from_millis(waited_ms));
        What::Late(Late { machine: Machine(machine), from: "client 3".into(), arrived, waited, answered })
    }

    #[test]
    fn the_first_request_that_waited_for_too_long_is_named_and_the_others_are_listed() {
        let mut evidence = evidence();
        assert_eq!(summary(Answers, &evidence), None);
        evidence.records.push(at(2.9, late(1, 900, true)));
        evidence.records.push(at(9.0, late(0, 7000, false)));
        let text = "n2 got a request of client 3 at 2.000s and answered it after 0.900s, not within 0.800s";
        assert_eq!(summary(Answers, &evidence).as_deref(), Some(text));
        let Finding::Violated(violation) = Answers.finish(&evidence) else { panic!("two requests were late") };
        assert_eq!((violation.machine, violation.details.len()), (Some(Machine(1)), 2));
        evidence.records.remove(1);
        let text = "n1 got a request of client 3 at 2.000s and had not answered it after 7.000s, not within 0.800s";
        assert_eq!(summary(Answers, &evidence).as_deref(), Some(text));
    }
}
