//! Cores that are fed garbage by their peers, and everything their hosts may legally do.

use bytes::Bytes;
use lockstep_node::raft::{
    Body, Change, Entry, EntryKind, HardState, Index, Input, Message, NodeId, Position, ProposalId, Raft, ReadId,
    Saved, Term,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::cluster::Breaks;
use crate::random::{Dice, OPTIONS, configuration};

/// Feeds cores messages that no correct peer would send.
pub fn garbage_does_not_panic() {
    for seed in 0..60 {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        let voters = 1 + dice.below(4);
        let first = Entry {
            index: Index(1),
            term: Term(1),
            kind: EntryKind::Configuration,
            payload: configuration(voters).encode(),
        };
        let log = if dice.below(4) == 0 { vec![] } else { vec![first] };
        let hard_state = HardState { term: Term(1), vote: None };
        let saved = Saved { hard_state, entries: log, ..Saved::default() };
        let mut raft = Raft::new(OPTIONS, NodeId(1), saved, Breaks(None));
        for _ in 0..5000 {
            let input = match dice.below(10) {
                0 => Input::Tick(dice.below(200) as u32),
                1 => Input::Propose { id: ProposalId(0), kind: EntryKind::Data, payload: Bytes::from_static(b"x") },
                2 => Input::Persisted { batch: raft.take_effects().batch },
                3 => wish(&mut dice, &raft),
                _ => Input::Message { from: NodeId(dice.below(6)), message: garbage(&mut dice, &raft) },
            };
            raft.step(input);
        }
    }
}

/// What a host may want of a core at any time.
fn wish(dice: &mut Dice, raft: &Raft<Breaks>) -> Input {
    let node = NodeId(dice.below(6));
    let change = match dice.below(3) {
        0 => Change::AddLearner { id: node, address: String::new() },
        1 => Change::Promote(node),
        _ => Change::Remove(node),
    };
    match dice.below(6) {
        0 => Input::Change { id: ProposalId(0), changes: vec![change] },
        1 => Input::Transfer { id: ProposalId(0), to: node },
        2 => Input::Read { id: ReadId(0) },
        3 if raft.apply_to() > raft.base().index => Input::Compact { to: raft.apply_to() },
        4 => Input::SnapshotEnded { to: node },
        _ => Input::Restarted { peer: node },
    }
}

/// Numbers near those that matter to the core, and at the ends.
fn number(dice: &mut Dice, near: u64) -> u64 {
    match dice.below(12) {
        0 => 0,
        1 => u64::MAX - dice.below(2),
        2 => dice.below(1000),
        _ => near.saturating_add(dice.below(4)).saturating_sub(dice.below(4)),
    }
}

fn garbage(dice: &mut Dice, raft: &Raft<Breaks>) -> Message {
    let (term, last) = (raft.term().0, raft.last());
    // The greatest terms end all elections for good, so they are rare.
    let message_term = if dice.below(2000) == 0 {
        u64::MAX - dice.below(2)
    } else {
        term.saturating_add(dice.below(3)) - dice.below(2).min(term)
    };
    let index = Index(number(dice, last.index.0));
    let position = Position { index: Index(number(dice, last.index.0)), term: Term(number(dice, last.term.0)) };
    let body = match dice.below(14) {
        0 => Body::PreVote { last: position, round: number(dice, 1) },
        1 => Body::PreVoteReply { granted: dice.below(2) == 0, round: number(dice, 1) },
        2 => Body::Vote { last: position, told: dice.below(2) == 0 },
        3 => Body::VoteReply { granted: dice.below(2) == 0 },
        4 => Body::Appended { matched: index },
        5 => Body::Rejected { previous: index, hint: position },
        6 => Body::Heartbeat { commit: index },
        7 => Body::HeartbeatReply,
        8 => Body::Confirm { round: number(dice, 1) },
        9 => Body::Confirmed { round: number(dice, 1) },
        10 => Body::ReadIndex { number: number(dice, 1) },
        11 => Body::ReadIndexReply { number: number(dice, 1), index: (dice.below(2) == 0).then_some(index) },
        12 => Body::Campaign,
        _ => {
            let previous = if dice.below(2) == 0 { last } else { position };
            let entries = (0..dice.below(4)).map(|i| garbage_entry(dice, previous, i)).collect();
            Body::Append { previous, entries, commit: index }
        }
    };
    Message { term: Term(message_term), body }
}

fn garbage_entry(dice: &mut Dice, previous: Position, i: u64) -> Entry {
    let follows = dice.below(8) != 0;
    let index = if follows { previous.index.0.saturating_add(1 + i) } else { number(dice, previous.index.0) };
    let term = if follows { previous.term.0 } else { number(dice, previous.term.0) };
    let kind = dice.pick(&[EntryKind::Noop, EntryKind::Data, EntryKind::Configuration]);
    let payload = match dice.below(2) {
        0 => configuration(1 + dice.below(3)).encode(),
        _ => Bytes::from_static(b"no configuration"),
    };
    Entry { index: Index(index), term: Term(term), kind, payload }
}
