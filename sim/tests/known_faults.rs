//! The README shows which systems fail which scenarios. That they do is a test of its own, one for each seed.

use std::fs;
use std::path::Path;

use lockstep_sim::check::PROPERTIES;
use lockstep_sim::scenario::{self, Known};
use lockstep_sim::systems;

#[test]
fn the_readme_lists_the_known_faults() {
    let table = table();
    insta::with_settings!({
        snapshot_path => root().join("snapshots/teeth"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("known_faults", table) });
    let readme = fs::read_to_string(root().join("README.md")).expect("the README can be read");
    let (_, rest) = readme.split_once("<!-- known faults -->\n").expect("the README marks where the table begins");
    let (shown, _) = rest.split_once("<!-- end -->").expect("the README marks where the table ends");
    assert_eq!(shown.trim(), table.trim(), "copy the table from snapshots/teeth/known_faults.snap into README.md");
}

fn table() -> String {
    let systems: Vec<&str> = systems::ALL.iter().map(|system| system.name()).collect();
    let known = Known { systems: &systems, properties: PROPERTIES, kinds: &systems::kinds(systems::ALL) };
    let mut table = "| system | scenario | what happens | fails |\n|---|---|---|---|\n".to_owned();
    for file in scenario::discover(&[root().join("scenarios")]).expect("the scenarios can be listed") {
        let scenario = scenario::load(&file, &known).unwrap_or_else(|report| panic!("{report}"));
        let about = scenario.about.first().map_or("", |line| line.as_str());
        for (system, property) in &scenario.expect.fails {
            table += &format!("| {system} | {} | {about} | `{property}` |\n", scenario.name);
        }
    }
    table
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}
