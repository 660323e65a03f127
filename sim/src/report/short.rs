//! The short log of a run: a page that says what happened and what it means.

use std::fmt::Write;

use super::palette::paint;
use super::timeline::{LEGEND, Moment, moments};
use super::words::{cut, number, seconds, wrap};
use super::{Palette, failure, replay_command};
use crate::explain::explain;
use crate::record::Machine;
use crate::run::{Counts, Finding, Run};

/// No line is wider.
const WIDTH: usize = 110;

/// So many moments are shown at most, half of them from the beginning and half from the end.
const MOMENTS_MAX: usize = 60;

/// The header, what happened, the verdicts and the counts.
pub fn log(run: &Run, palette: &Palette) -> String {
    let mut text = header(run, palette);
    timeline(&mut text, run, palette);
    verdicts(&mut text, run, palette);
    counts(&mut text, &run.evidence.counts, palette);
    text
}

/// What it comes to. A failure's first line names the property, its last line is the command that replays it.
pub fn conclusion(run: &Run, palette: &Palette) -> String {
    let mut text = one_line(run, palette) + "\n";
    if failure(run).is_some() {
        // The first line of an explanation is the failure itself, which is told above.
        for line in explain(&run.evidence, &run.verdicts).iter().skip(1) {
            line_of(&mut text, &format!("  {}", cut(line, WIDTH - 2)));
        }
    } else {
        for reason in run.vacuous.iter().skip(1) {
            line_of(&mut text, &format!("  {reason}"));
        }
        if run.vacuous.is_empty() {
            return text;
        }
    }
    line_of(&mut text, &paint(palette.strong, replay_command(run)));
    text
}

/// The outcome in one line, without its end.
pub fn one_line(run: &Run, palette: &Palette) -> String {
    let name = run_name(run);
    match (failure(run), run.vacuous.first()) {
        (Some((property, violation)), _) => {
            format!("{} {name}: {property}: {}", paint(palette.bad, "FAIL"), violation.summary)
        }
        (None, Some(reason)) => format!("{} {name}: {reason}", paint(palette.fault, "VACUOUS")),
        (None, None) => {
            let digest = paint(palette.dim, format!("digest {:032x}", run.digest));
            format!("{} {name}  {digest}  events {}", paint(palette.good, "PASS"), number(run.evidence.counts.events))
        }
    }
}

fn run_name(run: &Run) -> String {
    let (evidence, scenario) = (&run.evidence, &run.evidence.scenario);
    let system = match &evidence.system {
        system if *system == scenario.cluster.system => String::new(),
        system => format!("@{system}"),
    };
    format!("{}{system} seed {}", scenario.name, evidence.seed)
}

