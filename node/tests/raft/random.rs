//! Random clusters, with everything going wrong that may.

use std::collections::BTreeMap;

use lockstep_node::raft::{Change, Configuration, Index, Input, NodeId, Options, ProposalId, ReadId, Role, Rule};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::cluster::{Breaks, Cluster, Link, Snapshot};

pub const OPTIONS: Options = Options {
    heartbeat_ticks: 50,
    election_ticks: 150,
    max_append_bytes: 100,
    max_inflight: 3,
    max_inflight_bytes: 1000,
    max_uncommitted_bytes: 40,
    promote_lag: 3,
    lease_ticks: 0,
    dead_ticks: 0,
};

/// Runs clusters of three and five nodes, and two more that may join, through loss, duplication, reordering, cuts, stalled
/// disks, crashes and lost logs, while members change, leadership is handed over, logs are compacted and databases copied,
/// with the checker watching. Then everything is mended, and each must elect a leader and commit on all members. Half of
/// the clusters read by leases, on clocks that run a tenth too fast or too slow; a third remove
/// whoever is silent for an election timeout.
pub fn clusters_stay_safe_and_recover() {
    let mut seen = BTreeMap::new();
    for seed in 0..500 {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        let voters = if seed % 2 == 0 { 3 } else { 5 };
        let (lease, drift) = [(0, 0), (0, 0), (100, 10), (145, 0)][seed as usize % 4];
        let dead_ticks = if seed % 3 == 0 { 150 } else { 0 };
        let options = Options { lease_ticks: lease, dead_ticks, ..OPTIONS };
        let spare = [NodeId(voters + 1), NodeId(voters + 2)];
        let mut cluster = Cluster::new(options, Breaks(None), &configuration(voters), &spare);
        cluster.output = None;
        cluster.checks_boots = true;
        let mut world = World::new(&mut cluster, &mut dice, drift);
        for _ in 0..8000 {
            world.misfortune();
        }
        let before = world.cluster.checker.committed();
        world.recover(seed);
        assert!(cluster.checker.committed() > before, "seed {seed}: nothing was committed after healing");
        for (what, count) in cluster.seen {
            *seen.entry(what).or_insert(0) += count;
        }
    }
    for what in ["change", "copy", "corruption", "read", "recovery", "removal of the dead", "transfer"] {
        assert!(seen.get(what).is_some_and(|count| *count > 200), "there is too little of something: {seen:?}");
    }
}

/// Runs the same with each rule broken: no core may panic, and the checker must notice. A forgotten vote it need not notice:
/// after pre-votes two candidates of one term are rare, so a script shows what comes of it.
pub fn broken_rules_are_noticed() {
    for rule in [Rule::AnswerAfterSync, Rule::RememberVote, Rule::CheckPreviousTerm] {
        let noticed = (0..100).filter(|seed| is_noticed(rule, *seed)).count();
        assert!(noticed > 0 || rule == Rule::RememberVote, "nobody noticed that {rule:?} was broken");
    }
}

fn is_noticed(rule: Rule, seed: u64) -> bool {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let mut cluster = Cluster::new(OPTIONS, Breaks(Some(rule)), &configuration(3), &[]);
    let mut noticed = false;
    let mut world = World::new(&mut cluster, &mut dice, 0);
    for _ in 0..6000 {
        world.misfortune();
        let output = world.cluster.output.as_mut().map(std::mem::take).unwrap_or_default();
        noticed |= output.iter().any(|line| line.starts_with("VIOLATION"));
    }
    noticed
}

/// Where chance comes from.
pub struct Dice(pub ChaCha8Rng);

impl Dice {
    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// So many voters, from n1 on.
pub fn configuration(voters: u64) -> Configuration {
    Configuration::of_voters((1..=voters).map(|id| (NodeId(id), format!("n{id}"))).collect())
}

/// A cluster and what has been rolled for it.
struct World<'a> {
    cluster: &'a mut Cluster,
    dice: &'a mut Dice,
    /// How fast each clock runs, in hundredths, and how many hundredths of a tick it owes.
    clocks: BTreeMap<NodeId, (u64, u64)>,
    /// Copies under way, with who sent them to whom.
    copies: Vec<(Link, Snapshot)>,
    reads: u64,
}

