//! Cases: one scenario on one system. A scenario runs on its own system, where it must pass, and on every system that
//! its `[expect] fails` names, where it must fail.

use std::path::Path;
use std::sync::Arc;

use crate::check::PROPERTIES;
use crate::scenario::model::Scenario;
use crate::scenario::{Given, Known, Report};
use crate::systems::{self, System};
use crate::tool;
use crate::worker::{Job, Task, Wants};

/// One scenario on one system.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// The system's name.
    pub system: String,
    /// The properties of which one must fail first; none if all must hold.
    pub expected: Vec<String>,
}

impl Case {
    /// Its name: `join/leader-cut`, or `join/leader-cut@bully` on a system that is not the scenario's own.
    pub fn name(&self) -> String {
        let name = &self.scenario.name;
        if self.is_own_system() { name.clone() } else { format!("{name}@{}", self.system) }
    }

    /// The run of a seed.
    pub fn task(&self, seed: u64, wants: Wants, twice: bool) -> Task {
        let job = Job { given: self.scenario.given.clone(), system: self.system.clone(), seed, wants };
        Task { job, expected: self.expected.clone(), twice }
    }

    /// The command that shows a seed in detail.
    pub fn replay(&self, seed: u64) -> String {
        tool::replay(&self.scenario.given, seed, (!self.is_own_system()).then_some(self.system.as_str()))
    }

    /// Whether the scenario is written for this system.
    pub fn is_own_system(&self) -> bool {
        self.system == self.scenario.cluster.system
    }
}

/// Reads a scenario that may name these systems.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(given: &Given, systems: &[&'static dyn System]) -> Result<Arc<Scenario>, Report> {
    let known = Known { systems: &names(systems), properties: PROPERTIES, kinds: &systems::kinds(systems) };
    given.load(&known).map(Arc::new)
}

/// Reads a scenario file that may name these systems.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_file(file: &Path, systems: &[&'static dyn System]) -> Result<Arc<Scenario>, Report> {
    load(&Given::File(file.display().to_string()), systems)
}

/// The cases of a scenario: its own first, then its expected failures.
pub fn of(scenario: &Arc<Scenario>) -> Vec<Case> {
    let own = Case { scenario: scenario.clone(), system: scenario.cluster.system.clone(), expected: Vec::new() };
    let failing = scenario.expect.fails.iter().map(|(system, properties)| Case {
        scenario: scenario.clone(),
        system: system.clone(),
        expected: properties.clone(),
    });
    std::iter::once(own).chain(failing).collect()
}

/// The case of a scenario on a system of the user's choice.
///
/// # Errors
/// If there is no such system.
pub fn on(scenario: &Arc<Scenario>, system: &str, systems: &[&'static dyn System]) -> Result<Case, String> {
    if !names(systems).contains(&system) {
        return Err(known("system", system, &names(systems)));
    }
    let expected = scenario.expect.fails.get(system).cloned().unwrap_or_default();
    Ok(Case { scenario: scenario.clone(), system: system.to_owned(), expected })
}

fn names(systems: &[&'static dyn System]) -> Vec<&'static str> {
    systems.iter().map(|system| system.name()).collect()
}

/// Says that there is no such thing, what there is, and what may have been meant.
pub fn known(kind: &str, name: &str, names: &[&str]) -> String {
    let nearest = names.iter().max_by(|a, b| strsim::jaro(name, a).total_cmp(&strsim::jaro(name, b)));
    let hint = match nearest {
        Some(nearest) if strsim::jaro(name, nearest) > 0.7 => format!("; did you mean `{nearest}`?"),
        _ => String::new(),
    };
    format!("there is no {kind} `{name}`{hint} (there are: {})", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_and_all() {
        let text = known("system", "locksetp", &["lockstep", "bully"]);
        assert_eq!(text, "there is no system `locksetp`; did you mean `lockstep`? (there are: lockstep, bully)");
        assert!(!known("system", "zzz", &["lockstep", "bully"]).contains("mean"));
    }
}
