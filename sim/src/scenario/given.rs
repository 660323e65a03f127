//! What a scenario is made of: its file, or the user's own SQL without one.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::model::Scenario;
use super::parse::{self, Known, Origin};
use super::report::Report;

/// What the user gave on the command line. It is shown as it is written there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Given {
    /// The path of a scenario file; empty for a scenario made in memory.
    File(String),
    /// SQL of the user's own, under a standard set of faults.
    Sql(SqlFiles),
}

/// Two files of SQL and how much is to be made of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlFiles {
    /// The path of the file that sets the tables up.
    pub schema: String,
    /// The path of the file of operations.
    pub workload: String,
    /// How many voters the cluster has.
    pub voters: u32,
    /// How many clients there are.
    pub clients: u32,
    /// How many operations they do in all.
    pub ops: u64,
}

impl SqlFiles {
    /// How many voters there are where nothing is said.
    pub const VOTERS: u32 = 3;
    /// How many clients there are where nothing is said.
    pub const CLIENTS: u32 = 4;
    /// How many operations they do where nothing is said.
    pub const OPS: u64 = 200;
}

impl Given {
    /// Reads the scenario. The files that it names are taken from its own folder, those of the command line from the working
    /// directory.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, known: &Known<'_>) -> Result<Scenario, Report> {
        match self {
            Given::File(path) => parse::load(Path::new(path), known),
            Given::Sql(files) => {
                let stem = Path::new(&files.workload).file_stem().unwrap_or_default();
                let origin = Origin {
                    name: stem.to_string_lossy().into_owned(),
                    path: "--schema and --workload".to_owned(),
                    folder: PathBuf::new(),
                };
                let scenario = parse::parse(&text(files, known), &origin, known)?;
                Ok(Scenario { given: self.clone(), ..scenario })
            }
        }
    }

    /// The path of the scenario file, if there is one.
    pub fn file(&self) -> Option<&str> {
        match self {
            Given::File(path) if !path.is_empty() => Some(path),
            _ => None,
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = match self {
            Given::File(path) => return f.write_str(&word(path)),
            Given::Sql(files) => files,
        };
        write!(f, "--schema {} --workload {}", word(&files.schema), word(&files.workload))?;
        if files.voters != SqlFiles::VOTERS {
            write!(f, " --voters {}", files.voters)?;
        }
        if files.clients != SqlFiles::CLIENTS {
            write!(f, " --clients {}", files.clients)?;
        }
        if files.ops != SqlFiles::OPS {
            write!(f, " --ops {}", files.ops)?;
        }
        Ok(())
    }
}

/// A word as shells take it: in quotes if it is not plain.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+,:@%".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The scenario file that takes the place of one.
fn text(files: &SqlFiles, known: &Known<'_>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let name =
        |path: &str| Path::new(path).file_name().unwrap_or_default().to_string_lossy().replace(['\n', '\r'], " ");
    // A single node has nobody to be parted from.
    let fits = |fault: &&&str| files.voters > 1 || !fault.contains("partition");
    let faults: Vec<&str> = FAULTS.iter().filter(fits).copied().collect();
    format!(
        "# {operations} on the tables of {tables}, while power fails, a process dies, the network splits and a disk is slow.\n\
         # Would catch: replicas that differ, and a write that is lost or made twice.\n\
         seeds = \"1..10\"\n\
         nemesis = [{faults}]\n\
         phases = {{ faults = \"15s\"{core} }}\n\
         [cluster]\nsystem = {system}\nvoters = {voters}\n\
         [schema]\nfile = {schema}\n\
         [[workload]]\nkind = \"sql\"\nclients = {clients}\nops = {ops}\nfile = {workload}\n",
        faults = faults.join(", "),
        core = if files.voters > 2 { ", core = \"majority\"" } else { "" },
        operations = name(&files.workload),
        tables = name(&files.schema),
        system = quoted(known.systems.first().copied().unwrap_or_default()),
        voters = files.voters,
        schema = quoted(&files.schema),
        clients = files.clients,
        ops = files.ops,
        workload = quoted(&files.workload),
    )
}

/// The standard faults: each seed has some of them.
const FAULTS: [&str; 6] = [
    r#"{ do = "power-cut", target = "leader", every = "2s..6s", for = "100ms..2s", enabled = "60%" }"#,
    r#"{ do = "power-cut", target = "all", every = "4s..8s", for = "100ms..1s", enabled = "30%" }"#,
    r#"{ do = "power-cut", when = { io = "1..200", during = "commit" }, strikes = "1..3", for = "100ms..1s", enabled = "60%" }"#,
    r#"{ do = "partition", groups = [["leader"], ["rest"]], every = "2s..6s", for = "200ms..3s", enabled = "60%" }"#,
    r#"{ do = "kill", every = "2s..6s", for = "10ms..1s", enabled = "60%" }"#,
    r#"{ do = "slow-disk", target = "leader", factor = 20, every = "2s..6s", for = "500ms..3s", enabled = "60%" }"#,
];