impl<'a> World<'a> {
    /// Clocks run too fast or too slow by up to `drift` hundredths.
    fn new(cluster: &'a mut Cluster, dice: &'a mut Dice, drift: u64) -> World<'a> {
        let clocks = cluster.ids().into_iter().map(|id| (id, (100 - drift + dice.below(2 * drift + 1), 0))).collect();
        World { cluster, dice, clocks, copies: vec![], reads: 0 }
    }

    fn misfortune(&mut self) {
        let ids = self.cluster.ids();
        let id = self.dice.pick(&ids);
        match self.dice.below(1000) {
            0..600 => self.traffic(),
            600..800 => self.time_passes(id),
            800..840 => self.cluster.propose(id, &["xxxxxxxxxx", "yyyyy"]),
            840..870 => self.wish(id),
            870..930 => drop(self.cluster.sync(id)),
            930..942 => self.cluster.nodes.get_mut(&id).expect("a known node").stalled ^= true,
            942..945 => {
                self.cluster.crash(id);
                self.cluster.restart(id);
            }
            945..950 => self.cluster.crash(id),
            950..970 if !self.cluster.is_running(id) => self.cluster.restart(id),
            970..975 => drop(self.cluster.cut.insert((id, self.dice.pick(&ids)))),
            975..978 => self.cluster.cut.extend(ids.iter().flat_map(|other| [(id, *other), (*other, id)])),
            978..983 => self.cluster.cut.clear(),
            983..987 => self.forget(id),
            987..997 => self.copy(),
            997..998 => self.corrupt(id),
            _ => {}
        }
    }

    /// A message arrives: in its turn or not, once, twice or never.
    fn traffic(&mut self) {
        let links = &self.cluster.links;
        let busy: Vec<Link> = links.iter().filter(|(_, queue)| !queue.is_empty()).map(|(link, _)| *link).collect();
        if busy.is_empty() {
            return;
        }
        let link = self.dice.pick(&busy);
        let length = self.cluster.links[&link].len() as u64;
        let place = if self.dice.below(10) == 0 { self.dice.below(length) } else { 0 };
        match self.dice.below(50) {
            0 => drop(self.cluster.links.get_mut(&link).and_then(|queue| queue.remove(place as usize))),
            1 => {
                let letter = self.cluster.links[&link][place as usize].clone();
                self.cluster.arrive(link, letter);
            }
            _ => drop(self.cluster.deliver(link, place as usize)),
        }
    }

    /// With leases, time passes everywhere at about the same pace. Without, it may stand still for some.
    fn time_passes(&mut self, id: NodeId) {
        if self.cluster.options.lease_ticks == 0 {
            let ticks = self.dice.below(40) as u32;
            return self.tick(id, ticks);
        }
        let hundredths = self.dice.below(1000);
        for id in self.cluster.ids() {
            let (pace, owed) = self.clocks[&id];
            let owed = owed + hundredths * pace / 100;
            self.clocks.insert(id, (pace, owed % 100));
            self.tick(id, (owed / 100) as u32);
        }
    }

    fn tick(&mut self, id: NodeId, ticks: u32) {
        self.cluster.nodes.get_mut(&id).expect("a known node").timeout = 150 + self.dice.below(100) as u32;
        self.cluster.step(id, Input::Tick(ticks));
    }

    /// The host of a node, or mostly of one that leads or believes so, wants something.
    fn wish(&mut self, id: NodeId) {
        let leads = |id: &NodeId| self.cluster.raft(*id).is_some_and(|raft| raft.role() == Role::Leader);
        let leaders: Vec<NodeId> = self.cluster.ids().into_iter().filter(leads).collect();
        let id = if leaders.is_empty() || self.dice.below(4) == 0 { id } else { self.dice.pick(&leaders) };
        let other = self.dice.pick(&self.cluster.ids());
        match self.dice.below(10) {
            0..5 => {
                self.reads += 1;
                self.cluster.read(id, ReadId(self.reads));
            }
            5..8 if !self.is_recovering() => self.change(id),
            8 => self.cluster.step(id, Input::Transfer { id: ProposalId(0), to: other }),
            _ => {}
        }
    }

    fn change(&mut self, id: NodeId) {
        let ids = self.cluster.ids();
        let changes = (0..1 + self.dice.below(2)).map(|_| {
            let node = self.dice.pick(&ids);
            match self.dice.below(8) {
                0..3 => Change::AddLearner { id: node, address: String::new() },
                3..6 => Change::Promote(node),
                _ => Change::Remove(node),
            }
        });
        let changes = changes.collect();
        self.cluster.change(id, changes);
    }

    /// A node's database becomes durable, and part of the log may go.
    fn forget(&mut self, id: NodeId) {
        let Some(raft) = self.cluster.raft(id) else { return };
        let (base, end) = (raft.base().index, raft.apply_to());
        if end <= base {
            return;
        }
        let to = Index(base.0 + 1 + self.dice.below(end.0 - base.0));
        match self.dice.below(3) {
            0 => self.cluster.checkpoint(id, to),
            _ => self.cluster.compact(id, to),
        }
    }

    /// A copy that is wanted begins, or one that is under way arrives or fails.
    fn copy(&mut self) {
        if let Some(link) = self.cluster.wanted_copies.pop_first() {
            let snapshot = self.cluster.snapshot_of(link.0);
            self.copies.extend(snapshot.map(|snapshot| (link, snapshot)));
        } else if !self.copies.is_empty() {
            let place = self.dice.below(self.copies.len() as u64) as usize;
            let ((from, to), snapshot) = self.copies.swap_remove(place);
            if self.dice.below(4) != 0 && self.takes(to, &snapshot) {
                self.cluster.put_snapshot(to, snapshot);
                self.cluster.see("copy");
            }
            self.cluster.step(from, Input::SnapshotEnded { to });
        }
    }

    /// A host takes a copy only if it is newer than what its database executed, and no newer than the term that its core
    /// knows. The node may have become the leader since the copy was sent.
    fn takes(&self, id: NodeId, snapshot: &Snapshot) -> bool {
        let executed = self.cluster.disks[&id].applied;
        self.cluster
            .raft(id)
            .is_some_and(|raft| snapshot.at.index > raft.apply_to().max(executed) && snapshot.at.term <= raft.term())
    }

    /// A node loses the end of its log: one at a time, and only while all know the same voters, three or more, and none is
    /// removed meanwhile. Otherwise those who may still vote could be too few for ever.
    fn corrupt(&mut self, id: NodeId) {
        let disk = &self.cluster.disks[&id];
        let (base, last) = (disk.base.index.0, disk.base.index.0 + disk.log.len() as u64);
        let configuration = self.cluster.raft(id).map(|raft| raft.configuration().clone()).unwrap_or_default();
        let is_settled = configuration.voters.len() >= 3 && !configuration.is_joint();
        let is_same = |id: NodeId| self.cluster.raft(id).is_some_and(|raft| *raft.configuration() == configuration);
        let all_same = configuration.members().into_iter().all(is_same);
        let is_member = configuration.is_voter(id);
        let may_shrink = self.cluster.options.dead_ticks > 0;
        if may_shrink || self.is_recovering() || last == base || !is_settled || !is_member || !all_same {
            return;
        }
        self.cluster.crash(id);
        let from = Index(base + 1 + self.dice.below(last - base));
        let disk = self.cluster.disks.get_mut(&id).expect("every node has a disk");
        disk.truncate(from);
        disk.recovering = true;
        self.cluster.see("corruption");
        self.cluster.restart(id);
    }

    fn is_recovering(&self) -> bool {
        self.cluster.disks.values().any(|disk| disk.recovering)
    }

    fn leader(&self) -> Option<NodeId> {
        let leads = |id: &NodeId| self.cluster.raft(*id).is_some_and(|raft| raft.role() == Role::Leader);
        let leaders = self.cluster.ids().into_iter().filter(leads);
        leaders.max_by_key(|id| self.cluster.raft(*id).map(|raft| raft.term()))
    }

    /// Everything is mended. What the leader's configuration leaves out need not come along.
    fn recover(&mut self, seed: u64) {
        self.cluster.cut.clear();
        for id in self.cluster.ids() {
            while self.cluster.sync(id) {}
            self.cluster.nodes.get_mut(&id).expect("a known node").stalled = false;
            if !self.cluster.is_running(id) {
                self.cluster.restart(id);
            }
        }
        let mut goal = None;
        for _ in 0..400 {
            for id in self.cluster.ids() {
                self.tick(id, 10);
            }
            self.cluster.deliver_all();
            while !self.cluster.wanted_copies.is_empty() || !self.copies.is_empty() {
                self.copy();
            }
            let Some(leader) = self.leader() else { continue };
            let before = self.cluster.raft(leader).map(|raft| raft.last().index);
            self.cluster.propose(leader, &["z"]);
            let raft = self.cluster.raft(leader).expect("it leads");
            if goal.is_none() && Some(raft.last().index) > before {
                goal = Some(raft.last().index);
            }
            let reached = |id: NodeId| goal.is_some() && self.cluster.raft(id).map(|raft| raft.commit()) >= goal;
            let members = raft.configuration().members();
            if !raft.configuration().is_joint() && !self.is_recovering() && members.into_iter().all(reached) {
                return;
            }
        }
        panic!("seed {seed}: no recovery within 4000 ticks after healing");
    }
}
