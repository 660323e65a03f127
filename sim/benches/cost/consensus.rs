//! Three cores of Raft in memory: no codec, no disk, no network.

use std::collections::VecDeque;

use bytes::Bytes;
use lockstep_node::raft::{
    Configuration, Correct, Entry, EntryKind, Index, Input, Message, NodeId, Options, ProposalId, Raft, Saved, Term,
};

use crate::meter::{cpu_seconds, now_ns};

/// The size of an entry's payload.
pub const PAYLOAD_BYTES: usize = 64;

/// Entries that are proposed before the leader's effects are taken, as under load.
const TOGETHER: u64 = 8;

const ENTRIES: u64 = 1_000_000;

/// What was measured.
pub struct Measured {
    pub entries: u64,
    pub entries_a_second: f64,
    pub step_median_ns: f64,
}

/// Measures throughput first and single steps after that, since a look at the clock takes time itself.
pub fn measure() -> Measured {
    let mut cluster = Cluster::new();
    let took = cpu_seconds(|| (0..ENTRIES / TOGETHER).for_each(|_| cluster.round()));
    assert!(cluster.nodes.iter().all(|raft| raft.commit().0 >= ENTRIES), "all of it is committed everywhere");
    let mut timed = Cluster::new();
    timed.steps_ns = Some(Vec::new());
    (0..10_000).for_each(|_| timed.round());
    let mut steps_ns = timed.steps_ns.expect("set above");
    let middle = steps_ns.len() / 2;
    let median = *steps_ns.select_nth_unstable(middle).1;
    Measured { entries: ENTRIES, entries_a_second: ENTRIES as f64 / took, step_median_ns: median as f64 }
}

/// Cores whose messages arrive in order and whose disks are as fast as memory. The first one leads.
struct Cluster {
    nodes: Vec<Raft<Correct>>,
    messages: VecDeque<(usize, NodeId, Message)>,
    /// How long each step took, if that is asked.
    steps_ns: Option<Vec<u64>>,
}

impl Cluster {
    fn new() -> Cluster {
        let ids = [1, 2, 3].map(NodeId);
        let voters = ids.iter().map(|id| (*id, id.to_string())).collect();
        let payload = Configuration::of_voters(voters).encode();
        let first = Entry { index: Index(1), term: Term(0), kind: EntryKind::Configuration, payload };
        let options = Options {
            heartbeat_ticks: 50,
            election_ticks: 150,
            max_append_bytes: 1 << 20,
            max_inflight: 64,
            max_inflight_bytes: 16 << 20,
            max_uncommitted_bytes: 64 << 20,
            promote_lag: 1000,
            lease_ticks: 0,
            dead_ticks: 0,
        };
        let boot = |id| Raft::new(options, id, Saved { entries: vec![first.clone()], ..Saved::default() }, Correct);
        let mut cluster = Cluster { nodes: ids.map(boot).into(), messages: VecDeque::new(), steps_ns: None };
        cluster.step(0, Input::Tick(1_000));
        cluster.settle();
        cluster.round();
        cluster
    }

    /// A few proposals, until they are committed everywhere.
    fn round(&mut self) {
        for id in 0..TOGETHER {
            let payload = Bytes::from_static(&[7; PAYLOAD_BYTES]);
            self.step(0, Input::Propose { id: ProposalId(id), kind: EntryKind::Data, payload });
        }
        self.settle();
        // A leader tells of the last commit with its next heartbeat.
        self.step(0, Input::Tick(50));
        self.settle();
    }

    fn settle(&mut self) {
        self.carry_out(0);
        while let Some((to, from, message)) = self.messages.pop_front() {
            self.step(to, Input::Message { from, message });
            self.carry_out(to);
        }
    }

    fn step(&mut self, node: usize, input: Input) {
        match &mut self.steps_ns {
            None => self.nodes[node].step(input),
            Some(steps_ns) => {
                let before = now_ns();
                self.nodes[node].step(input);
                steps_ns.push(now_ns() - before);
            }
        }
    }

    /// Carries effects out until there are none: a batch that is durable may set off the next.
    fn carry_out(&mut self, node: usize) {
        loop {
            let effects = self.nodes[node].take_effects();
            let from = self.nodes[node].id();
            let wrote = effects.hard_state.is_some() || !effects.append.is_empty();
            for (to, message) in effects.msgs_now.into_iter().chain(effects.msgs_after_sync) {
                self.messages.push_back((to.0 as usize - 1, from, message));
            }
            if !wrote {
                return;
            }
            self.step(node, Input::Persisted { batch: effects.batch });
        }
    }
}
