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
    /// How much longer active faults let everything in a direction take.
    slowed: BTreeMap<(Machine, Machine), Duration>,
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
    settings: model::Link,
    latency: Stream,
    luck: Stream,
    /// When everything sent so far has left, on a link whose bandwidth has a bound.
    free: Duration,
    /// The datagrams that keep their order.
    datagrams: Order,
    /// What travels on the connection.
    connection: Order,
}

/// Things that arrive in the order in which they were sent.
#[derive(Debug, Default)]
struct Order {
    /// When the newest arrives.
    newest: Duration,
}

impl Order {
    /// When something arrives that would do so at this time if nothing were before it. What catches up with the one before
    /// it arrives a nanosecond later: what comes at one moment has no order.
    fn next(&mut self, arrives: Duration) -> Duration {
        self.newest = arrives.max(self.newest + Duration::from_nanos(1));
        self.newest
    }
}

impl Network {
    /// A network without cuts.
    pub fn new(settings: model::Network, seed: u64, trace: &Trace) -> Self {
        let (cuts, slowed) = (BTreeMap::new(), BTreeMap::new());
        Network { settings, seed, trace: trace.clone(), links: BTreeMap::new(), cuts, slowed }
    }

    /// When a datagram of so many bytes that is sent now arrives: not at all, once, or twice.
    pub fn datagram(
        &mut self,
        from: Machine,
        to: Machine,
        bytes: usize,
        now: Duration,
        counts: &mut Counts,
    ) -> Vec<Duration> {
        counts.messages += 1;
        if self.is_cut(from, to) {
            counts.messages_dropped += 1;
            return Vec::new();
        }
        let slowed = self.slowed_by(from, to);
        let link = self.link(Place::Machine(from), Place::Machine(to));
        let settings = link.settings;
        let lost = link.luck.happens(settings.loss);
        counts.messages_lost += u64::from(lost);
        if lost || link.is_full(bytes, now) {
            counts.messages_dropped += 1;
            return Vec::new();
        }
        counts.messages_throttled += u64::from(settings.bandwidth.is_some());
        let left = link.leaves(bytes, now) + slowed;
        let arrives = left + link.latency.duration(&settings.latency);
        let mut arrivals = Vec::with_capacity(2);
        if link.luck.happens(settings.reorder) {
            counts.messages_reordered += 1;
            arrivals.push(arrives + link.latency.duration(&settings.latency));
        } else {
            arrivals.push(link.datagrams.next(arrives));
        }
        if link.luck.happens(settings.duplicate) {
            counts.messages_duplicated += 1;
            arrivals.push(arrives + link.latency.duration(&settings.latency));
        }
        arrivals
    }

    /// When so many bytes that are sent on a connection now arrive. They wait for a link that is not free, and for room.
    pub fn connection(&mut self, from: Place, to: Place, bytes: usize, now: Duration) -> Duration {
        let slowed = match (from, to) {
            (Place::Machine(from), Place::Machine(to)) => self.slowed_by(from, to),
            _ => Duration::ZERO,
        };
        let link = self.link(from, to);
        let left = link.leaves(bytes, now) + slowed;
        let arrives = left + link.latency.duration(&link.settings.latency);
        link.connection.next(arrives)
    }

    /// Lets everything that is sent in a direction take so much longer, or ends that. Several faults add up.
    pub fn slow(&mut self, from: Machine, to: Machine, by: Duration, slow: bool) {
        let slowed = self.slowed.entry((from, to)).or_default();
        *slowed = if slow { *slowed + by } else { slowed.checked_sub(by).expect("only what was slowed gets faster") };
        if slowed.is_zero() {
            self.slowed.remove(&(from, to));
        }
    }

    /// Whether everything takes longer in this direction.
    pub fn is_slowed(&self, from: Machine, to: Machine) -> bool {
        !self.slowed.is_empty() && self.slowed.contains_key(&(from, to))
    }

    /// Nothing that is sent in this direction from now on arrives before this: what waited so long goes first.
    pub fn nothing_before(&mut self, from: Machine, to: Machine, at: Duration) {
        let link = self.link(Place::Machine(from), Place::Machine(to));
        link.datagrams.next(at);
        link.connection.next(at);
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

    fn slowed_by(&self, from: Machine, to: Machine) -> Duration {
        if self.slowed.is_empty() {
            return Duration::ZERO;
        }
        self.slowed.get(&(from, to)).copied().unwrap_or_default()
    }

    fn link(&mut self, from: Place, to: Place) -> &mut Link {
        let (seed, trace, settings) = (self.seed, &self.trace, &self.settings);
        self.links.entry((from, to)).or_insert_with(|| {
            let entity = from.number() << 32 | to.number();
            Link {
                settings: settings_of(settings, from, to),
                free: Duration::ZERO,
                latency: Stream::new(trace, seed, "network.latency", entity),
                luck: Stream::new(trace, seed, "network.luck", entity),
                datagrams: Order::default(),
                connection: Order::default(),
            }
        })
    }
}

impl Link {
    /// Whether so many bytes more find no room before the link.
    fn is_full(&self, bytes: usize, now: Duration) -> bool {
        let (Some(bandwidth), Some(queue)) = (self.settings.bandwidth, self.settings.queue) else { return false };
        let waiting = self.free.saturating_sub(now).as_nanos() * u128::from(bandwidth) / 1_000_000_000;
        // An idle link takes anything: a message larger than the whole queue would never leave.
        waiting > 0 && waiting + bytes as u128 > u128::from(queue)
    }

