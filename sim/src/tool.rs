//! What people type to start this tool again, for the commands that it prints.

use std::sync::OnceLock;

use crate::scenario::Given;

/// The alias of the workspace, and of every crate that follows it.
const ALIAS: &str = "cargo sim";

static NAME: OnceLock<String> = OnceLock::new();

/// To be called where the tool itself was started, before anything else: if that was not done through cargo, the alias may
/// not be there, and the commands name the program as it was named now.
pub fn started() {
    let through_cargo = std::env::var_os("CARGO").is_some();
    let program = std::env::args().next().filter(|_| !through_cargo);
    NAME.get_or_init(|| program.unwrap_or_else(|| ALIAS.to_owned()));
}

/// The command that replays a run, on a system if it is not the scenario's own.
pub fn replay(given: &Given, seed: u64, system: Option<&str>) -> String {
    let system = system.map(|system| format!(" --system {system}")).unwrap_or_default();
    format!("{} replay {given} --seed {seed}{system}", name())
}

/// The tool's name.
pub fn name() -> &'static str {
    NAME.get().map_or(ALIAS, String::as_str)
}
