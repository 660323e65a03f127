//! The members of a cluster, as an entry of the log carries them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::NodeId;

/// Who takes part, and where they listen. It is in effect from the moment its entry is appended, committed or not (Raft,
/// section 6). The first entry of every log is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Configuration {
    /// Who votes and counts for commitment, with their addresses.
    pub voters: BTreeMap<NodeId, String>,
    /// The voters of the configuration that is being left. Empty unless this one is joint.
    pub outgoing: BTreeMap<NodeId, String>,
    /// Who receives the log and neither votes nor counts.
    pub learners: BTreeMap<NodeId, String>,
    /// Outgoing voters that become learners when the joint configuration is left.
    pub learners_next: BTreeMap<NodeId, String>,
    /// Whether the leader leaves the joint configuration on its own, once it is committed.
    pub auto_leave: bool,
    /// What the members agreed on besides, which every later configuration keeps. The core does not look into it.
    pub settings: Bytes,
}

/// Why bytes are no configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadConfiguration {
    /// The bytes do not decode.
    #[error("the bytes do not decode to a configuration")]
    Garbled,
    /// Nobody votes.
    #[error("a configuration needs at least one voter")]
    NoVoters,
    /// A node is both voter and learner.
    #[error("node {0} is both a voter and a learner")]
    VoterAndLearner(NodeId),
    /// A node is to become a learner without being an outgoing voter.
    #[error("node {0} is to become a learner but is no outgoing voter")]
    NotOutgoing(NodeId),
    /// It is to be left, but not joint.
    #[error("a configuration that is not joint cannot be left")]
    NotJoint,
}

impl Configuration {
    /// A configuration that is not joint and has no learners.
    pub fn of_voters(voters: BTreeMap<NodeId, String>) -> Configuration {
        Configuration { voters, ..Configuration::default() }
    }

    /// The payload of the entry that carries it.
    pub fn encode(&self) -> Bytes {
        postcard::to_stdvec(self).expect("maps of numbers and strings always encode").into()
    }

    /// Reads the payload of an entry.
    ///
    /// # Errors
    /// [`BadConfiguration`] if the bytes are garbled, or what they say cannot be a configuration.
    pub fn decode(bytes: &[u8]) -> Result<Configuration, BadConfiguration> {
        let (configuration, rest) =
            postcard::take_from_bytes::<Configuration>(bytes).map_err(|_| BadConfiguration::Garbled)?;
        if !rest.is_empty() {
            return Err(BadConfiguration::Garbled);
        }
        configuration.validate()?;
        Ok(configuration)
    }

    /// Whether the node votes, in either half of a joint configuration.
    pub fn is_voter(&self, id: NodeId) -> bool {
        self.voters.contains_key(&id) || self.outgoing.contains_key(&id)
    }

    /// Whether decisions need a majority of the outgoing voters as well.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// What a joint configuration becomes when it is left.
    pub fn left(&self) -> Configuration {
        let learners = self.learners.iter().chain(&self.learners_next);
        let learners = learners.map(|(id, address)| (*id, address.clone())).collect();
        Configuration {
            voters: self.voters.clone(),
            learners,
            settings: self.settings.clone(),
            ..Configuration::default()
        }
    }

    /// Everyone who receives the log, each once.
    pub fn members(&self) -> BTreeSet<NodeId> {
        self.voters.keys().chain(self.outgoing.keys()).chain(self.learners.keys()).copied().collect()
    }

    /// Where a member listens.
    pub fn address(&self, id: NodeId) -> Option<&str> {
        [&self.voters, &self.outgoing, &self.learners].into_iter().find_map(|part| part.get(&id)).map(String::as_str)
    }

    fn validate(&self) -> Result<(), BadConfiguration> {
        if self.voters.is_empty() {
            return Err(BadConfiguration::NoVoters);
        }
        if let Some(id) = self.learners.keys().find(|id| self.is_voter(**id)) {
            return Err(BadConfiguration::VoterAndLearner(*id));
        }
        if let Some(id) = self.learners_next.keys().find(|id| !self.outgoing.contains_key(id)) {
            return Err(BadConfiguration::NotOutgoing(*id));
        }
        if let Some(id) = self.learners_next.keys().find(|id| self.voters.contains_key(id)) {
            return Err(BadConfiguration::VoterAndLearner(*id));
        }
        if self.auto_leave && !self.is_joint() {
            return Err(BadConfiguration::NotJoint);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ids: &[u64]) -> BTreeMap<NodeId, String> {
        ids.iter().map(|id| (NodeId(*id), format!("n{id}"))).collect()
    }

    #[test]
    fn a_configuration_survives_encoding() {
        let joint = Configuration {
            voters: nodes(&[1, 2, 3]),
            outgoing: nodes(&[1, 2, 4]),
            learners: nodes(&[5]),
            learners_next: nodes(&[4]),
            auto_leave: true,
            settings: Bytes::from_static(b"kept"),
        };
        assert_eq!(Configuration::decode(&joint.encode()), Ok(joint.clone()));
        assert_eq!(joint.members().len(), 5);
        assert_eq!(joint.address(NodeId(4)), Some("n4"));
        assert!(joint.is_voter(NodeId(4)) && !joint.is_voter(NodeId(5)));
    }

    #[test]
    fn what_cannot_be_a_configuration_is_refused() {
        let voters = Configuration::of_voters(nodes(&[1, 2]));
        let table = [
            (Configuration::default(), BadConfiguration::NoVoters),
            (Configuration { learners: nodes(&[2]), ..voters.clone() }, BadConfiguration::VoterAndLearner(NodeId(2))),
            (Configuration { learners_next: nodes(&[2]), ..voters.clone() }, BadConfiguration::NotOutgoing(NodeId(2))),
            (
                Configuration { outgoing: nodes(&[2]), learners_next: nodes(&[2]), ..voters.clone() },
                BadConfiguration::VoterAndLearner(NodeId(2)),
            ),
            (Configuration { auto_leave: true, ..voters.clone() }, BadConfiguration::NotJoint),
        ];
        for (configuration, error) in table {
            assert_eq!(Configuration::decode(&configuration.encode()), Err(error), "{configuration:?}");
        }
        let bytes = voters.encode();
        assert_eq!(Configuration::decode(&bytes[..bytes.len() - 1]), Err(BadConfiguration::Garbled));
        assert_eq!(Configuration::decode(&[&bytes[..], &[0]].concat()), Err(BadConfiguration::Garbled));
    }
}
