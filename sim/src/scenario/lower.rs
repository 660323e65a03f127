//! What one seed makes of a scenario: everything random in its schedule of faults becomes concrete.

use std::time::Duration;

use super::model::{Event, Fault, Nemesis, Scenario, Strikes, Trigger};
use crate::choice::Stream;
use crate::trace::Trace;

/// The shortest time that a strike leaves until the fault phase ends.
const LEAST: Duration = Duration::from_millis(1);

/// The scenario with the faults of a seed: every event at its moment, and events in the place of nemeses. Whom an event
/// strikes is found out when it does.
pub fn lower(scenario: &Scenario, seed: u64, trace: &Trace) -> Scenario {
    let stream = |site, place: usize| Stream::new(trace, seed, site, place as u64);
    let mut events: Vec<Event> = Vec::new();
    for (place, event) in scenario.events.iter().enumerate() {
        let trigger = concrete(&event.trigger, &mut stream("event", place));
        events.push(Event { trigger, ..event.clone() });
    }
    let mut random = Vec::new();
    for place in enabled(scenario, &stream) {
        let nemesis = &scenario.nemeses[place];
        let strikes = strikes(nemesis, scenario.phases.faults, &mut stream("nemesis", place));
        random.extend(strikes.into_iter().map(|(trigger, lasts)| Event {
            trigger,
            fault: nemesis.fault.clone(),
            lasts,
            nemesis: Some(place),
            line: nemesis.line,
        }));
    }
    random.sort_by_key(|event| match event.trigger {
        Trigger::At(at, _) => at,
        _ => Duration::ZERO,
    });
    events.extend(random);
    Scenario { events, nemeses: Vec::new(), ..scenario.clone() }
}

