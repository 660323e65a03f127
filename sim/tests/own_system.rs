//! Systems of somebody's own: the example, and some that break the testbed's rules. How the tool ends, and what it says.
//!
//! This program is also the tool with those systems, as it would be in a crate of its own: it starts itself as such.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Failed, Trial};
use lockstep_node::host::{Disk, Network};
use lockstep_sim::scenario::model::Cluster;
use lockstep_sim::systems::lockstep::LOCKSTEP;
use lockstep_sim::systems::{Running, System};
use lockstep_sim::world::SimHost;

#[path = "../examples/own_system/main.rs"]
#[expect(dead_code, reason = "its main is the example's")]
mod example;

/// Lockstep, with something added to every boot.
struct With {
    name: &'static str,
    at_boot: fn(&mut SimHost),
}

/// Lets the process id, which no seed decides, reach a message.
static LEAKY: With =
    With { name: "leaky", at_boot: |host| host.send("n1", std::process::id().to_le_bytes().to_vec().into()) };

/// Lets it reach a file.
static STAINED: With = With {
    name: "stained",
    at_boot: |host| host.write("note", 0, &std::process::id().to_le_bytes()).expect("the disk is up"),
};

/// Ends the whole process.
static DEADLY: With = With { name: "deadly", at_boot: |_| std::process::abort() };

impl System for With {
    fn name(&self) -> &'static str {
        self.name
    }

    fn found(&self, hosts: Vec<SimHost>, cluster: &Cluster) -> Running {
        LOCKSTEP.found(hosts, cluster)
    }

    fn boot(&self, mut host: SimHost, cluster: &Cluster) -> Running {
        let (at_boot, cluster) = (self.at_boot, cluster.clone());
        Box::pin(async move {
            at_boot(&mut host);
            LOCKSTEP.boot(host, &cluster).await;
        })
    }

    fn database(&self, files: &[String]) -> Option<String> {
        LOCKSTEP.database(files)
    }

    fn reports_events(&self) -> bool {
        true
    }
}

fn main() -> ExitCode {
    let first = std::env::args().nth(1).unwrap_or_default();
    if first == "run" || first == "--worker" {
        return lockstep_sim::main(&[&example::MIRRORS, &LEAKY, &STAINED, &DEADLY]);
    }
    let trials = vec![
        Trial::test("the_example_holds_while_mirrors_fail", || {
            expect(&run_in(&example(), "scenarios/mirror-cut-off.toml", "1..3"), 0, "pass  mirror-cut-off  3 seeds")
        }),
        Trial::test("the_example_loses_data_with_its_primary", || {
            expect(&run_in(&example(), "scenarios/primary-loses-power.toml", "1"), 1, "is missing on n2")
        }),
        Trial::test("a_message_that_no_seed_decides_is_named", || {
            expect(&run(&LEAKY), 4, "in the setup, message: datagram from n1 to n1; 4 bytes, from byte 0 on: ")
        }),
        Trial::test("a_disk_call_that_no_seed_decides_is_named", || {
            expect(&run(&STAINED), 4, "in the setup, disk call: n1: write note, 4 bytes at 0")
        }),
        Trial::test("a_worker_that_dies_is_reported_with_its_seed", || expect(&run(&DEADLY), 101, "--seed 1")),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Runs a scenario on a system with the tool that this program is.
fn run(system: &With) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = format!("workload = [{{ kind = \"bank\", ops = 5 }}]\n[cluster]\nsystem = \"{}\"\n", system.name);
    std::fs::write(folder.path().join("mine.toml"), text).expect("the file is written");
    run_in(folder.path(), "mine.toml", "1..2")
}

/// The folder of the example.
fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/own_system")
}

/// Runs a scenario in a folder with the tool that this program is.
fn run_in(folder: &Path, scenario: &str, seeds: &str) -> Output {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.args(["run", scenario, "--seeds", seeds]).current_dir(folder);
    command.output().expect("the tool starts")
}

fn expect(output: &Output, code: i32, text: &str) -> Result<(), Failed> {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    match output.status.code() == Some(code) && said.contains(text) {
        true => Ok(()),
        false => Err(format!("expected exit code {code} and {text:?}, but {}:\n{said}", output.status).into()),
    }
}
