//! A machine's own clocks, off by a constant and running at their own rate.

use std::time::Duration;

use crate::choice::Stream;
use crate::scenario::model;

/// What a machine's clocks say at a moment of the world.
#[derive(Clone, Debug)]
pub struct Clock {
    /// How far the wall clock was off when the world began, in nanoseconds.
    offset_ns: i64,
    /// How much faster than the world's time both clocks run, in parts per million.
    drift_ppm: i64,
}

/// The wall clock's time when the world begins: 2024-01-01 00:00 UTC.
const BEGINNING: Duration = Duration::from_secs(1_704_067_200);

/// Monotonic time when the world begins, so that a clock that runs slow never falls below zero.
const UPTIME: Duration = Duration::from_secs(1_000);

const MILLION: i128 = 1_000_000;

impl Clock {
    /// Draws how far a machine's clocks are off.
    pub fn new(settings: &model::Clock, stream: &mut Stream) -> Self {
        let mut draw = |most: u64| stream.between(0, 2 * most) as i64 - most as i64;
        let most_ns = u64::try_from(settings.offset.as_nanos()).expect("offsets are bounded when a scenario is read");
        Clock { offset_ns: draw(most_ns), drift_ppm: draw(u64::from(settings.drift_ppm)) }
    }

    /// Monotonic time at a moment of the world.
    pub fn monotonic(&self, world: Duration) -> Duration {
        UPTIME + self.elapsed(world)
    }

    /// Wall-clock time at a moment of the world.
    pub fn wall(&self, world: Duration) -> Duration {
        let true_time = BEGINNING + self.elapsed(world);
        let offset = Duration::from_nanos(self.offset_ns.unsigned_abs());
        if self.offset_ns < 0 { true_time - offset } else { true_time + offset }
    }

    /// The first moment of the world at which [`Clock::monotonic`] has reached `at`.
    pub fn world(&self, at: Duration) -> Duration {
        let elapsed = at.saturating_sub(UPTIME).as_nanos() as i128;
        let rate = MILLION + i128::from(self.drift_ppm);
        let world = (elapsed * MILLION + rate - 1).div_euclid(rate);
        Duration::from_nanos(u64::try_from(world).unwrap_or(u64::MAX))
    }

    fn elapsed(&self, world: Duration) -> Duration {
        let elapsed = world.as_nanos() as i128 * (MILLION + i128::from(self.drift_ppm)) / MILLION;
        Duration::from_nanos(u64::try_from(elapsed).expect("a drift is less than the time itself"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    fn clocks() -> impl Iterator<Item = Clock> {
        let settings = model::Clock { offset: Duration::from_secs(3), drift_ppm: 500 };
        (0..50).map(move |machine| Clock::new(&settings, &mut Stream::new(&Trace::default(), 1, "clock", machine)))
    }

    #[test]
    fn a_wake_up_comes_when_the_clock_has_reached_its_time_and_not_before() {
        for clock in clocks() {
            for at_ms in [0, 1, 77, 12_345, 1_000_000] {
                let at = UPTIME + Duration::from_millis(at_ms);
                let world = clock.world(at);
                assert!(clock.monotonic(world) >= at, "{clock:?}");
                assert!(world.is_zero() || clock.monotonic(world - Duration::from_nanos(2)) < at, "{clock:?}");
            }
        }
    }

    #[test]
    fn clocks_are_off_within_their_bounds_both_ways() {
        let later = Duration::from_secs(1000);
        let off: Vec<i128> = clocks()
            .map(|clock| clock.wall(later).as_nanos() as i128 - (BEGINNING + later).as_nanos() as i128)
            .collect();
        assert!(off.iter().all(|off| off.abs() <= 3_500_000_000), "{off:?}");
        assert!(off.iter().any(|off| *off > 1_000_000_000) && off.iter().any(|off| *off < -1_000_000_000), "{off:?}");
    }
}
