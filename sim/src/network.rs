//! The network between machines: latency, loss, duplication, reordering, and cuts.
//!
//! It decides when something arrives, or that it never does; the world delivers it. Peer messages are datagrams: they may
//! be lost, duplicated and overtaken. Requests and their answers travel on connections: in order and at most once.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::choice::Stream;
use crate::record::Machine;
use crate::run::Counts;
use crate::scenario::model;
use crate::trace::Trace;

/// The network of a run.
#[derive(Debug)]
pub struct Network {
    settings: model::Network,
    seed: u64,
    trace: Trace,
    links: BTreeMap<(Place, Place), Link>,
    /// How many active faults cut a direction.
    cuts: BTreeMap<(Machine, Machine), u32>,
}

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A machine of the cluster.
    Machine(Machine),
    /// A client, from 1.
    Client(u32),
}

/// One direction between two places.
#[derive(Debug)]
struct Link {
    latency: Stream,
    luck: Stream,
    /// When the newest datagram that keeps the order arrives.
    datagrams: Duration,
    /// When the newest thing on the connection arrives.
    connection: Duration,
}

impl Network {
    /// A network without cuts.
    pub fn new(settings: model::Network, seed: u64, trace: &Trace) -> Self {
        Network { settings, seed, trace: trace.clone(), links: BTreeMap::new(), cuts: BTreeMap::new() }
    }

    /// When a datagram that is sent now arrives: not at all, once, or twice.
    pub fn datagram(&mut self, from: Machine, to: Machine, now: Duration, counts: &mut Counts) -> Vec<Duration> {
        counts.messages += 1;
        if self.is_cut(from, to) {
            counts.messages_dropped += 1;
            return Vec::new();
        }
        let settings = self.settings.clone();
        let link = self.link(Place::Machine(from), Place::Machine(to));
        if link.luck.happens(settings.loss) {
            counts.messages_dropped += 1;
            return Vec::new();
        }
        let arrives = now + link.latency.duration(&settings.latency);
        let mut arrivals = Vec::with_capacity(2);
        if link.luck.happens(settings.reorder) {
            counts.messages_reordered += 1;
            arrivals.push(arrives + link.latency.duration(&settings.latency));
        } else {
            link.datagrams = link.datagrams.max(arrives);
            arrivals.push(link.datagrams);
        }
        if link.luck.happens(settings.duplicate) {
            counts.messages_duplicated += 1;
            arrivals.push(arrives + link.latency.duration(&settings.latency));
        }
        arrivals
    }

    /// When something that is sent on a connection now arrives.
    pub fn connection(&mut self, from: Place, to: Place, now: Duration) -> Duration {
        let latency = self.settings.latency;
        let link = self.link(from, to);
        link.connection = link.connection.max(now + link.latency.duration(&latency));
        link.connection
    }

    /// Cuts or mends one direction. Cuts of several faults add up.
    pub fn cut(&mut self, from: Machine, to: Machine, cut: bool) {
        let count = self.cuts.entry((from, to)).or_default();
        *count = if cut { *count + 1 } else { count.checked_sub(1).expect("only what was cut is mended") };
    }

    /// Whether nothing gets through in this direction.
    pub fn is_cut(&self, from: Machine, to: Machine) -> bool {
        self.cuts.get(&(from, to)).is_some_and(|count| *count > 0)
    }

    /// Whether a connection between two places cannot be held: it needs both directions.
    pub fn is_broken(&self, one: Place, other: Place) -> bool {
        match (one, other) {
            (Place::Machine(one), Place::Machine(other)) => self.is_cut(one, other) || self.is_cut(other, one),
            _ => false,
        }
    }

    fn link(&mut self, from: Place, to: Place) -> &mut Link {
        let (seed, trace) = (self.seed, &self.trace);
        self.links.entry((from, to)).or_insert_with(|| {
            let entity = from.number() << 32 | to.number();
            Link {
                latency: Stream::new(trace, seed, "network.latency", entity),
                luck: Stream::new(trace, seed, "network.luck", entity),
                datagrams: Duration::ZERO,
                connection: Duration::ZERO,
            }
        })
    }
}

impl Place {
    /// A number of its own for each place.
    pub fn number(self) -> u64 {
        match self {
            Place::Machine(Machine(machine)) => u64::from(machine),
            Place::Client(client) => 1 << 16 | u64::from(client),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Machine(machine) => machine.fmt(f),
            Place::Client(client) => write!(f, "client {client}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::model::{Distribution, Probability};

    const ONE: Machine = Machine(0);
    const TWO: Machine = Machine(1);

    fn network(loss: u32, duplicate: u32, reorder: u32) -> Network {
        let latency = Distribution::Uniform { min: Duration::from_millis(1), max: Duration::from_millis(50) };
        let [loss, duplicate, reorder] = [loss, duplicate, reorder].map(Probability);
        Network::new(model::Network { latency, loss, duplicate, reorder }, 7, &Trace::default())
    }

    fn arrivals(network: &mut Network) -> (Vec<Duration>, Counts) {
        let mut counts = Counts::default();
        let times =
            (0..1000).flat_map(|ms| network.datagram(ONE, TWO, Duration::from_millis(ms), &mut counts)).collect();
        (times, counts)
    }

    #[test]
    fn a_link_keeps_its_order_unless_told_otherwise() {
        assert!(arrivals(&mut network(0, 0, 0)).0.is_sorted());
        assert!(!arrivals(&mut network(0, 0, 100_000)).0.is_sorted());
    }

    #[test]
    fn loss_and_duplication_happen_as_often_as_told() {
        let (times, counts) = arrivals(&mut network(100_000, 0, 0));
        assert_eq!(times.len() as u64, 1000 - counts.messages_dropped);
        assert!((60..140).contains(&counts.messages_dropped), "{counts:?}");
        let (times, counts) = arrivals(&mut network(0, 100_000, 0));
        assert_eq!(times.len() as u64, 1000 + counts.messages_duplicated);
        assert!((60..140).contains(&counts.messages_duplicated), "{counts:?}");
    }

    #[test]
    fn a_cut_has_a_direction_and_ends_with_the_last_fault_that_made_it() {
        let mut network = network(0, 0, 0);
        network.cut(ONE, TWO, true);
        network.cut(ONE, TWO, true);
        network.cut(ONE, TWO, false);
        assert!(network.is_cut(ONE, TWO) && !network.is_cut(TWO, ONE));
        assert!(network.is_broken(Place::Machine(TWO), Place::Machine(ONE)));
        assert_eq!(arrivals(&mut network).0, []);
        network.cut(ONE, TWO, false);
        assert!(!network.is_cut(ONE, TWO));
    }
}
