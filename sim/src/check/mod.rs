//! Verdicts: one file a property.
//!
//! A check watches what happens as it happens ([`Check::observe`]) and judges the evidence when the world has stopped
//! ([`Check::finish`]). A violation seen while the world runs ends the run at once, at that very step.

use crate::record::Recorded;
use crate::run::{Evidence, Finding, Violation};

/// One property.
pub trait Check: Send {
    /// Its name, in kebab-case: `log-matching`.
    fn property(&self) -> &'static str;

    /// Looks at one thing that just happened.
    ///
    /// # Errors
    /// The violation, if this shows one.
    fn observe(&mut self, _recorded: &Recorded) -> Result<(), Violation> {
        Ok(())
    }

    /// Judges the whole run.
    fn finish(&mut self, evidence: &Evidence) -> Finding;
}

/// x
pub fn all(_: &crate::scenario::model::Scenario) -> Vec<Box<dyn Check>> { vec![] }
/// x
pub fn vacuous(_: &Evidence) -> Vec<String> { vec![] }