fn line_of(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn header(run: &Run, palette: &Palette) -> String {
    let scenario = &run.evidence.scenario;
    let clients: u32 = scenario.workloads.iter().map(|workload| workload.clients).sum();
    let kinds: Vec<_> = scenario.workloads.iter().map(|workload| workload.kind.name()).collect();
    format!(
        "{}  {} nodes  {clients} clients  {}\n",
        paint(palette.strong, run_name(run)),
        scenario.cluster.voters,
        kinds.join("+")
    )
}

fn timeline(text: &mut String, run: &Run, palette: &Palette) {
    let evidence = &run.evidence;
    let moments = moments(&evidence.scenario, &evidence.records);
    let machines =
        (0..evidence.scenario.cluster.machines()).map(|machine| format!("{:>3}", Machine(machine).to_string()));
    let heading = format!("     time {}   term  index  event", machines.collect::<String>());
    line_of(text, &paint(palette.dim, heading));
    let half = MOMENTS_MAX / 2;
    let fold = moments.len() > MOMENTS_MAX;
    for (place, moment) in moments.iter().enumerate() {
        if !fold || place < half || place >= moments.len() - half {
            line_of(text, &row(moment, palette));
        } else if place == half {
            line_of(text, &paint(palette.dim, format!("        ⋮ {} more", moments.len() - MOMENTS_MAX)));
        }
    }
    if let Some(last) = last_moment(run, moments.last()) {
        line_of(text, &row(&last, palette));
    }
    line_of(text, &paint(palette.dim, format!("           {LEGEND}  = converged")));
}

/// How the run ended: converged, or at a violation.
fn last_moment(run: &Run, before: Option<&Moment>) -> Option<Moment> {
    let evidence = &run.evidence;
    let before = before?;
    let index = evidence.replicas.values().filter_map(|replica| replica.applied).max().unwrap_or(before.index);
    if let Some((property, violation)) = failure(run).filter(|(_, violation)| violation.at.is_some()) {
        let at = violation.at.unwrap_or(evidence.ended);
        return Some(Moment { at, text: format!("{property} is violated"), trouble: true, ..before.clone() });
    }
    let converged = |machine| evidence.replicas.contains_key(&Machine(machine));
    let glyphs = (0..).zip(&before.glyphs).map(|(machine, glyph)| if converged(machine) { '=' } else { *glyph });
    let glyphs = glyphs.collect();
    let settled = evidence.settled_after?;
    let text = format!("converged {} after the heal", seconds(settled));
    Some(Moment { at: evidence.ended, glyphs, index, text, trouble: false, ..before.clone() })
}

fn row(moment: &Moment, palette: &Palette) -> String {
    let paint_glyph = |glyph: &char| {
        let style = match glyph {
            'L' | '=' => palette.good,
            '!' | '#' => palette.bad,
            '|' | 'c' => palette.fault,
            _ => palette.dim,
        };
        format!("  {}", paint(style, glyph))
    };
    let glyphs: String = moment.glyphs.iter().map(paint_glyph).collect();
    let Moment { term, index, .. } = moment;
    let left = format!("{:>9} ", seconds(moment.at));
    let room = WIDTH.saturating_sub(left.len() + 3 * moment.glyphs.len() + 16);
    let words = cut(&moment.text, room);
    let words = if moment.trouble { paint(palette.fault, words) } else { words };
    format!("{left}{glyphs}  {term:>5}  {index:>5}  {words}")
}

/// The verdicts, but for the failure itself: the conclusion tells it.
fn verdicts(text: &mut String, run: &Run, palette: &Palette) {
    let failure = failure(run).map(|(property, _)| property);
    let (mut holds, mut unjudged) = (Vec::new(), Vec::new());
    for verdict in run.verdicts.iter().filter(|verdict| Some(verdict.property) != failure) {
        match &verdict.result {
            Finding::Holds(what) => holds.push(format!("{} ({what})", verdict.property)),
            Finding::NotApplicable => unjudged.push(verdict.property.to_owned()),
            Finding::Violated(violation) => {
                let line = cut(&format!("{}: {}", verdict.property, violation.summary), WIDTH - 13);
                line_of(text, &format!("  {}   {line}", paint(palette.bad, "violated")));
            }
        }
    }
    labelled(text, &paint(palette.good, "holds   "), &holds);
    // A violation that ended the run leaves nearly all unjudged, which goes without saying.
    if !holds.is_empty() {
        labelled(text, &paint(palette.dim, "unjudged"), &unjudged);
    }
}

/// Parts behind a label, on as many lines as they need.
fn labelled(text: &mut String, label: &str, parts: &[String]) {
    for (place, line) in wrap(parts, WIDTH - 13).iter().enumerate() {
        let label = if place == 0 { label } else { "        " };
        line_of(text, &format!("  {label}   {line}"));
    }
}

fn counts(text: &mut String, counts: &Counts, palette: &Palette) {
    let mut parts = vec![format!("{} acknowledged", number(counts.acknowledged))];
    let mut more = |count: u64, what: &str| {
        if count > 0 {
            parts.push(format!("{} {what}", number(count)));
        }
    };
    more(counts.not_executed, "not executed");
    more(counts.unknown, "unknown");
    more(counts.sql_errors, "SQL errors");
    more(counts.elections, "elections");
    more(counts.messages, "messages");
    more(counts.messages_dropped, "dropped");
    more(counts.messages_duplicated, "duplicated");
    more(counts.messages_reordered, "reordered");
    more(counts.syncs, "syncs");
    let mut line = String::new();
    write!(line, "  {}   {}", paint(palette.dim, "counts  "), parts.join("  ")).expect("a string takes all");
    line_of(text, &line);
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use lockstep_node::event::Event;
    use lockstep_node::raft::{Index, Role, Term};

    use super::*;
    use crate::check::testing::{at, bank_evidence, id, power_cut_event};
    use crate::check::{all, judge};
    use crate::record::{Down, FaultRecord, Harm, Phase, Recorded, What};
    use crate::run::Verdict;

    fn node(seconds: f64, machine: u32, event: Event) -> Recorded {
        at(seconds, What::Node(Machine(machine), event))
    }

    fn booted(seconds: f64, machine: u32, epoch: u64, last: u64) -> Recorded {
        let (last, applied, term) = (Index(last), Index(last.saturating_sub(2)), Term(epoch - 1));
        node(seconds, machine, Event::Booted { id: id(machine), epoch, term, last, applied })
    }

    fn elected(seconds: f64, machine: u32, voter: u32, term: u64) -> [Recorded; 2] {
        let term = Term(term);
        [
            node(seconds, voter, Event::Voted { candidate: id(machine), term }),
            node(seconds, machine, Event::Role { role: Role::Leader, term }),
        ]
    }

    /// A run in which the leader loses power and another one takes over.
    pub(in crate::report) fn passed() -> Run {
        let mut evidence = bank_evidence(&[&[1], &[1], &[1]]);
        evidence.records = [0, 1, 2].map(|machine| booted(0.0, machine, 1, 0)).to_vec();
        evidence.records.extend(elected(0.0, 1, 2, 1));
        let fault = |struck, text: &str| {
            What::Fault(FaultRecord { event: 0, struck, text: text.into(), harm: Harm::default() })
        };
        evidence.records.extend([
            at(0.0, What::Phase(Phase::Faults)),
            node(1.9, 1, Event::Committed { index: Index(184) }),
            at(2.0, fault(true, "power-cut n2 for 1s")),
            at(2.0, What::Down(Machine(1), Down::PowerCut { kept: 3, lost: 4, torn: 1 })),
        ]);
        evidence.records.extend(elected(2.371, 0, 2, 2));
        evidence.records.extend([
            at(3.0, fault(false, "end of power-cut n2 for 1s")),
            at(3.0, What::Up(Machine(1))),
            booted(3.004, 1, 2, 180),
            node(3.004, 1, Event::TornTail { from: Index(181) }),
            node(5.0, 0, Event::Committed { index: Index(402) }),
            at(6.0, What::Phase(Phase::Settle)),
        ]);
        Arc::get_mut(&mut evidence.scenario).unwrap().events = vec![power_cut_event(4)];
        evidence.struck = vec![true];
        evidence.ended = Duration::from_millis(6480);
        evidence.counts =
            Counts { events: 21_870, messages: 9442, acknowledged: 1388, elections: 2, ..Counts::default() };
        let verdicts = judge(all(&evidence.scenario), None, &evidence);
        Run { evidence, verdicts, vacuous: Vec::new(), digest: 0x9c41_e0d7 }
    }

    /// The same run, ended by a violation on `n3` at index 5.
    pub(in crate::report) fn failed() -> Run {
        let mut run = passed();
        run.evidence.records.retain(|recorded| recorded.at < Duration::from_secs(4));
        let violation = crate::run::Violation {
            summary: "n1 and n3 execute the same entry at index 5 to different effects".into(),
            details: vec!["accounts  n1  n2  n3".into()],
            at: Some(Duration::from_millis(4020)),
            index: Some(5),
            machine: Some(Machine(2)),
        };
        let seen = Verdict { property: "state-machine-safety", result: Finding::Violated(violation) };
        run.verdicts = judge(all(&run.evidence.scenario), Some(seen), &run.evidence);
        run
    }

    #[test]
    fn a_passing_run_is_a_page_that_ends_with_pass() {
        let text = super::super::short(&passed(), &Palette::default());
        println!("{text}");
        assert!(
            text.contains("   2.000s   .  !  .      1    184  n2 loses power; unsynced writes: 3 kept, 4 lost, 1 torn")
        );
        assert!(text.contains("n1 leads term 2 (votes: n1 n3)"));
        assert!(text.contains("   6.480s   =  =  =      2    402  converged 0.480s after the heal"));
        let last = "PASS bank/quiet seed 7  digest 0000000000000000000000009c41e0d7  events 21,870";
        assert_eq!(text.lines().last(), Some(last));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn a_failure_begins_with_its_property_and_ends_with_its_replay() {
        let text = conclusion(&failed(), &Palette::default());
        println!("{}", super::super::short(&failed(), &Palette::default()));
        let mut lines = text.lines();
        let first = "FAIL bank/quiet seed 7: state-machine-safety: n1 and n3 execute the same entry at index 5 to different effects";
        assert_eq!(lines.next(), Some(first));
        assert_eq!(lines.next_back(), Some("cargo sim replay scenarios/bank/quiet.toml --seed 7"));
    }

    #[test]
    fn another_system_than_the_scenarios_is_named_in_the_replay() {
        let mut run = failed();
        run.evidence.system = "bully".into();
        assert!(conclusion(&run, &Palette::default()).trim_end().ends_with("--seed 7 --system bully"));
    }

    #[test]
    fn a_vacuous_run_gives_its_reasons() {
        let mut run = passed();
        run.vacuous = vec!["nothing happened".into(), "nobody came".into()];
        let text = conclusion(&run, &Palette::default());
        assert!(
            text.starts_with("VACUOUS bank/quiet seed 7: nothing happened\n  nobody came\ncargo sim replay "),
            "{text}"
        );
    }

    #[test]
    fn a_long_run_is_folded() {
        let mut run = passed();
        let cut = |index| node(4.0, 2, Event::Truncated { from: Index(index) });
        run.evidence.records.extend((1..200).map(cut));
        let text = log(&run, &Palette::default());
        assert!(text.contains("⋮") && text.lines().count() < MOMENTS_MAX + 13);
    }
}
