//! The notable moments of a run: what happened, and where every node stood.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockstep_node::event::Event;
use lockstep_node::raft::{NodeId, Role, Term};

use super::trace::{down, members, phase};
use crate::record::{Down, FaultRecord, Harm, Machine, Phase, Recorded, What};
use crate::scenario::model::Scenario;

/// A notable moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Duration,
    /// How each machine stands after it.
    pub glyphs: Vec<char>,
    /// The newest term so far.
    pub term: u64,
    /// The greatest committed index so far.
    pub index: u64,
    /// What happened.
    pub text: String,
    /// Whether it is something that goes wrong: a fault, or what it does.
    pub trouble: bool,
}

/// What the glyphs mean.
pub const LEGEND: &str = "L leads  . follows  c campaigns  ! goes down  # down  | cut off";

/// The notable moments among the records.
pub fn moments(scenario: &Scenario, records: &[Recorded]) -> Vec<Moment> {
    let mut standing = vec!['#'; scenario.cluster.voters as usize];
    // Those that may join later are not there yet.
    standing.resize(scenario.cluster.machines() as usize, ' ');
    let mut nodes = Nodes { standing, ..Nodes::default() };
    records
        .iter()
        .filter_map(|recorded| {
            let fresh = nodes.follow(&recorded.what);
            let (text, trouble) = nodes.notable(&recorded.what)?;
            let glyphs = nodes.glyphs(fresh);
            Some(Moment { at: recorded.at, glyphs, term: nodes.term, index: nodes.index, text, trouble })
        })
        .collect()
}

/// Where every node stands.
#[derive(Default)]
struct Nodes {
    standing: Vec<char>,
    term: u64,
    index: u64,
    ids: BTreeMap<NodeId, Machine>,
    /// Who voted for whom in each term.
    votes: BTreeMap<(Term, NodeId), BTreeSet<Machine>>,
    /// The links that each fault in force cuts in both directions.
    cuts: BTreeMap<usize, Vec<(usize, usize)>>,
}

impl Nodes {
    /// Follows what happens. Returns the machine that went down in this very moment, if one did.
    fn follow(&mut self, what: &What) -> Option<Machine> {
        match what {
            What::Node(machine, event) => self.follow_node(*machine, event),
            What::Down(machine, _) => {
                self.set(*machine, '#');
                return Some(*machine);
            }
            What::Fault(fault) => {
                self.cuts.insert(fault.event, links(&fault.harm));
            }
            What::Phase(Phase::Settle) => self.cuts.clear(),
            What::Up(machine) => self.set(*machine, '.'),
            What::Acknowledged { .. } | What::Late(_) | What::Phase(_) | What::Wiped(_) | What::Detail(_) => {}
        }
        None
    }

    fn follow_node(&mut self, machine: Machine, event: &Event) {
        match *event {
            Event::Booted { id, term, .. } => {
                self.ids.insert(id, machine);
                self.set(machine, '.');
                self.term = self.term.max(term.0);
            }
            Event::Role { role, term } => {
                self.set(machine, glyph(role));
                if role != Role::PreCandidate {
                    self.term = self.term.max(term.0);
                }
            }
            Event::Voted { candidate, term } => {
                self.votes.entry((term, candidate)).or_default().insert(machine);
            }
            Event::Committed { index } => self.index = self.index.max(index.0),
            _ => {}
        }
    }

    fn set(&mut self, machine: Machine, glyph: char) {
        if let Some(standing) = self.standing.get_mut(machine.0 as usize) {
            *standing = glyph;
        }
    }

    /// What happened, in words, and whether it is trouble; `None` if it is not notable.
    fn notable(&self, what: &What) -> Option<(String, bool)> {
        Some(match what {
            What::Node(machine, event) => return self.notable_event(*machine, event),
            What::Fault(FaultRecord { text, struck, .. }) => (text.clone(), *struck),
            // The fault says that the process ends; what it did to the disk is news.
            What::Down(_, Down::Killed) => return None,
            What::Wiped(machine) => (format!("{machine} has an empty disk"), true),
            What::Down(machine, why) => (format!("{machine} {}", down(why)), true),
            What::Phase(Phase::Inspect) | What::Up(_) | What::Acknowledged { .. } | What::Detail(_) => return None,
            What::Late(late) => (late.to_string(), true),
            What::Phase(begun) => (phase(*begun).into(), false),
        })
    }

