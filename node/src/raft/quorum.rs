//! What a configuration's voters decide. A joint configuration decides when both of its halves do (Raft, section 6).

use std::collections::BTreeMap;

use super::{Configuration, NodeId};

/// Whether those who said yes decide.
pub fn decides(configuration: &Configuration, yes: impl Fn(NodeId) -> bool) -> bool {
    halves(configuration).all(|voters| is_majority(voters.keys().filter(|id| yes(**id)).count(), voters.len()))
}

/// The greatest value that enough voters have reached: of an index, what can be committed.
pub fn held<T: Copy + Default + Ord>(configuration: &Configuration, holds: impl Fn(NodeId) -> T) -> T {
    halves(configuration).map(|voters| held_by_majority(voters, &holds)).min().unwrap_or_default()
}

fn halves(configuration: &Configuration) -> impl Iterator<Item = &BTreeMap<NodeId, String>> {
    std::iter::once(&configuration.voters).chain(configuration.is_joint().then_some(&configuration.outgoing))
}

/// Quadratic in the number of voters, of which there are few; it neither allocates nor sorts.
fn held_by_majority<T: Copy + Default + Ord>(voters: &BTreeMap<NodeId, String>, holds: impl Fn(NodeId) -> T) -> T {
    let reaches = |value: &T| is_majority(voters.keys().filter(|id| holds(**id) >= *value).count(), voters.len());
    voters.keys().map(|id| holds(*id)).filter(reaches).max().unwrap_or_default()
}

fn is_majority(count: usize, of: usize) -> bool {
    2 * count > of
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Index;

    type Ids = &'static [u64];

    fn configuration(voters: &[u64], outgoing: &[u64]) -> Configuration {
        let nodes = |ids: &[u64]| ids.iter().map(|id| (NodeId(*id), String::new())).collect();
        Configuration { voters: nodes(voters), outgoing: nodes(outgoing), ..Configuration::default() }
    }

    #[test]
    fn a_majority_of_every_half_decides() {
        let table: [(Ids, Ids, Ids, bool); 16] = [
            (&[], &[], &[], false),
            (&[], &[], &[1], false),
            (&[1], &[], &[], false),
            (&[1], &[], &[1], true),
            (&[1, 2], &[], &[1], false),
            (&[1, 2], &[], &[1, 2], true),
            (&[1, 2, 3], &[], &[1], false),
            (&[1, 2, 3], &[], &[1, 3], true),
            (&[1, 2, 3], &[], &[1, 4, 5], false),
            (&[1, 2, 3, 4], &[], &[1, 2], false),
            (&[1, 2, 3, 4], &[], &[1, 2, 4], true),
            (&[1, 2, 3, 4, 5], &[], &[1, 2, 4], true),
            (&[1, 2, 3], &[3, 4, 5], &[1, 2], false),
            (&[1, 2, 3], &[3, 4, 5], &[4, 5], false),
            (&[1, 2, 3], &[3, 4, 5], &[1, 3, 4], true),
            (&[1], &[2], &[1], false),
        ];
        for (voters, outgoing, yes, expected) in table {
            let decided = decides(&configuration(voters, outgoing), |id| yes.contains(&id.0));
            assert_eq!(decided, expected, "voters {voters:?}, outgoing {outgoing:?}, yes {yes:?}");
        }
    }

    #[test]
    fn what_a_majority_of_every_half_holds_is_held() {
        // Node n holds the n-th index of `holds`.
        let table: [(Ids, Ids, Ids, u64); 13] = [
            (&[], &[], &[], 0),
            (&[1], &[], &[7], 7),
            (&[1, 2], &[], &[7, 3], 3),
            (&[1, 2, 3], &[], &[7, 3, 5], 5),
            (&[1, 2, 3], &[], &[7, 7, 0], 7),
            (&[1, 2, 3], &[], &[9, 0, 0], 0),
            (&[1, 2, 3, 4], &[], &[9, 8, 7, 6], 7),
            (&[1, 2, 3, 4], &[], &[9, 9, 1, 1], 1),
            (&[1, 2, 3, 4, 5], &[], &[5, 1, 4, 2, 3], 3),
            (&[1, 2, 3], &[3, 4, 5], &[9, 9, 9, 2, 1], 2),
            (&[1, 2, 3], &[3, 4, 5], &[4, 4, 9, 9, 9], 4),
            (&[1, 2], &[3], &[9, 8, 5], 5),
            (&[3], &[1, 2], &[9, 8, 5], 5),
        ];
        for (voters, outgoing, holds, expected) in table {
            let held = held(&configuration(voters, outgoing), |id| Index(holds[id.0 as usize - 1]));
            assert_eq!(held, Index(expected), "voters {voters:?}, outgoing {outgoing:?}, holds {holds:?}");
        }
    }
}
