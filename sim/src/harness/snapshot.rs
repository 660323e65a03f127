//! Final tables of scenarios, compared with what a person has looked at and accepted.

use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

use crate::cases::Case;

/// How many lines that differ are shown.
const LINES_MAX: usize = 20;

/// The snapshots: one file a scenario, `join__leader-cut.snap` for `join/leader-cut`. Folders below belong to others.
pub struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    /// Those in a folder.
    pub fn new(folder: PathBuf) -> Self {
        Snapshots { folder }
    }

    /// Compares final tables with the scenario's snapshot. Where they differ, or nothing is accepted yet, the new tables
    /// wait for `cargo insta review`.
    pub fn compare(&self, case: &Case, tables: &str) -> Result<(), Failed> {
        let name = file_stem(&case.scenario.name);
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(&self.folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        if let Some(file) = case.scenario.given.file() {
            settings.set_input_file(file);
        }
        let accepted = settings.bind(|| std::panic::catch_unwind(|| insta::assert_snapshot!(name.as_str(), tables)));
        accepted.map_err(|_| {
            let file = self.folder.join(format!("{name}.snap"));
            let mut message = match std::fs::read_to_string(&file) {
                Ok(before) => format!("final tables changed\n{}", difference(contents(&before), tables)),
                Err(_) => format!("final tables have no snapshot yet\n{}", difference("", tables)),
            };
            message += "accept them with `cargo insta review`, or see how they came to be:\n";
            message += &case.replay(case.scenario.seeds.first().copied().unwrap_or_default());
            Failed::from(message)
        })
    }

    /// A test: every snapshot belongs to a scenario that names final tables.
    pub fn no_orphans(&self, scenarios: &[String]) -> Result<(), Failed> {
        let owned: Vec<String> = scenarios.iter().map(|name| file_stem(name)).collect();
        let orphans: Vec<String> = stems(&self.folder)?.into_iter().filter(|stem| !owned.contains(stem)).collect();
        if orphans.is_empty() {
            return Ok(());
        }
        let list = orphans.iter().map(|stem| format!("  snapshots/{stem}.snap\n")).collect::<String>();
        Err(format!("no scenario with `final` belongs to these snapshots; delete them or bring it back:\n{list}")
            .into())
    }
}

fn file_stem(scenario: &str) -> String {
    scenario.replace('/', "__")
}

fn stems(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut stems = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        stems.extend(name.strip_suffix(".snap").map(str::to_owned));
    }
    stems.sort();
    Ok(stems)
}

/// What follows a snapshot file's header.
fn contents(file: &str) -> &str {
    file.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map_or(file, |(_, contents)| contents)
}

/// The lines that differ: those that are gone with `-`, those that are new with `+`.
fn difference(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.trim_end().lines().collect(), after.trim_end().lines().collect());
    let gone = before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}\n"));
    let new = after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}\n"));
    let lines: Vec<String> = gone.chain(new).collect();
    let mut text = lines.iter().take(LINES_MAX).cloned().collect::<String>();
    match lines.len() {
        0 => text += "the same lines in another order\n",
        count @ 1.. if count > LINES_MAX => text += &format!("… {} more lines\n", count - LINES_MAX),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_differ_are_shown() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "- b\n+ x\n");
        assert_eq!(difference("a\nb\n", "b\na\n"), "the same lines in another order\n");
    }

    #[test]
    fn a_snapshot_file_has_a_header() {
        assert_eq!(contents("---\nsource: x\n---\ntable\n"), "table\n");
    }
}
