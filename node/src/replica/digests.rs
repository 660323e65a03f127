//! Digests that replicas agree on.
//!
//! Every replica says, with its acknowledgements, what the digest of its contents was at the newest index that
//! [`Options::digest_every`](super::Options::digest_every) divides. When a majority of the voters says the same of an index,
//! the leader puts that into the log. Whoever executes that entry and had another digest there has gone apart: it writes that
//! down, durably, and stops; its database stays as evidence, and it starts again only after [`rejoin`](super::rejoin).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::Stop;
use crate::raft::{Configuration, Index, NodeId, quorum};
use crate::sqlite::Digest;

/// So many of the newest reports are remembered of each replica.
const REMEMBERED: usize = 16;

/// What is known of contents.
#[derive(Default)]
pub(super) struct Digests {
    own: VecDeque<(Index, Digest)>,
    reported: BTreeMap<NodeId, VecDeque<(Index, Digest)>>,
    /// Up to here a digest was proposed or agreed on.
    settled: Index,
    /// An agreed digest that was executed is not this node's.
    diverged: Option<Diverged>,
}

/// Contents that are not those of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this replica's contents at index {index} have the digest {own}, those of a majority {agreed}: they went apart; the \
     database is kept as it is, and the node does not start until it is told to rejoin with a copy of another's"
)]
pub struct Diverged {
    /// The index.
    pub index: Index,
    /// The digest here.
    pub own: Digest,
    /// The digest that a majority has.
    pub agreed: Digest,
}

impl Digests {
    /// This node executed an index at which digests are reported.
    pub(super) fn executed(&mut self, index: Index, digest: Digest) {
        remember(&mut self.own, index, digest);
    }

    /// A peer reports its digest.
    pub(super) fn reported(&mut self, peer: NodeId, index: Index, digest: Digest) {
        let reports = self.reported.entry(peer).or_default();
        if reports.back().is_none_or(|(newest, _)| *newest < index) {
            remember(reports, index, digest);
        }
    }

    /// The entry to propose, if a majority agrees on something new.
    ///
    /// # Errors
    /// [`Diverged`] if it is this node that the majority contradicts.
    pub(super) fn agreed(&mut self, id: NodeId, configuration: &Configuration) -> Result<Option<Bytes>, Diverged> {
        let mut newest = None;
        for &(index, own) in self.own.iter().filter(|(index, _)| *index > self.settled) {
            let of = |node: NodeId| match node == id {
                true => Some(own),
                false => at(self.reported.get(&node)?, index),
            };
            let agrees = |digest: Digest| quorum::decides(configuration, |node| of(node) == Some(digest));
            if agrees(own) {
                newest = Some((index, own));
            } else if let Some(agreed) =
                self.reported.keys().filter_map(|node| of(*node)).find(|digest| agrees(*digest))
            {
                return Err(Diverged { index, own, agreed });
            }
        }
        let Some((index, digest)) = newest else { return Ok(None) };
        self.settled = index;
        Ok(Some(encode(index, digest)))
    }

    /// An agreed digest was executed. What a node does not remember of itself it cannot compare.
    ///
    /// # Errors
    /// [`Stop::Contradiction`] if it cannot be read: another release wrote the log, and what it found stays unknown.
    pub(super) fn check(&mut self, payload: &[u8]) -> Result<(), Stop> {
        let unreadable = |error| Stop::Contradiction(format!("an agreed digest in the log cannot be read: {error}"));
        let (index, agreed) = postcard::from_bytes::<(Index, Digest)>(payload).map_err(unreadable)?;
        self.settled = self.settled.max(index);
        if let Some(own) = at(&self.own, index).filter(|own| *own != agreed) {
            self.diverged = self.diverged.or(Some(Diverged { index, own, agreed }));
        }
        Ok(())
    }

    /// Whether an agreed digest was found not to be this node's.
    pub(super) fn diverged(&self) -> Option<Diverged> {
        self.diverged
    }

    /// The database was replaced: what was reported was another's.
    pub(super) fn forget(&mut self) {
        self.own.clear();
    }
}

fn encode(index: Index, digest: Digest) -> Bytes {
    postcard::to_stdvec(&(index, digest)).expect("numbers always encode").into()
}

fn remember(reports: &mut VecDeque<(Index, Digest)>, index: Index, digest: Digest) {
    reports.push_back((index, digest));
    if reports.len() > REMEMBERED {
        reports.pop_front();
    }
}

fn at(reports: &VecDeque<(Index, Digest)>, index: Index) -> Option<Digest> {
    reports.iter().find(|(at, _)| *at == index).map(|(_, digest)| *digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Index = Index(64);

    fn three() -> Configuration {
        Configuration::of_voters([1, 2, 3].map(|id| (NodeId(id), id.to_string())).into())
    }

    fn reports(own: u128, others: &[(u64, u128)]) -> Digests {
        let mut digests = Digests::default();
        digests.executed(AT, Digest(own));
        others.iter().for_each(|(node, digest)| digests.reported(NodeId(*node), AT, Digest(*digest)));
        digests
    }

    #[test]
    fn what_a_majority_has_is_proposed_once() {
        assert_eq!(reports(7, &[]).agreed(NodeId(1), &three()), Ok(None));
        let mut digests = reports(7, &[(3, 9), (2, 7)]);
        assert_eq!(digests.agreed(NodeId(1), &three()), Ok(Some(encode(AT, Digest(7)))));
        assert_eq!(digests.agreed(NodeId(1), &three()), Ok(None));
    }

    #[test]
    fn a_leader_that_a_majority_contradicts_has_diverged() {
        let diverged = Diverged { index: AT, own: Digest(7), agreed: Digest(9) };
        assert_eq!(reports(7, &[(2, 9), (3, 9)]).agreed(NodeId(1), &three()), Err(diverged));
        assert_eq!(reports(7, &[(2, 9), (3, 8)]).agreed(NodeId(1), &three()), Ok(None), "nobody has a majority");
        assert_eq!(reports(7, &[(4, 9), (5, 9)]).agreed(NodeId(1), &three()), Ok(None), "they do not vote");
    }

    #[test]
    fn whoever_executes_another_digest_than_its_own_has_diverged() {
        let found = |index, agreed| {
            let mut digests = reports(7, &[]);
            digests.check(&encode(index, Digest(agreed))).unwrap();
            digests.diverged()
        };
        assert_eq!(found(AT, 7), None);
        assert_eq!(found(AT, 9), Some(Diverged { index: AT, own: Digest(7), agreed: Digest(9) }));
        assert_eq!(found(Index(128), 9), None, "it does not know its own there");
    }

    #[test]
    fn an_agreed_digest_that_cannot_be_read_is_not_passed_over() {
        assert!(matches!(Digests::default().check(&[0x80]), Err(Stop::Contradiction(_))));
    }
}
