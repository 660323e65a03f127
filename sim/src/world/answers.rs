//! How long requests wait for their answers, as the process sees it to which they came.
//!
//! A process is held to the time in which it can do something, by the clock that it has: the machine's own monotonic one,
//! which stands still here while the process is paused or its disk is stalled. What a request was kept waiting for longer
//! than the scenario allows is recorded when it is over.

use std::time::Duration;

use super::State;
use super::machine::Node;
use crate::record::{Late, Machine, What};

/// The time in which a machine could do nothing, by its own clock.
#[derive(Debug, Default)]
pub(super) struct Hindered {
    /// In the past.
    total: Duration,
    /// Since when it can do nothing, if so.
    since: Option<Duration>,
}

/// A request that came to a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// When people would say that it came.
    pub(super) at: Duration,
    /// How much time the machine had had by then in which it could do something.
    able: Duration,
}

impl Node {
    /// A pause or a stall has begun or ended.
    pub(super) fn count_hindrance(&mut self, now: Duration) {
        let own = self.clock.monotonic(now);
        let hindered = self.pauses > 0 || self.stalls > 0;
        match (hindered, self.hindered.since) {
            (true, None) => self.hindered.since = Some(own),
            (false, Some(since)) => {
                self.hindered.total += own - since;
                self.hindered.since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// The time up to now in which the machine could do something.
    fn able(&self, now: Duration) -> Duration {
        let until = self.hindered.since.unwrap_or_else(|| self.clock.monotonic(now));
        until - self.hindered.total
    }
}

impl State {
    /// A request comes to a process now.
    pub(super) fn arrival(&mut self, machine: Machine) -> Arrival {
        self.counts.requests += 1;
        Arrival { at: self.time(), able: self.machines[machine.0 as usize].able(self.now) }
    }

    /// A request is answered, or its answer is awaited no more.
    pub(super) fn end_wait(&mut self, machine: Machine, from: String, arrival: Arrival, answered: bool) {
        let waited = self.machines[machine.0 as usize].able(self.now) - arrival.able;
        if answered {
            self.counts.answer_longest_us = self.counts.answer_longest_us.max(waited.as_micros() as u64);
        }
        if waited > self.scenario.limits.answer + GRACE {
            self.record(What::Late(Late { machine, from, arrived: arrival.at, waited, answered }));
        }
    }

    /// The world stops: what has no answer by now gets none.
    pub fn end_waits(&mut self) {
        self.drop_calls(|_| true);
    }
}

/// Clocks count nanoseconds, and a timer comes when its time has been reached.
const GRACE: Duration = Duration::from_micros(1);