    /// When so many bytes that are sent now have left. Meanwhile the link is busy.
    fn leaves(&mut self, bytes: usize, now: Duration) -> Duration {
        let Some(bandwidth) = self.settings.bandwidth else { return now };
        let takes = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(bandwidth));
        self.free = self.free.max(now) + Duration::from_nanos(u64::try_from(takes).expect("a message has a bound"));
        self.free
    }
}

/// What holds on a link: the rules that name it, a later one before an earlier, and else what holds everywhere.
fn settings_of(network: &model::Network, from: Place, to: Place) -> model::Link {
    let mut settings = network.all;
    let (Place::Machine(from), Place::Machine(to)) = (from, to) else { return settings };
    let (from, to) = (from.to_string(), to.to_string());
    let names = |labels: &Option<Vec<String>>, label| labels.as_ref().is_none_or(|all| all.contains(label));
    for rule in &network.links {
        let there = names(&rule.from, &from) && names(&rule.to, &to);
        let back = !rule.one_way && names(&rule.from, &to) && names(&rule.to, &from);
        if there || back {
            settings = model::Link {
                latency: rule.latency.unwrap_or(settings.latency),
                loss: rule.loss.unwrap_or(settings.loss),
                duplicate: rule.duplicate.unwrap_or(settings.duplicate),
                reorder: rule.reorder.unwrap_or(settings.reorder),
                bandwidth: rule.bandwidth.or(settings.bandwidth),
                queue: rule.queue.or(settings.queue),
            };
        }
    }
    settings
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
        let all = model::Link { latency, loss, duplicate, reorder, bandwidth: None, queue: None };
        Network::new(model::Network { all, links: Vec::new() }, 7, &Trace::default())
    }

    fn arrivals(network: &mut Network) -> (Vec<Duration>, Counts) {
        let mut counts = Counts::default();
        let times =
            (0..1000).flat_map(|ms| network.datagram(ONE, TWO, 100, Duration::from_millis(ms), &mut counts)).collect();
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

    /// When 1,000 bytes arrive that leave together, at 1 MB/s and with 1 ms on the way.
    fn burst(queue: Option<u64>, messages: usize) -> (Vec<Duration>, Counts) {
        let mut network = network(0, 0, 0);
        network.settings.all.latency = Distribution::Constant(Duration::from_millis(1));
        network.settings.all.bandwidth = Some(1_000_000);
        network.settings.all.queue = queue;
        let mut counts = Counts::default();
        let times = (0..messages).flat_map(|_| network.datagram(ONE, TWO, 1000, Duration::ZERO, &mut counts)).collect();
        (times, counts)
    }

    #[test]
    fn a_message_holds_the_link_for_as_long_as_its_bytes_take() {
        assert_eq!(burst(None, 4).0, [2, 3, 4, 5].map(Duration::from_millis));
    }

    #[test]
    fn what_finds_no_room_before_the_link_is_lost() {
        let (times, counts) = burst(Some(3000), 10);
        assert_eq!(times, [2, 3, 4].map(Duration::from_millis));
        assert_eq!(counts.messages_dropped, 7);
        assert_eq!(
            burst(Some(10), 2).0,
            [Duration::from_millis(2)],
            "an idle link takes what its queue could not hold"
        );
    }

    #[test]
    fn the_last_rule_that_names_a_link_wins_and_has_a_direction() {
        let mut network = network(0, 0, 0);
        let [slow, slower] = [10, 20].map(|ms| Distribution::Constant(Duration::from_millis(ms)));
        let rule = |from: &str, latency, one_way| model::LinkRule {
            from: Some(vec![from.to_owned()]),
            to: None,
            one_way,
            latency: Some(latency),
            loss: None,
            duplicate: None,
            reorder: None,
            bandwidth: None,
            queue: None,
        };
        network.settings.links = vec![rule("n1", slow, false), rule("n1", slower, true)];
        let latency = |one, other| settings_of(&network.settings, one, other).latency;
        let [one, two, three] = [0, 1, 2].map(|number| Place::Machine(Machine(number)));
        assert_eq!((latency(one, two), latency(two, one)), (slower, slow));
        assert_eq!(latency(two, three), network.settings.all.latency);
        assert_eq!(latency(Place::Client(1), one), network.settings.all.latency);
    }

    #[test]
    fn slowdowns_add_up_and_end() {
        let mut network = network(0, 0, 0);
        network.settings.all.latency = Distribution::Constant(Duration::from_millis(1));
        let ms = Duration::from_millis;
        network.slow(ONE, TWO, ms(10), true);
        network.slow(ONE, TWO, ms(5), true);
        assert_eq!(network.connection(Place::Machine(ONE), Place::Machine(TWO), 9, ms(0)), ms(16));
        assert_eq!(network.connection(Place::Machine(TWO), Place::Machine(ONE), 9, ms(0)), ms(1));
        network.slow(ONE, TWO, ms(10), false);
        network.slow(ONE, TWO, ms(5), false);
        assert!(!network.is_slowed(ONE, TWO));
        assert_eq!(
            network.connection(Place::Machine(ONE), Place::Machine(TWO), 9, ms(2)),
            ms(16) + Duration::from_nanos(1)
        );
    }
}
