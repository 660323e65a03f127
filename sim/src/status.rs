//! What can come of a run, from the best to the worst, and the exit code of each.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// What came of a run, or of many: then the greatest of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Every property holds.
    Pass,
    /// No property failed, but the run says nothing: its faults never bit or its clients did nothing.
    Vacuous,
    /// A property failed.
    Failed,
    /// Two runs of one seed differ.
    Nondeterministic,
    /// The scenario or the command line makes no sense.
    Bad,
    /// The testbed itself is wrong: it panicked or its process died.
    Bug,
}

impl Status {
    /// The exit code of a process that ends with this.
    pub fn exit_code(self) -> u8 {
        match self {
            Status::Pass => 0,
            Status::Failed => 1,
            Status::Bad => 2,
            Status::Vacuous => 3,
            Status::Nondeterministic => 4,
            Status::Bug => 101,
        }
    }

    /// The word that begins a line of output.
    pub fn word(self) -> &'static str {
        match self {
            Status::Pass => "pass",
            Status::Failed => "FAIL",
            Status::Bad => "BAD",
            Status::Vacuous => "VACUOUS",
            Status::Nondeterministic => "NONDETERMINISTIC",
            Status::Bug => "BUG",
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status.exit_code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_runs_end_with_the_worst_of_them() {
        let worst = [Status::Vacuous, Status::Bug, Status::Pass, Status::Failed].into_iter().max();
        assert_eq!(worst.map(Status::exit_code), Some(101));
        assert!(Status::Nondeterministic > Status::Failed && Status::Failed > Status::Vacuous);
    }
}
