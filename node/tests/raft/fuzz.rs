//! Cores that are fed garbage by their peers, and everything their hosts may legally do.

use bytes::Bytes;
use lockstep_node::raft::{
    Body, Change, Entry, EntryKind, HardState, Index, Input, Message, NodeId, Options, Position, ProposalId, Raft,
    ReadId, Role, Term,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::cluster::Breaks;
use crate::disk::Disk;
use crate::random::{Dice, OPTIONS, configuration};

/// Feeds cores messages that no correct peer would send, and what hosts want, in any order. Nothing panics; a message that
/// is malformed or of an older term changes neither log nor commit index; what is committed stays as it is; and what the
/// host was told to write is the log.
pub fn garbage_does_not_panic() {
    for seed in 0..150 {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        let options = Options { lease_ticks: dice.pick(&[0, 100]), dead_ticks: dice.pick(&[0, 600]), ..OPTIONS };
        let mut disk = some_disk(&mut dice);
        let mut raft = Raft::new(options, NodeId(1), disk.saved(), Breaks(None));
        for _ in 0..3000 {
            match dice.below(12) {
                0 => raft.step(Input::Tick(dice.below(200) as u32)),
                1 => {
                    raft.step(Input::Propose { id: PROPOSAL, kind: EntryKind::Data, payload: Bytes::from_static(b"x") })
                }
                2 | 3 => write(&mut dice, &mut raft, &mut disk),
                4 => wish(&mut dice, &mut raft, &mut disk),
                _ => {
                    let message = garbage(&mut dice, &raft);
                    receive(&mut raft, NodeId(dice.below(6)), message);
                }
            }
        }
    }
}

const PROPOSAL: ProposalId = ProposalId(0);

/// What a node may find at boot: nothing, a log from the first entry, one from a base, and one that lost its end.
fn some_disk(dice: &mut Dice) -> Disk {
    let configuration = configuration(1 + dice.below(4));
    if dice.below(4) == 0 {
        return Disk::default();
    }
    let first =
        Entry { index: Index(1), term: Term(1), kind: EntryKind::Configuration, payload: configuration.encode() };
    let noop = |index| Entry { index: Index(index), term: Term(1), kind: EntryKind::Noop, payload: Bytes::new() };
    let fourth = Entry { index: Index(4), ..first.clone() };
    let mut disk = Disk { hard_state: HardState { term: Term(1), vote: None }, log: vec![first], ..Disk::default() };
    disk.log.extend([noop(2), noop(3), fourth, noop(5)]);
    disk.execute(Index(dice.below(6)));
    match dice.below(3) {
        0 if disk.applied > Index(1) => disk.forget(Position { term: Term(1), index: Index(2) }),
        1 => {
            disk.truncate(Index(1 + dice.below(5)));
            disk.recovering = true;
        }
        _ => {}
    }
    disk
}

/// The host writes what it was told to, and says so at once or later.
fn write(dice: &mut Dice, raft: &mut Raft<Breaks>, disk: &mut Disk) {
    let effects = raft.take_effects();
    if let Some(from) = effects.truncate_from {
        disk.truncate(from);
    }
    disk.log.extend(effects.append);
    assert_eq!(disk.log, log_of(raft), "the host was told to write another log");
    if dice.below(2) == 0 {
        raft.step(Input::Persisted { batch: effects.batch });
    }
}

/// A message arrives.
fn receive(raft: &mut Raft<Breaks>, from: NodeId, message: Message) {
    let (log, commit, term) = (log_of(raft), raft.commit(), raft.term());
    let is_ignored = message.term < term || !is_well_formed(&message);
    raft.step(Input::Message { from, message: message.clone() });
    let committed = log.iter().take_while(|entry| entry.index <= commit).count();
    assert_eq!(log[..committed], log_of(raft)[..committed], "{message:?} changed what is committed");
    if is_ignored {
        assert_eq!((log, commit), (log_of(raft), raft.commit()), "{message:?} in term {term} changed something");
    }
}

fn log_of(raft: &Raft<Breaks>) -> Vec<Entry> {
    raft.entries(raft.base().index.next(), raft.last().index).to_vec()
}

/// Whether the entries of an append follow one another and their predecessor, in terms that do not fall.
fn is_well_formed(message: &Message) -> bool {
    let Body::Append { previous, entries, .. } = &message.body else { return true };
    let positions: Vec<Position> = std::iter::once(*previous).chain(entries.iter().map(Entry::position)).collect();
    positions
        .windows(2)
        .all(|pair| Some(pair[1].index.0) == pair[0].index.0.checked_add(1) && pair[1].term >= pair[0].term)
        && positions.last().is_some_and(|last| last.term <= message.term)
}

/// What a host may want of a core at any time.
fn wish(dice: &mut Dice, raft: &mut Raft<Breaks>, disk: &mut Disk) {
    let node = NodeId(dice.below(6));
    let change = match dice.below(3) {
        0 => Change::AddLearner { id: node, address: String::new() },
        1 => Change::Promote(node),
        _ => Change::Remove(node),
    };
    match dice.below(7) {
        0 => raft.step(Input::Change { id: PROPOSAL, changes: vec![change] }),
        1 => raft.step(Input::Transfer { id: PROPOSAL, to: node }),
        2 => raft.step(Input::Read { id: ReadId(0) }),
        3 if raft.apply_to() > raft.base().index => {
            let to = raft.apply_to();
            disk.execute(to);
            disk.forget(Position { term: raft.term_at(to).expect("it is in the log"), index: to });
            raft.step(Input::Compact { to });
        }
        4 if raft.role() != Role::Leader && raft.last().index < Index(1 << 40) => {
            let at = some_position(dice, raft);
            let configuration = (at.index, configuration(1 + dice.below(4)));
            disk.replace(at, configuration.clone());
            raft.step(Input::Installed { at, configuration });
        }
        5 => raft.step(Input::SnapshotEnded { to: node }),
        _ => raft.step(Input::Restarted { peer: node }),
    }
}

/// Where a received database may stand: at an entry of the log that is not executed, or after what is committed.
fn some_position(dice: &mut Dice, raft: &Raft<Breaks>) -> Position {
    let index = Index(raft.commit().0 + 1 + dice.below(3));
    let term = match raft.term_at(index) {
        Some(term) if dice.below(2) == 0 => term,
        _ => raft.term(),
    };
    Position { term, index }
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
