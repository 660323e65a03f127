//! Generated programs on a state machine and on plain SQLite: both must give the same results and end with the same tables.
//! What the state machine refuses is not executed by the other. What differs is cut down to the fewest statements.
//!
//! `plain::seed_7` compares a program with plain SQLite; `digest::seed_7` runs another program, which asks for the time and
//! random numbers too, and compares the digest with the tables after every entry and copies of the database with their
//! source. In both the program is also applied in batches, on a machine that restarts in between.
//!
//! A seed is a thousand statements. `LOCKSTEP_SEEDS=1..1000 cargo test -p lockstep-sim --test differential plain` runs a
//! million of them. With `LOCKSTEP_TALLY=1` each prints what came of its statements, by kind.

mod difference;
mod dump;
mod machine;
mod plain;
mod program;
mod reduce;
mod shorten;

use std::collections::BTreeMap;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use lockstep_sim::seeds::Seeds;

use difference::Difference;
use program::{Program, Subject};

/// The seeds of a run without any other: twenty thousand statements.
const SEEDS: &str = "1..20";

/// The statements of a seed. They are several programs, each on empty databases.
const STATEMENTS: usize = 1000;

fn main() -> ExitCode {
    let seeds = std::env::var("LOCKSTEP_SEEDS").unwrap_or_else(|_| SEEDS.to_owned());
    let seeds: Seeds = match seeds.parse() {
        Ok(seeds) => seeds,
        Err(message) => {
            eprintln!("LOCKSTEP_SEEDS: {message}");
            return ExitCode::from(2);
        }
    };
    let of_subject = |subject: Subject| {
        seeds
            .iter()
            .map(move |seed| Trial::test(format!("{}::seed_{seed}", subject.name()), move || run(subject, seed)))
    };
    let trials = [Subject::Plain, Subject::Digest].into_iter().flat_map(of_subject);
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn run(subject: Subject, seed: u64) -> Result<(), Failed> {
    let (mut tally, mut statements) = (Tally::default(), 0);
    for nth in 0.. {
        let program = Program::draw(subject, seed, nth);
        statements += program.statements();
        match program.run(subject) {
            Ok(outcomes) => tally.add(&program, &outcomes),
            Err(difference) => return Err(report(subject, program, difference).into()),
        }
        if statements >= STATEMENTS {
            break;
        }
    }
    if std::env::var_os("LOCKSTEP_TALLY").is_some() {
        eprintln!("{tally}");
    }
    tally.check(seed).map_err(Failed::from)
}

/// The shortest program that differs in the same way, as a script with both answers.
fn report(subject: Subject, program: Program, difference: Difference) -> String {
    let before = program.statements();
    let (program, difference) = reduce::reduce(subject, program, difference);
    format!("{before} -> {} statements\n\n{program}\n{difference}\n", program.statements())
}

/// What statements came to, by kind: succeeded, failed, refused.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, [u64; 3]>);

impl Tally {
    fn add(&mut self, program: &Program, outcomes: &[Vec<program::Outcome>]) {
        for (entry, outcomes) in program.entries.iter().zip(outcomes) {
            for (kind, outcome) in entry.kinds.iter().zip(outcomes) {
                self.0.entry(kind).or_default()[*outcome as usize] += 1;
            }
        }
    }

    /// A program in which next to nothing succeeds compares nothing but errors.
    fn check(&self, seed: u64) -> Result<(), String> {
        let sum = |outcome: program::Outcome| self.0.values().map(|counts| counts[outcome as usize]).sum::<u64>();
        let [good, failed, refused] =
            [program::Outcome::Succeeded, program::Outcome::Failed, program::Outcome::Refused].map(sum);
        let all = good + failed + refused;
        if good * 5 < all * 2 || refused * 10 > all {
            return Err(format!(
                "seed {seed} says little: {good} statements succeeded, {failed} failed, {refused} were refused"
            ));
        }
        Ok(())
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(kind, [good, failed, refused])| {
            writeln!(f, "{kind:34} {good:6} succeeded {failed:6} failed {refused:6} refused")
        })
    }
}
