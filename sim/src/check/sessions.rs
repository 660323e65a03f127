//! What one client is told never goes back: no answer is of an earlier index than one that it had before.

use std::collections::BTreeMap;

use super::{Check, violation};
use crate::record::What;
use crate::run::{Evidence, Finding, Violation};

/// Follows each client from answer to answer. A client asks for one thing at a time.
pub(super) struct Sessions;

impl Check for Sessions {
    fn property(&self) -> &'static str {
        "sessions"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        // Of a system that says nothing of itself nobody knows what its indexes mean.
        if !evidence.records.iter().any(|recorded| matches!(recorded.what, What::Node(..))) {
            return Finding::NotApplicable;
        }
        let mut newest = BTreeMap::new();
        for operation in evidence.history.operations.iter().filter(|operation| !operation.may_be_stale()) {
            let Some((reply, _)) = operation.reply() else { continue };
            let before = newest.insert(operation.client, (reply.index, operation));
            if let Some((index, earlier)) = before.filter(|(index, _)| *index > reply.index) {
                let summary =
                    format!("{operation} was answered at index {}, after index {index} had been seen", reply.index);
                let details = vec![format!("{earlier} was answered at index {index}, before the later one was asked")];
                return Finding::Violated(Violation { details, ..violation(summary, None, reply.index) });
            }
        }
        if newest.is_empty() {
            return Finding::NotApplicable;
        }
        Finding::Holds(format!("{} clients", newest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{acknowledged_transfer, evidence, lead, summary};
    use crate::history::Operation;

    #[test]
    fn an_answer_of_an_earlier_index_is_seen_on_one_client_and_not_across_two() {
        let mut evidence = evidence();
        let told = |client, number: i64, index| Operation { client, ..acknowledged_transfer(number, index) };
        evidence.history.operations = vec![told(1, 1, 5), told(2, 2, 9), told(1, 3, 7), told(2, 4, 9)];
        assert_eq!(Sessions.finish(&evidence), Finding::NotApplicable);
        evidence.records = vec![lead(0, 1)];
        assert_eq!(summary(Sessions, &evidence), None);
        evidence.history.operations.push(told(1, 5, 6));
        let text = "client 1, operation 5 was answered at index 6, after index 7 had been seen";
        assert_eq!(summary(Sessions, &evidence).as_deref(), Some(text));
    }
}
