//! Random clusters, with everything going wrong that may; and cores that are fed garbage.

use bytes::Bytes;
use lockstep_node::raft::{
    Body, Change, Configuration, Entry, EntryKind, HardState, Index, Input, Message, NodeId, Options, Position,
    ProposalId, Raft, ReadId, Role, Rule, Saved, Term,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::cluster::{Breaks, Cluster, Link};

const OPTIONS: Options = Options {
    heartbeat_ticks: 50,
    election_ticks: 150,
    max_append_bytes: 100,
    max_inflight: 3,
    max_inflight_bytes: 1000,
    max_uncommitted_bytes: 40,
    promote_lag: 3,
    lease_ticks: 0,
};

/// Runs clusters of three and five nodes through loss, duplication, reordering, cuts, stalled disks and crashes, with the
/// checker watching; then everything is mended, and each must elect a leader and commit on all nodes.
pub fn clusters_stay_safe_and_recover() {
    for seed in 0..200 {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        let voters = if seed % 2 == 0 { 3 } else { 5 };
        let mut cluster = Cluster::new(OPTIONS, Breaks(None), &configuration(voters), &[]);
        cluster.output = None;
        for _ in 0..6000 {
            misfortune(&mut cluster, &mut dice);
        }
        let before = cluster.checker.committed();
        recover(&mut cluster, &mut dice, seed);
        assert!(cluster.checker.committed() > before, "seed {seed}: nothing was committed after healing");
    }
}

/// Runs the same with each rule broken: no core may panic, and the checker must notice. A forgotten vote it need not notice:
/// after pre-votes two candidates of one term are rare, so a script shows what comes of it.
pub fn broken_rules_are_noticed() {
    for rule in [Rule::AnswerAfterSync, Rule::RememberVote, Rule::CheckPreviousTerm] {
        let noticed = (0..20).filter(|seed| is_noticed(rule, *seed)).count();
        assert!(noticed > 0 || rule == Rule::RememberVote, "nobody noticed that {rule:?} was broken");
    }
}

fn is_noticed(rule: Rule, seed: u64) -> bool {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let mut cluster = Cluster::new(OPTIONS, Breaks(Some(rule)), &configuration(3), &[]);
    let mut noticed = false;
    for _ in 0..6000 {
        misfortune(&mut cluster, &mut dice);
        let output = cluster.output.as_mut().map(std::mem::take).unwrap_or_default();
        noticed |= output.iter().any(|line| line.starts_with("VIOLATION"));
    }
    noticed
}

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

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

fn configuration(voters: u64) -> Configuration {
    Configuration::of_voters((1..=voters).map(|id| (NodeId(id), format!("n{id}"))).collect())
}

fn misfortune(cluster: &mut Cluster, dice: &mut Dice) {
    let ids = cluster.ids();
    let id = dice.pick(&ids);
    let busy: Vec<Link> = cluster.links.iter().filter(|(_, queue)| !queue.is_empty()).map(|(link, _)| *link).collect();
    match dice.below(1000) {
        0..600 if !busy.is_empty() => {
            let link = dice.pick(&busy);
            let length = cluster.links[&link].len() as u64;
            let place = if dice.below(10) == 0 { dice.below(length) } else { 0 };
            match dice.below(50) {
                0 => drop(cluster.links.get_mut(&link).and_then(|queue| queue.remove(place as usize))),
                1 => {
                    let message = cluster.links[&link][place as usize].clone();
                    cluster.arrive(link, message);
                }
                _ => drop(cluster.deliver(link, place as usize)),
            }
        }
        600..800 => {
            let ticks = dice.below(40) as u32;
            cluster.nodes.get_mut(&id).expect("a known node").timeout = 150 + dice.below(150) as u32;
            cluster.step(id, Input::Tick(ticks));
        }
        800..870 => cluster.propose(id, &["xxxxxxxxxx", "yyyyy"]),
        870..930 => drop(cluster.sync(id)),
        930..945 => cluster.nodes.get_mut(&id).expect("a known node").stalled ^= true,
        945..950 => cluster.crash(id),
        950..970 if !cluster.is_running(id) => cluster.restart(id),
        970..975 => drop(cluster.cut.insert((id, dice.pick(&ids)))),
        975..978 => cluster.cut.extend(ids.iter().flat_map(|other| [(id, *other), (*other, id)])),
        978..983 => cluster.cut.clear(),
        _ => {}
    }
}

fn recover(cluster: &mut Cluster, dice: &mut Dice, seed: u64) {
    cluster.cut.clear();
    for id in cluster.ids() {
        while cluster.sync(id) {}
        cluster.nodes.get_mut(&id).expect("a known node").stalled = false;
        if !cluster.is_running(id) {
            cluster.restart(id);
        }
    }
    let mut goal = None;
    for _ in 0..400 {
        for id in cluster.ids() {
            cluster.nodes.get_mut(&id).expect("a known node").timeout = 150 + dice.below(150) as u32;
            cluster.step(id, Input::Tick(10));
        }
        cluster.deliver_all();
        let leader =
            cluster.ids().into_iter().find(|id| cluster.raft(*id).is_some_and(|raft| raft.role() == Role::Leader));
        if let Some(leader) = leader {
            cluster.propose(leader, &["z"]);
            goal = goal.or(cluster.raft(leader).map(|raft| raft.last().index));
        }
        let commits: Vec<Index> = cluster.ids().iter().filter_map(|id| Some(cluster.raft(*id)?.commit())).collect();
        if goal.is_some_and(|goal| commits.iter().all(|commit| *commit >= goal)) {
            return;
        }
    }
    panic!("seed {seed}: no recovery within 4000 ticks after healing");
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
