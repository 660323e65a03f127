//! The rules of the house, checked on the repository itself.
//!
//! Each finding names the file, the line, the rule and the remedy. What a compiler or clippy can check is left to them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What may stand at the top of the repository.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "node",
    "sim",
    "scenarios",
    "snapshots",
    "target",
    ".cargo",
    ".ci",
    ".config",
    ".rustfmt.toml",
    ".clippy.toml",
    ".git",
    ".gitignore",
    "failures",
];

/// Folders of code that must give the same result for the same seed.
const SIMULATED: &[&str] = &[
    "node/src",
    "sim/src/world",
    "sim/src/network",
    "sim/src/clock",
    "sim/src/disk",
    "sim/src/systems",
    "sim/src/workload",
    "sim/src/faults",
    "sim/src/check",
];

/// Words that bring in time, chance or order from outside, and what to write instead.
const OUTSIDE: &[(&str, &str)] = &[
    ("HashMap", "its order differs from run to run: use BTreeMap"),
    ("HashSet", "its order differs from run to run: use BTreeSet"),
    ("Instant::now", "ask the host's clock"),
    ("SystemTime", "ask the host's clock"),
    ("std::thread", "a run is one thread: make it an input of the node"),
    ("std::fs", "ask the host's disk"),
    ("thread_rng", "ask the host for entropy, or make it a named choice"),
    ("select!", "a node has one call that waits: make it an input"),
];

/// Where `unsafe` may stand. A third place needs a reason here.
const UNSAFE: &[(&str, &str)] = &[
    ("node/src/sqlite/", "SQLite's hooks are C functions"),
    ("sim/src/disk/", "SQLite's VFS is a table of C functions"),
];

const LINES_MAX: usize = 500;

#[test]
fn the_top_level_holds_what_the_map_says() {
    let entries = fs::read_dir(root()).expect("the workspace can be read");
    let names = entries.map(|entry| entry.expect("the entry can be read").file_name().to_string_lossy().into_owned());
    let mut findings = Findings::default();
    for name in names.filter(|name| !TOP.contains(&name.as_str()) && !name.starts_with("target-")) {
        findings.add(&name, 0, "the top level is a map of the project", "put it into one of the folders");
    }
    findings.none();
}

#[test]
fn nothing_simulated_reaches_outside() {
    let mut findings = Findings::default();
    for file in rust_files().iter().filter(|file| SIMULATED.iter().any(|part| file.is_part_of(part))) {
        for (line, text) in file.code() {
            for (word, remedy) in OUTSIDE.iter().filter(|(word, _)| mentions(text, word)) {
                findings.add(&file.path, line, &format!("no `{word}` in simulated code"), remedy);
            }
        }
    }
    findings.none();
}

#[test]
fn every_select_is_biased() {
    let mut findings = Findings::default();
    for file in rust_files() {
        let code: Vec<(usize, &str)> = file.code().collect();
        for (place, (line, text)) in code.iter().enumerate().filter(|(_, (_, text))| text.contains("select! {")) {
            let next = code.get(place + 1).map_or("", |(_, next)| next.trim());
            if !text.contains("biased;") && !next.starts_with("biased;") {
                findings.add(&file.path, *line, "a `select!` without order is random", "begin it with `biased;`");
            }
        }
    }
    findings.none();
}

#[test]
fn unsafe_stays_in_its_places() {
    let mut findings = Findings::default();
    for file in rust_files().iter().filter(|file| !UNSAFE.iter().any(|(place, _)| file.path.starts_with(place))) {
        for (line, _) in file.code().filter(|(_, text)| mentions(text, "unsafe")) {
            let places = UNSAFE.iter().map(|(place, why)| format!("{place} ({why})")).collect::<Vec<_>>().join(", ");
            findings.add(&file.path, line, &format!("`unsafe` is only in {places}"), "find a safe way");
        }
    }
    findings.none();
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut findings = Findings::default();
    for file in rust_files() {
        let count = file.text.lines().count();
        if count > LINES_MAX {
            findings.add(&file.path, count, &format!("at most {LINES_MAX} lines"), "split it: one concept a file");
        }
        if !file.text.starts_with("//! ") {
            findings.add(&file.path, 1, "a file begins with its doc", "say what it is in a `//!` line");
        }
    }
    findings.none();
}

#[test]
fn every_module_folder_has_a_module_file() {
    let mut findings = Findings::default();
    let files = rust_files();
    for file in files.iter().filter(|file| file.path.contains("/src/")) {
        let folder = file.path.rsplit_once('/').expect("it is below src").0;
        let beside = [format!("{folder}/mod.rs"), format!("{folder}/lib.rs"), format!("{folder}.rs")];
        let alone = folder.ends_with("/src") || folder.ends_with("/bin");
        if !alone && !files.iter().any(|other| beside.contains(&other.path)) {
            findings.add(&file.path, 1, "a module's folder says what the module is", "add a mod.rs with docs");
        }
    }
    findings.none();
}