/// The nemeses that a seed has: at least one, where there is nothing else that goes wrong.
fn enabled(scenario: &Scenario, stream: &impl Fn(&'static str, usize) -> Stream) -> Vec<usize> {
    let all: Vec<usize> = (0..scenario.nemeses.len()).collect();
    let on = |place: &usize| stream("nemesis.enabled", *place).happens(scenario.nemeses[*place].enabled);
    let enabled: Vec<usize> = all.iter().copied().filter(on).collect();
    if enabled.is_empty() && scenario.events.is_empty() && !all.is_empty() {
        return vec![*stream("nemesis.one", 0).pick(&all)];
    }
    enabled
}

/// When a nemesis strikes, and for how long: once at least.
fn strikes(nemesis: &Nemesis, faults: Option<Duration>, stream: &mut Stream) -> Vec<(Trigger, Option<Duration>)> {
    let (fastest, slowest) = match &nemesis.strikes {
        Strikes::Every(least, most) => (*least, *most),
        Strikes::When { trigger, times } => {
            let times = stream.between(times.0.into(), times.1.into());
            let mut strike = || (concrete(trigger, stream), nemesis.lasts.map(|lasts| readable(stream, lasts)));
            return (0..times).map(|_| strike()).collect();
        }
    };
    let faults = faults.expect("checked when the scenario was read");
    let last = faults - shortest(nemesis);
    let pace = readable(stream, (fastest, slowest));
    let half = Duration::from_millis(u64::try_from(pace.as_millis()).expect("a scenario's times have a bound") / 2);
    let mut at = readable(stream, (Duration::ZERO, pace.min(last)));
    let mut strikes = Vec::new();
    while at <= last {
        let lasts = nemesis.lasts.map(|lasts| readable(stream, lasts).min(faults - at));
        strikes.push((Trigger::At(at, at), lasts));
        at += readable(stream, (half, pace + half)).max(LEAST);
    }
    strikes
}

/// How long a strike takes at least.
pub(super) fn shortest(nemesis: &Nemesis) -> Duration {
    let own = match nemesis.fault {
        Fault::CrashLoop { times, down, up, .. } => down * times + up * (times - 1),
        _ => nemesis.lasts.map_or(Duration::ZERO, |(least, _)| least),
    };
    own.max(LEAST)
}

/// A trigger whose ranges have been drawn.
fn concrete(trigger: &Trigger, stream: &mut Stream) -> Trigger {
    let mut one = |(first, last): (u64, u64)| {
        let number = stream.between(first, last);
        (number, number)
    };
    match trigger.clone() {
        Trigger::At(first, last) => {
            let at = stream.time(first, last);
            Trigger::At(at, at)
        }
        Trigger::Applied(index) => Trigger::Applied(one(index)),
        Trigger::Io { nth, during, node } => Trigger::Io { nth: one(nth), during, node },
        Trigger::Mark { mark, node, nth } => Trigger::Mark { mark, node, nth: one(nth) },
    }
}

/// A time between two, in whole milliseconds if these are: people read it.
fn readable(stream: &mut Stream, (first, last): (Duration, Duration)) -> Duration {
    let is_whole = |time: Duration| time.subsec_nanos().is_multiple_of(1_000_000);
    let unit_us = if is_whole(first) && is_whole(last) { 1000 } else { 1 };
    let units = |time: Duration| u64::try_from(time.as_micros()).expect("a scenario's times have a bound") / unit_us;
    Duration::from_micros(stream.between(units(first), units(last)) * unit_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing;
    use crate::scenario::model::{During, Probability, Selector};

    const FAULTS: Duration = Duration::from_secs(20);

    fn with(nemeses: &[Nemesis]) -> Scenario {
        let mut scenario = testing::scenario();
        scenario.nemeses = nemeses.to_vec();
        scenario.phases.faults = Some(FAULTS);
        scenario
    }

    fn kill(every: (u64, u64), enabled: u32) -> Nemesis {
        let (least, most) = (Duration::from_secs(every.0), Duration::from_secs(every.1));
        Nemesis {
            fault: Fault::Kill(vec![Selector::Any]),
            strikes: Strikes::Every(least, most),
            lasts: Some((Duration::from_millis(500), Duration::from_secs(4))),
            enabled: Probability(enabled),
            line: 3,
        }
    }

    fn events(scenario: &Scenario, seed: u64) -> Vec<Event> {
        lower(scenario, seed, &Trace::default()).events
    }

    #[test]
    fn strikes_fit_into_the_fault_phase_and_vary_around_the_pace_of_the_seed() {
        let scenario = with(&[kill((1, 10), 1_000_000)]);
        let counts: Vec<usize> = (0..200).map(|seed| events(&scenario, seed).len()).collect();
        assert!(counts.iter().all(|count| (1..=40).contains(count)), "{counts:?}");
        assert!(counts.iter().any(|count| *count <= 3) && counts.iter().any(|count| *count >= 12), "{counts:?}");
        for event in (0..200).flat_map(|seed| events(&scenario, seed)) {
            let Trigger::At(at, same) = event.trigger else { panic!("it strikes at a time") };
            let lasts = event.lasts.unwrap();
            assert!(at == same && at + lasts <= FAULTS && lasts >= Duration::from_millis(500), "{event:?}");
        }
    }

    #[test]
    fn a_seed_has_each_nemesis_or_not_and_at_least_one() {
        let one = |nemesis: usize, events: &[Event]| events.iter().any(|event| event.nemesis == Some(nemesis));
        let scenario = with(&[kill((1, 2), 500_000), kill((1, 2), 100_000)]);
        let seeds: Vec<Vec<Event>> = (0..400).map(|seed| events(&scenario, seed)).collect();
        let often = seeds.iter().filter(|events| one(0, events)).count();
        let seldom = seeds.iter().filter(|events| one(1, events)).count();
        // Half of 400, and half of the 45 % that have neither; a tenth, and the other half of those.
        assert!((250..330).contains(&often) && (90..170).contains(&seldom), "{often} {seldom}");
        assert!(seeds.iter().all(|events| !events.is_empty()));
    }

    #[test]
    fn what_is_drawn_does_not_depend_on_the_nemeses_that_follow() {
        let alone = events(&with(&[kill((1, 2), 1_000_000)]), 7);
        let together = events(&with(&[kill((1, 2), 1_000_000), kill((2, 3), 1_000_000)]), 7);
        let first = together.into_iter().filter(|event| event.nemesis == Some(0)).collect::<Vec<_>>();
        assert_eq!(first, alone);
    }

    #[test]
    fn numbers_of_triggers_are_drawn_for_each_strike() {
        let trigger = Trigger::Io { nth: (1, 1000), during: During::Commit, node: Selector::Any };
        let strikes = Strikes::When { trigger, times: (2, 5) };
        let scenario = with(&[Nemesis { strikes, ..kill((1, 1), 1_000_000) }]);
        let drawn: Vec<Vec<u64>> = (0..50)
            .map(|seed| {
                let nth = |event: Event| match event.trigger {
                    Trigger::Io { nth: (nth, same), .. } if nth == same => nth,
                    other => panic!("{other:?} is no disk call"),
                };
                events(&scenario, seed).into_iter().map(nth).collect()
            })
            .collect();
        assert!(drawn.iter().all(|strikes| (2..=5).contains(&strikes.len())), "{drawn:?}");
        let (least, most) = (drawn.iter().flatten().min().unwrap(), drawn.iter().flatten().max().unwrap());
        assert!(*least < 100 && *most > 900, "{least} {most}");
    }
}
