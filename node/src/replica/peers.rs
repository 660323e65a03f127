//! The other nodes: their addresses, their boots, and the envelope around every message.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::host::Host;
use crate::log_store::ClusterId;
use crate::raft::{Body, Configuration, Entry, EntryKind, Index, Message, NodeId};
use crate::sqlite::Digest;
use crate::sqlite::fingerprint::{Fingerprint, fingerprint};
use crate::wire::{self, Content, Part, Peer};

/// What an envelope holds for this boot of this node.
pub(super) enum Opened {
    /// A message.
    Message(NodeId, Message),
    /// A part of a copy of the database.
    Copy(NodeId, Part),
    /// Nothing: it was meant for an earlier boot, and its sender does not know of this one.
    Outdated(NodeId),
    /// Nothing, and nobody needs to be told.
    Nothing,
}

/// An envelope that was opened.
pub(super) struct Envelope {
    /// The peer that sent it in a newer boot than it was known in.
    pub(super) rebooted: Option<NodeId>,
    /// The cluster that this node was made a part of by it.
    pub(super) adopted: Option<ClusterId>,
    /// A peer of another build, when it is heard for the first time: nothing that it says is taken.
    pub(super) foreign: Option<(NodeId, Fingerprint)>,
    /// What the peer says of its contents.
    pub(super) digest: Option<(NodeId, Index, Digest)>,
    /// What it holds.
    pub(super) opened: Opened,
}

impl Envelope {
    const EMPTY: Envelope =
        Envelope { rebooted: None, adopted: None, foreign: None, digest: None, opened: Opened::Nothing };
}

/// What a node knows of the others.
pub(super) struct Peers {
    cluster: ClusterId,
    id: NodeId,
    epoch: u64,
    /// Addresses by id, from every configuration seen: a node that was removed may still have to be answered. Of a sender
    /// that none names, where its first message came from.
    addresses: BTreeMap<NodeId, String>,
    /// The newest boot heard of, by node.
    epochs: BTreeMap<NodeId, u64>,
    /// Nodes of another build that were heard.
    foreign: BTreeSet<NodeId>,
    /// What the next acknowledgement says about the contents.
    digest: Option<(Index, Digest)>,
}

impl Peers {
    pub(super) fn new(cluster: ClusterId, id: NodeId, epoch: u64, configuration: &Configuration) -> Self {
        let mut peers = Peers {
            cluster,
            id,
            epoch,
            addresses: BTreeMap::new(),
            epochs: BTreeMap::new(),
            foreign: BTreeSet::new(),
            digest: None,
        };
        peers.learn(configuration);
        peers
    }

    /// Learns the addresses in new configurations.
    pub(super) fn follow(&mut self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.kind == EntryKind::Configuration) {
            if let Ok(configuration) = Configuration::decode(&entry.payload) {
                self.learn(&configuration);
            }
        }
    }

    /// Learns the addresses in a configuration.
    pub(super) fn learn(&mut self, configuration: &Configuration) {
        let address = |id| Some((id, configuration.address(id)?.to_owned()));
        self.addresses.extend(configuration.members().into_iter().filter_map(address));
    }

    pub(super) fn address(&self, id: NodeId) -> Option<String> {
        self.addresses.get(&id).cloned()
    }

    /// Sets the digest that goes with the acknowledgements from now on.
    pub(super) fn report(&mut self, digest: Option<(Index, Digest)>) {
        self.digest = digest.or(self.digest);
    }

    /// Sends a message. A peer without a known address cannot be reached; it will be once a configuration names it.
    pub(super) fn send<H: Host>(&self, host: &mut H, to: NodeId, message: Message) {
        self.post(host, to, Content::Raft(message));
    }

    /// Tells a peer of this boot. Until it knows, whatever it sends is meant for an earlier one and dropped here.
    pub(super) fn greet<H: Host>(&self, host: &mut H, to: NodeId) {
        self.post(host, to, Content::Greeting);
    }

    /// Tells everybody else of this boot.
    pub(super) fn greet_all<H: Host>(&self, host: &mut H) {
        self.addresses.keys().filter(|peer| **peer != self.id).for_each(|peer| self.greet(host, *peer));
    }

    /// Sends anything.
    pub(super) fn post<H: Host>(&self, host: &mut H, to: NodeId, content: Content) {
        let Some(address) = self.addresses.get(&to) else { return };
        let acknowledges = matches!(content, Content::Raft(Message { body: Body::Appended { .. }, .. }));
        let frame = Peer {
            cluster: self.cluster,
            from: self.id,
            to,
            fingerprint: fingerprint(),
            from_epoch: self.epoch,
            to_epoch: self.epochs.get(&to).copied().unwrap_or(0),
            digest: if acknowledges { self.digest } else { None },
            content,
        };
        host.send(address, wire::encode(&frame));
    }

    /// Opens an envelope. What is damaged, meant for somebody else, or from an earlier boot is nothing.
    ///
    /// A node that belongs to no cluster belongs to the first one that knows its id: nobody does whom it was not told.
    pub(super) fn open(&mut self, address: String, bytes: &Bytes) -> Envelope {
        let Ok(frame) = wire::decode::<Peer>(bytes) else { return Envelope::EMPTY };
        let newest = self.epochs.get(&frame.from).copied().unwrap_or(0);
        let joins = self.cluster == ClusterId::NONE && frame.cluster != ClusterId::NONE;
        if frame.to != self.id || frame.from_epoch < newest || (frame.cluster != self.cluster && !joins) {
            return Envelope::EMPTY;
        }
        if frame.fingerprint != fingerprint() {
            let is_new = self.foreign.insert(frame.from);
            return Envelope { foreign: is_new.then_some((frame.from, frame.fingerprint)), ..Envelope::EMPTY };
        }
        self.cluster = frame.cluster;
        self.epochs.insert(frame.from, frame.from_epoch);
        // A node that joins has no configuration yet, and must answer all the same. Where one names the sender, it says more.
        self.addresses.entry(frame.from).or_insert(address);
        let opened = match frame.content {
            _ if frame.to_epoch != 0 && frame.to_epoch != self.epoch => Opened::Outdated(frame.from),
            Content::Raft(message) => Opened::Message(frame.from, message),
            Content::Copy(part) => Opened::Copy(frame.from, part),
            Content::Greeting => Opened::Nothing,
        };
        Envelope {
            rebooted: (newest > 0 && frame.from_epoch > newest).then_some(frame.from),
            adopted: joins.then_some(frame.cluster),
            foreign: None,
            digest: frame.digest.map(|(index, digest)| (frame.from, index, digest)),
            opened,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_of_another_build_says_is_not_taken_and_told_once() {
        let (cluster, own, other) = (ClusterId(1), NodeId(1), NodeId(2));
        let mut peers = Peers::new(cluster, own, 1, &Configuration::default());
        let frame = |fingerprint| {
            let content = Content::Greeting;
            let frame =
                Peer { cluster, from: other, to: own, fingerprint, from_epoch: 1, to_epoch: 0, digest: None, content };
            wire::encode(&frame)
        };
        let strange = Fingerprint([7; 8]);
        assert_eq!(peers.open("n2".into(), &frame(strange)).foreign, Some((other, strange)));
        assert_eq!(peers.open("n2".into(), &frame(strange)).foreign, None);
        assert_eq!(peers.address(other), None, "nothing is learned from it");
        assert_eq!(peers.open("n2".into(), &frame(fingerprint())).foreign, None);
        assert_eq!(peers.address(other).as_deref(), Some("n2"));
    }
}