#[test]
fn nothing_is_left_for_later() {
    let mut findings = Findings::default();
    let stubs = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME"), concat!("TO", "DO")];
    for file in text_files() {
        for (line, text) in file.lines() {
            if let Some(stub) = stubs.iter().find(|stub| text.contains(**stub)) {
                findings.add(
                    &file.path,
                    line,
                    &format!("no `{stub}`"),
                    "do it, or leave it out and say so in the docs",
                );
            }
            if text.ends_with([' ', '\t', '\r']) {
                findings.add(&file.path, line, "no white space at the end of a line", "remove it");
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            findings.add(&file.path, file.text.lines().count(), "a file ends with a line end", "add it");
        }
    }
    findings.none();
}

#[test]
fn every_scenario_says_what_breaks_and_what_it_would_catch() {
    let mut findings = Findings::default();
    for file in text_files().iter().filter(|file| file.path.starts_with("scenarios/") && file.path.ends_with(".toml")) {
        let mut lines = file.text.lines();
        let mut is_comment = || lines.next().is_some_and(|line| line.starts_with("# ") && line.len() > 4);
        if !(is_comment() && is_comment()) {
            let remedy = "begin with two comment lines: what breaks, and which bug it would catch";
            findings.add(&file.path, 1, "a scenario explains itself", remedy);
        }
    }
    findings.none();
}

#[test]
fn links_of_the_readme_lead_somewhere() {
    let mut findings = Findings::default();
    for file in text_files().iter().filter(|file| file.path.ends_with(".md")) {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (line, text) in file.lines() {
            for link in links(text).filter(|link| !link.contains("://") && !link.starts_with('#')) {
                let target = link.split('#').next().unwrap_or(link);
                if !root().join(folder).join(target).exists() {
                    findings.add(&file.path, line, &format!("the link to `{link}` is dead"), "mend or remove it");
                }
            }
        }
    }
    findings.none();
}

#[test]
fn the_rules_see_what_breaks_them() {
    assert!(mentions("use std::collections::HashMap;", "HashMap"));
    assert!(mentions("tokio::select! {", "select!"));
    assert!(!mentions("let unsafety = 1;", "unsafe"));
    assert!(!mentions("#[deny(unsafe_op_in_unsafe_fn)]", "unsafe"));
    assert_eq!(links("see [the map](sim/src/lib.rs) and [x](y)").collect::<Vec<_>>(), ["sim/src/lib.rs", "y"]);
    let file = File { path: "a.rs".to_owned(), text: "//! HashMap\nlet a = 1; // HashMap\n".to_owned() };
    assert!(file.code().all(|(_, text)| !text.contains("HashMap")));
    let network = File { path: "sim/src/network.rs".to_owned(), text: String::new() };
    assert!(network.is_part_of("sim/src/network") && !network.is_part_of("sim/src/net"));
}

/// Whether a line mentions a word, and not only a longer one that begins or ends with it.
fn mentions(text: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part_of_name) && !text[at + word.len()..].starts_with(part_of_name))
}

/// The targets of Markdown links in a line.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link)
}

/// What breaks a rule, and where.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn add(&mut self, path: &str, line: usize, rule: &str, remedy: &str) {
        writeln!(self.0, "{path}:{line}: {rule}; {remedy}").expect("writing to a String");
    }

    fn none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}

/// A file of the repository.
struct File {
    /// Its path below the root, with slashes.
    path: String,
    text: String,
}

impl File {
    /// Lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(place, text)| (place + 1, text))
    }

    /// Lines without comments. Code in strings is code.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().map(|(line, text)| (line, text.split("//").next().unwrap_or(text)))
    }

    /// Whether it is a module, or in its folder: `sim/src/network` has `sim/src/network.rs` and what is below it.
    fn is_part_of(&self, module: &str) -> bool {
        self.path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

fn rust_files() -> Vec<File> {
    // This file spells out what it forbids.
    text_files().into_iter().filter(|file| file.path.ends_with(".rs") && file.path != "sim/tests/tidy.rs").collect()
}

/// All files that people wrote.
fn text_files() -> Vec<File> {
    let mut paths = Vec::new();
    for name in TOP.iter().filter(|name| !["target", ".git", "failures", "Cargo.lock", "LICENSE"].contains(name)) {
        collect(&root().join(name), &mut paths);
    }
    let written = ["rs", "toml", "md", "yaml", "sql", ""];
    paths.retain(|path| written.contains(&path.extension().unwrap_or_default().to_str().unwrap_or_default()));
    assert!(paths.len() > 20, "the repository was not found");
    paths.into_iter().map(read).collect()
}

fn collect(path: &Path, paths: &mut Vec<PathBuf>) {
    if path.is_file() {
        paths.push(path.to_owned());
    } else if path.is_dir() {
        let entries = fs::read_dir(path).expect("the folder can be read");
        let mut below: Vec<PathBuf> = entries.map(|entry| entry.expect("the entry can be read").path()).collect();
        below.sort();
        below.iter().for_each(|path| collect(path, paths));
    }
}

fn read(path: PathBuf) -> File {
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let below = path.strip_prefix(root()).expect("it is below the root");
    File { path: below.to_string_lossy().replace('\\', "/"), text }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace").to_owned()
}
