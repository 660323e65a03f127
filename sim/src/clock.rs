//! A machine's own clocks: off by a constant, running at their own rate, and what faults do to them.

use std::time::Duration;

use crate::choice::Stream;
use crate::record::Machine;
use crate::scenario::model::{self, ClockError};

/// What a machine's clocks say at a moment of the world.
#[derive(Clone, Debug)]
pub struct Clock {
    /// How far the wall clock is ahead of the monotonic one's idea of true time, in nanoseconds.
    offset_ns: i64,
    /// How much faster than the world's time both clocks run, in parts per million.
    drift_ppm: i64,
    /// Since when they run at this rate, and how far they had come by then.
    since: (Duration, Duration),
    /// What the wall clock says while it stands still.
    frozen: Option<Duration>,
    /// How many active faults let it stand still.
    freezes: u32,
}

/// The wall clock's time when the world begins: 2024-01-01 00:00 UTC.
const BEGINNING: Duration = Duration::from_secs(1_704_067_200);

/// Monotonic time when the world begins, so that a clock that runs slow never falls below zero.
const UPTIME: Duration = Duration::from_secs(1_000);

const MILLION: i128 = 1_000_000;

/// However many faults slow a clock down, it keeps a tenth of its rate.
const RATE_MIN: i128 = MILLION / 10;

impl Clock {
    /// Clocks that are as far off as the scenario says, or draws.
    pub fn new(settings: &model::Clock, machine: Machine, stream: &mut Stream) -> Self {
        let mut error = |error: &ClockError| match error {
            ClockError::UpTo(most) => stream.between(0, 2 * most) as i64 - *most as i64,
            ClockError::Each(errors) => errors.get(&machine.to_string()).copied().unwrap_or(0),
        };
        let (offset_ns, drift_ppm) = (error(&settings.offset_ns), error(&settings.drift_ppm));
        Clock { offset_ns, drift_ppm, since: (Duration::ZERO, Duration::ZERO), frozen: None, freezes: 0 }
    }

    /// Monotonic time at a moment of the world.
    pub fn monotonic(&self, world: Duration) -> Duration {
        UPTIME + self.elapsed(world)
    }

    /// Wall-clock time at a moment of the world.
    pub fn wall(&self, world: Duration) -> Duration {
        self.frozen.unwrap_or_else(|| self.running(world))
    }

    /// The first moment of the world at which [`Clock::monotonic`] has reached `at`, if the rate stays as it is.
    pub fn world(&self, at: Duration) -> Duration {
        let (begin, come) = self.since;
        let elapsed = at.saturating_sub(UPTIME).saturating_sub(come).as_nanos() as i128;
        let rate = self.rate();
        let world = (elapsed * MILLION + rate - 1).div_euclid(rate);
        begin.saturating_add(Duration::from_nanos(u64::try_from(world).unwrap_or(u64::MAX)))
    }

    /// Sets the wall clock forward, or back. One that stands still shows it when it goes on.
    pub fn jump(&mut self, by_ns: i64) {
        self.offset_ns += by_ns;
    }

    /// Lets both clocks run so much faster from now on.
    pub fn drift(&mut self, by_ppm: i64, now: Duration) {
        self.since = (now, self.elapsed(now));
        self.drift_ppm += by_ppm;
    }

    /// Lets the wall clock stand still from now on, or ends one such fault: after the last one it is right again.
    pub fn freeze(&mut self, begins: bool, now: Duration) {
        if begins {
            self.freezes += 1;
            self.frozen = Some(self.wall(now));
        } else {
            self.freezes = self.freezes.checked_sub(1).expect("a freeze ends once");
            self.frozen = self.frozen.filter(|_| self.freezes > 0);
        }
    }

    /// Whether the wall clock shows the true time.
    pub fn is_right(&self, world: Duration) -> bool {
        self.wall(world) == BEGINNING + world
    }

    /// What the wall clock says where it does not stand still.
    fn running(&self, world: Duration) -> Duration {
        let true_time = BEGINNING + self.elapsed(world);
        let offset = Duration::from_nanos(self.offset_ns.unsigned_abs());
        if self.offset_ns < 0 { true_time - offset } else { true_time + offset }
    }

