//! Who takes part, as the nodes say: which node each machine hosts, and which configuration is in effect where.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_node::event::Event;
use lockstep_node::raft::{Configuration, Index, NodeId, Role, Term};

use crate::record::{Machine, What};

/// The members of a cluster, as its records tell. Of a system whose nodes say nothing of it, nothing is known.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// The node on each machine, from its first boot until the disk is emptied. A node that comes back with another id
    /// although nobody emptied its disk counts as the one that it ought to be.
    hosts: BTreeMap<Machine, NodeId>,
    /// The configuration in effect on each machine, and the index of its entry.
    known: BTreeMap<Machine, (Index, Configuration)>,
    /// The machines whose nodes lead, and the terms.
    leads: BTreeMap<Machine, Term>,
}

impl Members {
    /// Follows what happens.
    pub fn observe(&mut self, what: &What) {
        match what {
            What::Node(machine, Event::Booted { id, .. }) => {
                self.hosts.entry(*machine).or_insert(*id);
                self.leads.remove(machine);
            }
            What::Node(machine, Event::Members { index, configuration }) => {
                self.known.insert(*machine, (*index, configuration.clone()));
            }
            What::Node(machine, Event::Role { role: Role::Leader, term }) => {
                self.leads.insert(*machine, *term);
            }
            What::Node(machine, Event::Role { .. }) | What::Down(machine, _) => {
                self.leads.remove(machine);
            }
            What::Wiped(machine) => {
                self.hosts.remove(machine);
                self.known.remove(machine);
            }
            _ => {}
        }
    }

    /// The configuration of the leader of the newest term; where nobody leads, the newest that any node knows.
    pub fn configuration(&self) -> Option<&Configuration> {
        let leader = self.leads.iter().max_by_key(|(_, term)| **term).and_then(|(machine, _)| self.known.get(machine));
        let newest = || self.known.values().max_by_key(|(index, _)| *index);
        leader.or_else(newest).map(|(_, configuration)| configuration)
    }

    /// The configuration in effect on a machine.
    pub fn configuration_on(&self, machine: Machine) -> Option<&Configuration> {
        self.known.get(&machine).map(|(_, configuration)| configuration)
    }

    /// The machines that host a member. A member whose disk was emptied is on none.
    pub fn machines(&self) -> BTreeSet<Machine> {
        let Some(configuration) = self.configuration() else { return BTreeSet::new() };
        let members = configuration.members();
        self.hosts.iter().filter(|(_, node)| members.contains(node)).map(|(machine, _)| *machine).collect()
    }

    /// Whether the voters among these machines are a majority, of both halves if the configuration is joint.
    pub fn decide(&self, configuration: &Configuration, machines: impl Fn(Machine) -> bool) -> bool {
        let nodes: BTreeSet<NodeId> =
            self.hosts.iter().filter(|(machine, _)| machines(**machine)).map(|(_, node)| *node).collect();
        majority(configuration, &nodes)
    }
}

/// Whether these nodes are a majority of the voters, of both halves if the configuration is joint.
pub fn majority(configuration: &Configuration, nodes: &BTreeSet<NodeId>) -> bool {
    let of = |half: &BTreeMap<NodeId, String>| {
        half.is_empty() || half.keys().filter(|voter| nodes.contains(voter)).count() > half.len() / 2
    };
    of(&configuration.voters) && of(&configuration.outgoing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{boot, lead};

    fn voters(ids: &[u64]) -> Configuration {
        Configuration::of_voters(ids.iter().map(|id| (NodeId(*id), format!("n{id}"))).collect())
    }

    fn told(machine: u32, index: u64, configuration: &Configuration) -> What {
        let configuration = configuration.clone();
        What::Node(Machine(machine), Event::Members { index: Index(index), configuration })
    }

    /// Three voters, each on the machine of its number, as [`boot`] numbers them.
    fn three() -> Members {
        let mut members = Members::default();
        (0..3).for_each(|machine| members.observe(&boot(machine, 1, 1, 0).what));
        members
    }

    fn id(machine: u32) -> u64 {
        match boot(machine, 1, 1, 0).what {
            What::Node(_, Event::Booted { id, .. }) => id.0,
            other => panic!("{other:?} is no boot"),
        }
    }

    #[test]
    fn the_leader_says_who_takes_part() {
        let mut members = three();
        let (all, two) = (voters(&[id(0), id(1), id(2)]), voters(&[id(0), id(1)]));
        members.observe(&told(2, 9, &all));
        members.observe(&told(0, 5, &two));
        assert_eq!(members.configuration(), Some(&all), "nobody leads: the newest counts");
        members.observe(&lead(0, 3).what);
        assert_eq!(members.machines(), BTreeSet::from([Machine(0), Machine(1)]));
    }

    #[test]
    fn an_emptied_disk_hosts_no_member_and_a_stranger_none_either() {
        let mut members = three();
        let all = voters(&[id(0), id(1), id(2)]);
        members.observe(&told(0, 1, &all));
        members.observe(&What::Wiped(Machine(1)));
        assert!(!members.machines().contains(&Machine(1)));
        let stranger = Event::Booted { id: NodeId(77), epoch: 1, term: Term(0), last: Index(0), applied: Index(0) };
        members.observe(&What::Node(Machine(1), stranger.clone()));
        assert!(!members.machines().contains(&Machine(1)));
        members.observe(&What::Node(Machine(2), stranger));
        assert!(members.machines().contains(&Machine(2)), "nobody emptied its disk: it ought to be the old one");
    }

    #[test]
    fn both_halves_of_a_joint_configuration_decide() {
        let members = three();
        let mut joint = voters(&[id(0), id(1), id(2)]);
        joint.outgoing = voters(&[id(2)]).voters;
        let among = |machines: &[u32]| members.decide(&joint, |machine| machines.contains(&machine.0));
        assert_eq!([among(&[0, 1]), among(&[1, 2]), among(&[2])], [false, true, false]);
    }
}
