//! The money in the bank is constant: on every replica, and in every total that a client read.

use lockstep_node::api::Value;

use super::replicas::{bank, bank_operations, column, dumps, table};
use super::{Check, violation};
use crate::history::Outcome;
use crate::run::{Evidence, Finding, Violation};

/// Adds up.
pub(super) struct BankTotal;

impl Check for BankTotal {
    fn property(&self) -> &'static str {
        "bank-total"
    }

    fn finish(&mut self, evidence: &Evidence) -> Finding {
        let Some((accounts, balance)) = bank(evidence) else { return Finding::NotApplicable };
        let expected = i64::from(accounts) * balance;
        match reads(evidence, expected).and_then(|reads| Ok((reads, replicas(evidence, expected)?))) {
            Ok((reads, replicas)) => Finding::Holds(format!("{expected} on {replicas} replicas and in {reads} reads")),
            Err(violation) => Finding::Violated(violation),
        }
    }
}

fn reads(evidence: &Evidence, expected: i64) -> Result<u64, Violation> {
    let mut seen = 0;
    for operation in bank_operations(evidence) {
        let Outcome::Acknowledged { reply, .. } = &operation.outcome else { continue };
        for rows in reply.results.iter().flatten().filter(|rows| rows.columns == ["total"]) {
            seen += 1;
            let total = rows.rows.first().and_then(|row| row.first());
            if total != Some(&Value::Integer(expected)) {
                let read = total.map_or("nothing".into(), Value::to_string);
                let summary = format!(
                    "client {} read a total of {read} at index {}, not {expected}",
                    operation.client, reply.index
                );
                return Err(violation(summary, None, reply.index));
            }
        }
    }
    Ok(seen)
}

fn replicas(evidence: &Evidence, expected: i64) -> Result<u64, Violation> {
    let mut seen = 0;
    for (machine, dump) in dumps(evidence) {
        seen += 1;
        let total = table(dump, "accounts").map_or(0, |accounts| {
            let place = column(accounts, "balance").unwrap_or(1);
            let balance = |value: &Value| if let Value::Integer(balance) = value { *balance } else { 0 };
            accounts.rows.iter().map(|row| row.values.get(place).map_or(0, balance)).sum::<i64>()
        });
        if total != expected {
            return Err(violation(format!("the accounts on {machine} total {total}, not {expected}"), machine, None));
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{bank_evidence, read_total, set_balance, summary};

    #[test]
    fn a_constant_total_holds() {
        let mut evidence = bank_evidence(&[&[], &[]]);
        evidence.history.operations = vec![read_total(300)];
        assert_eq!(summary(BankTotal, &evidence), None);
    }

    #[test]
    fn money_that_vanished_on_a_replica_is_seen() {
        let mut evidence = bank_evidence(&[&[], &[]]);
        set_balance(&mut evidence, 1, 2, 70);
        assert_eq!(summary(BankTotal, &evidence).as_deref(), Some("the accounts on n2 total 270, not 300"));
    }

    #[test]
    fn a_total_that_a_client_read_is_held_to_it() {
        let mut evidence = bank_evidence(&[&[], &[]]);
        evidence.history.operations = vec![read_total(299)];
        assert_eq!(summary(BankTotal, &evidence).as_deref(), Some("client 1 read a total of 299 at index 6, not 300"));
    }
}