    fn rate(&self) -> i128 {
        (MILLION + i128::from(self.drift_ppm)).max(RATE_MIN)
    }

    fn elapsed(&self, world: Duration) -> Duration {
        let (begin, come) = self.since;
        let elapsed = (world - begin).as_nanos() as i128 * self.rate() / MILLION;
        come + Duration::from_nanos(u64::try_from(elapsed).expect("a drift is less than the time itself"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    fn clocks() -> impl Iterator<Item = Clock> {
        let settings = model::Clock { offset_ns: ClockError::UpTo(3_000_000_000), drift_ppm: ClockError::UpTo(500) };
        (0..50).map(move |machine| {
            let stream = &mut Stream::new(&Trace::default(), 1, "clock", u64::from(machine));
            Clock::new(&settings, Machine(machine), stream)
        })
    }

    fn exact() -> Clock {
        let settings = model::Clock { offset_ns: ClockError::UpTo(0), drift_ppm: ClockError::UpTo(0) };
        Clock::new(&settings, Machine(0), &mut Stream::new(&Trace::default(), 1, "clock", 0))
    }

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_wake_up_comes_when_the_clock_has_reached_its_time_and_not_before() {
        for mut clock in clocks() {
            for changed in [false, true] {
                if changed {
                    clock.drift(-70_000, Duration::from_nanos(999_999_937));
                }
                let (earliest, _) = clock.since;
                for at_ms in [0, 1, 77, 12_345, 1_000_000] {
                    let at = clock.monotonic(earliest) + Duration::from_millis(at_ms);
                    let world = clock.world(at);
                    assert!(clock.monotonic(world) >= at, "{clock:?}");
                    let before = world.saturating_sub(Duration::from_nanos(2));
                    assert!(world == earliest || clock.monotonic(before) < at, "{clock:?}");
                }
            }
        }
    }

    #[test]
    fn clocks_are_off_within_their_bounds_both_ways() {
        let later = seconds(1000);
        let off: Vec<i128> = clocks()
            .map(|clock| clock.wall(later).as_nanos() as i128 - (BEGINNING + later).as_nanos() as i128)
            .collect();
        assert!(off.iter().all(|off| off.abs() <= 3_500_000_000), "{off:?}");
        assert!(off.iter().any(|off| *off > 1_000_000_000) && off.iter().any(|off| *off < -1_000_000_000), "{off:?}");
    }

    #[test]
    fn a_jump_moves_the_wall_clock_and_never_the_monotonic_one() {
        let (mut clock, true_wall) = (exact(), BEGINNING + seconds(10));
        let monotonic = clock.monotonic(seconds(10));
        clock.jump(-5_000_000_000);
        assert_eq!((clock.wall(seconds(10)), clock.monotonic(seconds(10))), (true_wall - seconds(5), monotonic));
        clock.jump(7_000_000_000);
        assert_eq!(clock.wall(seconds(10)), true_wall + seconds(2));
    }

    #[test]
    fn what_a_drift_gained_stays_when_it_ends() {
        let mut clock = exact();
        clock.drift(100_000, seconds(10));
        assert_eq!(clock.monotonic(seconds(20)), UPTIME + seconds(21));
        clock.drift(-100_000, seconds(20));
        assert_eq!(clock.monotonic(seconds(30)), UPTIME + seconds(31));
        assert_eq!(clock.wall(seconds(30)), BEGINNING + seconds(31));
    }

    #[test]
    fn no_number_of_drifts_stops_a_clock() {
        let mut clock = exact();
        (0..30).for_each(|_| clock.drift(-100_000, seconds(0)));
        assert_eq!(clock.monotonic(seconds(10)), UPTIME + seconds(1));
    }

    #[test]
    fn a_frozen_wall_clock_stands_still_until_the_last_fault_ends() {
        let mut clock = exact();
        clock.freeze(true, seconds(10));
        clock.freeze(true, seconds(12));
        clock.freeze(false, seconds(14));
        assert_eq!(clock.wall(seconds(15)), BEGINNING + seconds(10));
        assert_eq!(clock.monotonic(seconds(15)), UPTIME + seconds(15));
        clock.freeze(false, seconds(16));
        assert_eq!(clock.wall(seconds(17)), BEGINNING + seconds(17));
    }
}
