//! Every `tests/bad/*.toml` has one mistake, which its name tells, and beside it what the user is shown. One test a
//! file. `UPDATE=1` writes what is shown now.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use lockstep_sim::scenario::{Known, Origin, parse};

const KNOWN: Known<'_> = Known {
    systems: &["lockstep", "statement-shipping"],
    properties: &["tables-equal", "log-matching", "no-lost-write"],
    kinds: &[("lockstep", &["append", "append-reply", "vote", "heartbeat"])],
};

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of bad scenarios is readable")
        .map(|entry| entry.expect("its entries are readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    let trial = |path: PathBuf| {
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        Trial::test(name.clone(), move || check(&name, &path))
    };
    libtest_mimic::run(&Arguments::from_args(), files.into_iter().map(trial).collect()).exit_code()
}

fn check(name: &str, path: &Path) -> Result<(), Failed> {
    let source = fs::read_to_string(path)?;
    let folder = path.parent().expect("the file is in a folder").to_owned();
    let origin = Origin { name: name.to_owned(), path: format!("{name}.toml"), folder };
    let shown = match parse(&source, &origin, &KNOWN) {
        Ok(_) => return Err("this scenario is accepted".into()),
        // Schema files are named by the folder they were looked up in, which is another on every machine.
        Err(report) => report.render(false).replace(&format!("{}/", origin.folder.display()), ""),
    };
    let expected = path.with_extension("txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&expected, &shown)?;
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    if shown != expected {
        return Err(format!("expected\n{expected}\nbut it says\n{shown}\nUPDATE=1 accepts it").into());
    }
    Ok(())
}
