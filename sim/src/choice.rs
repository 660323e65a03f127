//! Named decisions. Every draw comes from a stream keyed by (seed, site, entity), so that a draw in one place never
//! shifts the draws of another: a log line, a fault or a client more leaves the rest of a seed as it was.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::scenario::model::{Distribution, Probability};
use crate::trace::{Item, Trace};

/// The decisions made at one site about one entity: all latencies of one link, all power cuts of one disk.
#[derive(Clone, Debug)]
pub struct Stream {
    generator: ChaCha8Rng,
    trace: Trace,
    site: &'static str,
    entity: u64,
}

impl Stream {
    /// The stream of a site and an entity: `Stream::new(&trace, 7, "network.latency", link)`.
    pub fn new(trace: &Trace, seed: u64, site: &'static str, entity: u64) -> Self {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&xxh3_128_with_seed(site.as_bytes(), entity).to_le_bytes());
        key[16..24].copy_from_slice(&seed.to_le_bytes());
        key[24..].copy_from_slice(&entity.to_le_bytes());
        Stream { generator: ChaCha8Rng::from_seed(key), trace: trace.clone(), site, entity }
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        let number = self.generator.next_u64();
        self.trace.enter_number(Item::Choice, number, || self.about(number));
        number
    }

    /// What was drawn where. An entity of two parts, such as a link, has its halves apart.
    fn about(&self, number: u64) -> String {
        let (Stream { site, entity, .. }, low) = (self, self.entity as u32);
        match entity >> 32 {
            0 => format!("{site} of entity {entity} is {number}"),
            high => format!("{site} of entity {high}:{low} is {number}"),
        }
    }

    /// A number below `bound`, evenly.
    ///
    /// # Panics
    /// If `bound` is 0: there is nothing to choose from.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a choice needs something to choose from");
        // Multiply and shift; the bias is below bound / 2^64.
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        match (last - first).checked_add(1) {
            Some(span) => first + self.below(span),
            None => self.number(),
        }
    }

    /// A time from `first` to `last`, both included, to the nanosecond.
    pub fn time(&mut self, first: Duration, last: Duration) -> Duration {
        Duration::from_nanos(self.between(nanos(first), nanos(last)))
    }

    /// Whether something with this chance happens. Draws nothing when the answer is certain.
    pub fn happens(&mut self, chance: Probability) -> bool {
        match chance.0 {
            0 => false,
            1_000_000.. => true,
            ppm => self.below(1_000_000) < u64::from(ppm),
        }
    }

    /// A duration.
    pub fn duration(&mut self, distribution: &Distribution) -> Duration {
        match *distribution {
            Distribution::Constant(time) => time,
            Distribution::Uniform { min, max } => self.time(min, max),
            Distribution::Exponential { min, mean, max } => {
                let average = nanos(mean.saturating_sub(min));
                let tail = (u128::from(average) * u128::from(self.exponential_milli()) / 1000) as u64;
                (min + Duration::from_nanos(tail)).min(max)
            }
            Distribution::Bimodal { usual, slow, chance } => {
                let (first, last) = if self.happens(chance) { slow } else { usual };
                self.time(first, last)
            }
        }
    }

    /// A draw of the exponential distribution of mean 1, in thousandths. Integers only, since the last bit of a
    /// logarithm differs between machines: -ln(u) = ln 2 · (leading zeros of u + the rest from a table).
    fn exponential_milli(&mut self) -> u64 {
        // -ln((16 + k + 1/2) / 32) in thousandths: the mantissa in sixteen steps.
        const MANTISSA: [u64; 16] = [662, 602, 546, 492, 442, 394, 348, 304, 262, 222, 183, 146, 110, 76, 43, 10];
        let draw = self.number() | 1;
        let zeros = u64::from(draw.leading_zeros());
        let step = (draw << zeros) >> 59 & 15;
        zeros * 693 + MANTISSA[step as usize]
    }

    /// One of these.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// Puts a list in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("simulated times stay below 584 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(site: &'static str, entity: u64) -> Stream {
        Stream::new(&Trace::default(), 7, site, entity)
    }

    #[test]
    fn a_stream_depends_on_seed_site_and_entity_only() {
        assert_eq!(stream("a", 1).number(), stream("a", 1).number());
        assert_ne!(stream("a", 1).number(), stream("b", 1).number());
        assert_ne!(stream("a", 1).number(), stream("a", 2).number());
        assert_ne!(stream("a", 1).number(), Stream::new(&Trace::default(), 8, "a", 1).number());
    }

    #[test]
    fn an_exponential_draw_has_its_mean_and_its_bounds() {
        let (min, mean, max) = (Duration::from_millis(1), Duration::from_millis(9), Duration::from_millis(60));
        let mut stream = stream("latency", 0);
        let draws: Vec<_> =
            (0..20_000).map(|_| stream.duration(&Distribution::Exponential { min, mean, max })).collect();
        let average = draws.iter().sum::<Duration>() / 20_000;
        assert!(draws.iter().all(|draw| (min..=max).contains(draw)));
        assert!((Duration::from_micros(8800)..Duration::from_micros(9200)).contains(&average), "{average:?}");
    }

    #[test]
    fn a_bimodal_draw_is_slow_as_often_as_told_and_never_between() {
        let millis = |first, last| (Duration::from_millis(first), Duration::from_millis(last));
        let (usual, slow) = (millis(1, 3), millis(80, 200));
        let mut stream = stream("latency", 0);
        let bimodal = Distribution::Bimodal { usual, slow, chance: Probability(20_000) };
        let draws: Vec<_> = (0..10_000).map(|_| stream.duration(&bimodal)).collect();
        let within = |draw: &&Duration, range: (Duration, Duration)| (range.0..=range.1).contains(*draw);
        let slow_draws = draws.iter().filter(|draw| within(draw, slow)).count();
        assert_eq!(slow_draws + draws.iter().filter(|draw| within(draw, usual)).count(), draws.len());
        assert!((150..250).contains(&slow_draws), "{slow_draws}");
    }

    #[test]
    fn chances_are_kept() {
        let mut stream = stream("loss", 0);
        let hits = (0..100_000).filter(|_| stream.happens(Probability(250_000))).count();
        assert!((24_000..26_000).contains(&hits), "{hits}");
        assert!(!stream.happens(Probability(0)));
        assert!(stream.happens(Probability(1_000_000)));
    }

    #[test]
    fn a_shuffle_keeps_all() {
        let mut list: Vec<u32> = (0..50).collect();
        stream("order", 0).shuffle(&mut list);
        assert_ne!(list, (0..50).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..50).collect::<Vec<_>>());
    }
}
