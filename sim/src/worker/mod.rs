//! Worker processes: parallelism without threads.
//!
//! A run wants its process to itself, since SQLite and the executor keep state that all threads share. So the tool and
//! the test harness start themselves again as workers: one [`Job`] comes in as a line of JSON on standard input, one
//! [`Answer`] goes out as a line on standard output, until the input ends. Where two runs of one seed differ, they are
//! made again and tell every item of their digests before they answer; the first that differs is named. A panic of the testbed ends the worker; the
//! parent sees the end of its output and reports a bug with the seed ([`Worker::ask`]).

mod answer;
mod parting;
mod pool;
mod process;
mod serve;

use serde::{Deserialize, Serialize};

use crate::scenario::Given;
use crate::trace::Entered;

pub use answer::Answer;
pub use pool::{Task, answer_all, confirm};
pub use process::Worker;
pub use serve::{serve, was_asked_for};

/// The only argument of a process that is to be a worker. It looks like a flag because the test harness takes any other
/// word as the name of a test.
const ARGUMENT: &str = "--worker";

/// One run that is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What the scenario is made of.
    pub given: Given,
    /// The system to run it on.
    pub system: String,
    /// The seed.
    pub seed: u64,
    /// What the answer must hold beside the verdict.
    pub wants: Wants,
}

/// What an answer must hold beside the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wants {
    /// The short log. It comes with every run that does not pass, wanted or not.
    pub short: bool,
    /// Colours in the short log.
    pub coloured: bool,
    /// The run as JSON.
    pub json: bool,
    /// The detailed trace.
    pub trace: bool,
    /// The final tables.
    pub finals: bool,
    /// Everything that enters the digest, told before the answer, while it happens.
    pub items: bool,
}

/// A line that a worker writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Said {
    /// Something entered the digest.
    Item(Entered),
    /// The run is over.
    Answer(Box<Answer>),
}

impl Wants {
    /// All that an answer can hold, in plain text.
    pub const ALL: Wants = Wants { short: true, coloured: false, json: true, trace: true, finals: true, items: false };
}
