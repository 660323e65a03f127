//! What majorities and changes of the members must satisfy, tried on all small cases or many random ones.

use std::collections::BTreeMap;

use lockstep_node::raft::{Change, Configuration, EntryKind, Index, Input, NodeId, quorum};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::cluster::{Breaks, Cluster};
use crate::random::{Dice, OPTIONS, configuration};

/// A set of the nodes n1 to n10: bit 0 is n1.
type Set = u32;

/// For every configuration of up to five and five voters, but for their names, and every set of voters that say yes.
pub fn majorities_are_those_of_a_naive_definition() {
    for (voters, outgoing) in halves() {
        let configuration = of(voters, outgoing);
        for yes in 0..=(voters | outgoing) {
            let decides = is_majority(voters, yes) && (outgoing == 0 || is_majority(outgoing, yes));
            let found = quorum::decides(&configuration, |id| contains(yes, id));
            assert_eq!(found, decides, "voters {voters:b}, outgoing {outgoing:b}, yes {yes:b}");
        }
    }
}

/// What is held is the greatest index that those decide who have reached it, whatever each of up to six has reached.
pub fn what_is_held_is_what_those_who_reached_it_decide() {
    for (voters, outgoing) in halves().filter(|(voters, outgoing)| (voters | outgoing) < 1 << 6) {
        let configuration = of(voters, outgoing);
        for indexes in 0..3u64.pow((voters | outgoing).count_ones()) {
            let reached = |id: NodeId| Index(indexes / 3u64.pow(id.0 as u32 - 1) % 3);
            let is_decided = |index: &Index| quorum::decides(&configuration, |id| reached(id) >= *index);
            let expected = [Index(2), Index(1)].into_iter().find(is_decided).unwrap_or_default();
            let held = quorum::held(&configuration, reached);
            assert_eq!(held, expected, "voters {voters:b}, outgoing {outgoing:b}, indexes {indexes}");
        }
    }
}

/// Whatever is asked for, any majority of a configuration has a member in common with any of the next one; each survives
/// encoding, and none that is damaged does any harm.
pub fn changes_lead_through_majorities_that_intersect() {
    let mut joint = 0;
    for seed in 0..200 {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        let configurations = some_changes(&mut dice);
        joint += configurations.iter().filter(|configuration| configuration.is_joint()).count();
        for pair in configurations.windows(2) {
            let decides = |at: usize, yes: Set| quorum::decides(&pair[at], |id| contains(yes, id));
            let apart = (0..1 << 6).find(|yes| decides(0, *yes) && decides(1, !*yes));
            assert_eq!(apart, None, "seed {seed}: some of {:?} decide without the others for {:?}", pair[0], pair[1]);
        }
        for configuration in configurations {
            let bytes = configuration.encode();
            let place = dice.below(bytes.len() as u64) as usize;
            let mut damaged = bytes.to_vec();
            damaged[place] ^= 1 << dice.below(8);
            drop(Configuration::decode(&damaged));
            assert!(Configuration::decode(&bytes[..place]).is_err(), "a part of {configuration:?} is none");
            assert_eq!(Configuration::decode(&bytes), Ok(configuration));
        }
    }
    assert!(joint > 200, "only {joint} joint configurations were seen");
}

/// The configurations of a cluster whose leaders are asked for random changes, in the order of the log.
fn some_changes(dice: &mut Dice) -> Vec<Configuration> {
    let voters = 1 + dice.below(4);
    let spare: Vec<NodeId> = (voters + 1..=6).map(NodeId).collect();
    let mut cluster = Cluster::new(OPTIONS, Breaks(None), &configuration(voters), &spare);
    cluster.output = None;
    for _ in 0..40 {
        for id in cluster.ids() {
            cluster.nodes.get_mut(&id).expect("a known node").timeout = 150 + dice.below(150) as u32;
            cluster.step(id, Input::Tick(30));
        }
        cluster.deliver_all();
        let changes: Vec<Change> = (0..1 + dice.below(3)).map(|_| some_change(dice)).collect();
        for id in cluster.ids() {
            cluster.change(id, changes.clone());
        }
        cluster.deliver_all();
    }
    let log = |id: &NodeId| cluster.raft(*id).expect("it runs").last();
    let longest = cluster.ids().into_iter().max_by_key(log).expect("there are nodes");
    let raft = cluster.raft(longest).expect("it runs");
    let entries = raft.entries(Index(1), raft.last().index).iter();
    let changes = entries.filter(|entry| entry.kind == EntryKind::Configuration);
    changes.map(|entry| Configuration::decode(&entry.payload).expect("it was appended")).collect()
}

fn some_change(dice: &mut Dice) -> Change {
    let node = NodeId(1 + dice.below(6));
    match dice.below(3) {
        0 => Change::AddLearner { id: node, address: String::new() },
        1 => Change::Promote(node),
        _ => Change::Remove(node),
    }
}

/// One pair of halves for each number of voters, of outgoing voters, and of those who are both.
fn halves() -> impl Iterator<Item = (Set, Set)> {
    let set = |size: u32, from: u32| ((1 << size) - 1) << from;
    let sizes = (1..=5).flat_map(|voters| (0..=5).map(move |outgoing| (voters, outgoing)));
    sizes.flat_map(move |(voters, outgoing)| {
        (0..=voters.min(outgoing)).map(move |both| (set(voters, 0), set(outgoing, voters - both)))
    })
}

fn of(voters: Set, outgoing: Set) -> Configuration {
    let nodes = |set: Set| -> BTreeMap<NodeId, String> {
        (1..=10).map(NodeId).filter(|id| contains(set, *id)).map(|id| (id, String::new())).collect()
    };
    Configuration { voters: nodes(voters), outgoing: nodes(outgoing), ..Configuration::default() }
}

fn contains(set: Set, id: NodeId) -> bool {
    set & 1 << (id.0 - 1) != 0
}

fn is_majority(of: Set, yes: Set) -> bool {
    (of & yes).count_ones() > of.count_ones() / 2
}