    fn notable_event(&self, machine: Machine, event: &Event) -> Option<(String, bool)> {
        match *event {
            Event::Role { role: Role::Leader, term } => {
                Some((format!("{machine} leads term {term}{}", self.voters(machine, term)), false))
            }
            Event::Booted { epoch, last, applied, .. } if epoch > 1 => {
                Some((format!("{machine} is back: log to {last}, executed to {applied}"), false))
            }
            Event::Members { ref configuration, .. } if self.leads(machine) => {
                Some((format!("the members are {}", members(configuration)), false))
            }
            Event::RemovesDead { ref address, silence, .. } => {
                Some((format!("{machine} removes {address}, of which it heard nothing for {silence:?}"), false))
            }
            Event::Truncated { from } => Some((format!("{machine} cuts its log from index {from} on"), false)),
            Event::Installed { at, .. } => Some((format!("{machine} takes up a copy as of index {at}"), true)),
            Event::Corrupt { .. } => Some((format!("{machine} finds its log corrupt"), true)),
            Event::Recovered => Some((format!("{machine} has recovered its log"), true)),
            Event::TornTail { from } => Some((format!("{machine} trims a torn tail from index {from} on"), true)),
            _ => None,
        }
    }

    fn leads(&self, machine: Machine) -> bool {
        self.standing.get(machine.0 as usize) == Some(&'L')
    }

    fn voters(&self, leader: Machine, term: Term) -> String {
        let mut voters = BTreeSet::from([leader]);
        let votes = |(id, _): &(&NodeId, &Machine)| self.votes.get(&(term, **id));
        voters.extend(
            self.ids.iter().filter(|(_, machine)| **machine == leader).filter_map(|pair| votes(&pair)).flatten(),
        );
        if voters.len() == 1 {
            return String::new();
        }
        format!(" (votes: {})", voters.iter().map(Machine::to_string).collect::<Vec<_>>().join(" "))
    }

    fn glyphs(&self, fresh: Option<Machine>) -> Vec<char> {
        let cut_off = self.cut_off();
        let glyph = |(place, standing): (usize, &char)| match *standing {
            _ if fresh.is_some_and(|machine| machine.0 as usize == place) => '!',
            // A leader that is cut off still believes that it leads: that is worth seeing.
            '.' | 'c' if cut_off.contains(&place) => '|',
            standing => standing,
        };
        self.standing.iter().enumerate().map(glyph).collect()
    }

    /// The machines that do not hear a majority, themselves included.
    fn cut_off(&self) -> BTreeSet<usize> {
        let cut: BTreeSet<(usize, usize)> = self.cuts.values().flatten().copied().collect();
        let mut left: BTreeSet<usize> = (0..self.standing.len()).collect();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        while let Some(first) = left.pop_first() {
            let mut group = vec![first];
            let mut next = 0;
            while next < group.len() {
                let from = group[next];
                let hears = |to: &usize| !cut.contains(&(from.min(*to), from.max(*to)));
                let reached: Vec<usize> = left.iter().copied().filter(hears).collect();
                left.retain(|to| !reached.contains(to));
                group.extend(reached);
                next += 1;
            }
            groups.push(group);
        }
        let is_majority = |group: &Vec<usize>| group.len() * 2 > self.standing.len();
        groups.into_iter().filter(|group| !is_majority(group)).flatten().collect()
    }
}

fn glyph(role: Role) -> char {
    match role {
        Role::Leader => 'L',
        Role::Candidate => 'c',
        Role::Follower | Role::PreCandidate => '.',
    }
}

/// The links that a fault cuts in both directions.
fn links(harm: &Harm) -> Vec<(usize, usize)> {
    let cuts: BTreeSet<_> = harm.cut.iter().collect();
    let both = cuts.iter().filter(|(one, other)| one < other && cuts.contains(&(*other, *one)));
    both.map(|(one, other)| (one.0 as usize, other.0 as usize)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(links_cut: &[(u32, u32)]) -> BTreeMap<usize, Vec<(usize, usize)>> {
        let both = |(one, other): &(u32, u32)| [(*one, *other), (*other, *one)];
        let cut = links_cut.iter().flat_map(both).map(|(from, to)| (Machine(from), Machine(to))).collect();
        BTreeMap::from([(0, links(&Harm { cut, ..Harm::default() }))])
    }

    #[test]
    fn machines_outside_the_majority_are_cut_off() {
        let cuts = cut(&[(0, 1), (0, 2)]);
        let nodes = Nodes { standing: vec!['.'; 3], cuts, ..Nodes::default() };
        assert_eq!(nodes.glyphs(None), ['|', '.', '.']);
        assert_eq!(nodes.glyphs(Some(Machine(2))), ['|', '.', '!']);
    }

    #[test]
    fn without_a_majority_everybody_is_cut_off() {
        let cuts = cut(&[(0, 1), (0, 2), (1, 2)]);
        let nodes = Nodes { standing: vec!['.', 'L', 'c'], cuts, ..Nodes::default() };
        assert_eq!(nodes.glyphs(None), ['|', 'L', '|']);
    }
}
