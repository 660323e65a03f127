//! Random histories with the power cut at every call, and recovery cut at every call as well.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::{BootError, LogStore, open};
use super::disk::{Machine, run};
use super::{entry, founded, founding};
use crate::raft::{Batch, Entry, HardState, Index, NodeId, Term};

/// What a batch makes of the log and the hard state.
#[derive(Clone, Debug, PartialEq)]
struct State {
    log: Vec<Entry>,
    hard_state: HardState,
}

/// All states since the boot, one a batch, and how many of the batches are acknowledged.
struct Model {
    states: Vec<State>,
    acknowledged: usize,
}

impl Model {
    fn last(&self) -> &State {
        self.states.last().expect("there is always the state at boot")
    }

    /// What a boot after a cut may find: a log that is not older than what was acknowledged, nor newer than the hard
    /// state beside it.
    fn allows(&self, found: &State) -> bool {
        let from = self.acknowledged;
        let log = (from..self.states.len()).find(|&n| self.states[n].log == found.log);
        let hard_state = (from..self.states.len()).rfind(|&n| self.states[n].hard_state == found.hard_state);
        matches!((log, hard_state), (Some(log), Some(hard_state)) if log <= hard_state)
    }
}

/// One boot: submits batches and completes syncs as `script` says, until the power is cut or the script ends.
fn live(machine: &mut Machine, mut store: LogStore, model: &mut Model, script: &mut ChaCha8Rng) {
    store.set_segment_bytes_max(4096);
    for _ in 0..30 {
        if script.next_u32() % 5 < 2 {
            let Ok(completed) = machine.complete() else { return };
            let Some((ticket, result)) = completed else { continue };
            match store.synced(machine, ticket, result) {
                Ok(batch) => model.acknowledged = batch.map_or(model.acknowledged, |batch| batch.0 as usize),
                Err(_) => return,
            }
            assert!(store.durable_index() <= store.last_index());
        } else if submit(machine, &mut store, model, script).is_err() {
            return;
        }
    }
}

fn submit(
    machine: &mut Machine,
    store: &mut LogStore,
    model: &mut Model,
    script: &mut ChaCha8Rng,
) -> Result<(), super::super::LogError> {
    let mut state = model.last().clone();
    let mut hard_state = None;
    if script.next_u32().is_multiple_of(3) {
        state.hard_state.term.0 += 1;
        state.hard_state.vote = Some(NodeId(script.next_u64()));
        hard_state = Some(state.hard_state);
    }
    let mut truncate_from = None;
    if script.next_u32().is_multiple_of(3) && state.log.len() > 1 {
        let from = 2 + script.next_u64() % (state.log.len() as u64 - 1);
        state.log.truncate(from as usize - 1);
        truncate_from = Some(Index(from));
    }
    let needed = u32::from(hard_state.is_none() && truncate_from.is_none());
    let mut append = Vec::new();
    for _ in 0..needed + script.next_u32() % 3 {
        let length = [3, 40, 600, 2000][script.next_u32() as usize % 4];
        let payload: Vec<u8> = (0..length).map(|_| script.next_u32() as u8).collect();
        append.push(entry(state.log.len() as u64 + 1, state.hard_state.term.0, &payload));
        state.log.push(append.last().expect("just pushed").clone());
    }
    model.states.push(state);
    let batch = Batch(model.states.len() as u64 - 1);
    store.submit(machine, batch, hard_state, truncate_from, append).map(drop)
}

/// Boots, and says what was found.
fn boot(machine: &mut Machine) -> Result<(State, LogStore), BootError> {
    let opened = run(open(machine))?;
    let state = State { log: opened.entries, hard_state: opened.hard_state };
    assert_eq!(opened.store.last_index(), Index(state.log.len() as u64), "the log has a gap");
    Ok((state, opened.store))
}

/// Boots after a cut, while every call of the boot is cut in turn, and again a boot after that.
fn boot_through_cuts(machine: &Machine, model: &Model, context: &str) {
    for cut_at in 1.. {
        let mut machine = machine.clone();
        machine.cut_at = Some(cut_at);
        let whole = match boot(&mut machine) {
            Ok(_) => true,
            Err(BootError::Dead) => false,
            Err(error) => panic!("{context}, boot cut at {cut_at}: {error}"),
        };
        machine.restart();
        let (found, _) =
            boot(&mut machine).unwrap_or_else(|error| panic!("{context}, after boot cut at {cut_at}: {error}"));
        assert!(model.allows(&found), "{context}, boot cut at {cut_at}: found {found:?}");
        machine.cut();
        machine.restart();
        assert_eq!(
            boot(&mut machine).unwrap().0,
            found,
            "{context}, boot cut at {cut_at}: a boot took back what it read"
        );
        if whole {
            return;
        }
    }
}

/// Two boots with a history each; the power is cut at the given call of the second. Returns whether it was.
fn history(seed: u64, cut_at: u64, thorough: bool) -> bool {
    let context = format!("seed {seed}, cut at {cut_at}");
    let mut script = ChaCha8Rng::seed_from_u64(seed);
    let mut machine = founded(seed ^ cut_at << 32);
    let mut found = State { log: vec![founding()], hard_state: HardState { term: Term(0), vote: None } };
    for round in 0..3 {
        let (state, store) = boot(&mut machine).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(state, found, "{context}");
        machine.restart();
        machine.cut_at = (round == 1).then_some(cut_at);
        let mut model = Model { states: vec![state], acknowledged: 0 };
        live(&mut machine, store, &mut model, &mut script);
        let ended = round == 1 && machine.calls < cut_at;
        if script.next_u32() % 4 > 0 {
            machine.cut();
        }
        machine.restart();
        if thorough {
            boot_through_cuts(&machine, &model, &context);
        }
        found = boot(&mut machine).unwrap_or_else(|error| panic!("{context}: {error}")).0;
        assert!(model.allows(&found), "{context}: of {} acknowledged, found {found:?}", model.acknowledged);
        if ended {
            return false;
        }
    }
    true
}

#[test]
fn a_power_cut_at_any_call_takes_nothing_that_was_acknowledged_and_brings_nothing_back() {
    for seed in 0..40 {
        for cut_at in 1.. {
            if !history(seed, cut_at, false) {
                break;
            }
        }
    }
}

#[test]
fn a_boot_can_be_cut_short_at_any_call_any_number_of_times() {
    for seed in 100..104 {
        for cut_at in 1.. {
            if !history(seed, cut_at, true) {
                break;
            }
        }
    }
}
