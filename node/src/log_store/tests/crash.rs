//! Random histories with the power cut at every call, and recovery cut at every call as well.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::{Base, BootError, Completed, LogError, LogStore, open};
use super::disk::{Machine, run};
use super::{entry, founded, founding};
use crate::host::DiskError;
use crate::raft::{Batch, Entry, HardState, Index, NodeId, Position, Term};

/// What a batch, or an installed database, makes of the log, the hard state and the generation.
#[derive(Clone, Debug)]
struct State {
    /// The index before the first entry of `log`: 0, or where the last database that replaced the whole log ends.
    start: u64,
    log: Vec<Entry>,
    hard_state: HardState,
    generation: u64,
}

/// What a boot finds.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    base: Base,
    log: Vec<Entry>,
    hard_state: HardState,
    generation: u64,
}

/// All states since the boot, one a batch or installed database, and how many of them are acknowledged. The log's base
/// moves by itself.
struct Model {
    states: Vec<State>,
    acknowledged: usize,
    bases: Vec<Base>,
    compacted: usize,
}

impl Found {
    /// In words, without payloads.
    fn brief(&self) -> String {
        let log: Vec<String> = self.log.iter().map(|entry| entry.position().to_string()).collect();
        format!("generation {}, base {:?}, {log:?}, {:?}", self.generation, self.base, self.hard_state)
    }
}

impl State {
    fn last(&self) -> u64 {
        self.start + self.log.len() as u64
    }

    /// The entries after a base.
    fn after(&self, base: Index) -> Option<&[Entry]> {
        self.log.get(usize::try_from(base.0.checked_sub(self.start)?).ok()?..)
    }
}

impl Model {
    fn new(found: &Found) -> Self {
        let Found { base, log, hard_state, generation } = found.clone();
        let state = State { start: base.index.0, log, hard_state, generation };
        Model { states: vec![state], acknowledged: 0, bases: vec![base], compacted: 0 }
    }

    fn last(&self) -> &State {
        self.states.last().expect("there is always the state at boot")
    }

    fn acknowledge(&mut self, completed: Completed) {
        let state = |generation| self.states.iter().position(|state| state.generation == generation);
        let base = |base| self.bases.iter().rposition(|wished| *wished == base);
        match completed {
            Completed::Batch(batch) => self.acknowledged = batch.0 as usize,
            Completed::Installed { generation } => self.acknowledged = state(generation).expect("it was installed"),
            Completed::Compacted(to) => self.compacted = base(to).expect("it was wished"),
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// What a boot after a cut may find: a log that is not older than what was acknowledged, nor newer than the hard
    /// state beside it, from a base that is not below the acknowledged one.
    fn allows(&self, found: &Found) -> bool {
        let states = self.acknowledged..self.states.len();
        let is_log = |state: &State| {
            state.generation == found.generation && state.after(found.base.index) == Some(found.log.as_slice())
        };
        let log = states.clone().find(|&n| is_log(&self.states[n]));
        let hard_state = states.clone().rfind(|&n| self.states[n].hard_state == found.hard_state);
        matches!((log, hard_state), (Some(log), Some(hard_state)) if log <= hard_state)
            && self.bases[self.compacted..].contains(&found.base)
    }
}

/// One boot: submits batches, moves the base, installs databases and completes syncs as `script` says, until the power
/// is cut or the script ends.
fn live(machine: &mut Machine, mut store: LogStore, model: &mut Model, script: &mut ChaCha8Rng) {
    store.set_segment_bytes_max(4096);
    for _ in 0..30 {
        let done = match script.next_u32() % 20 {
            0..8 => complete(machine, &mut store, model),
            8..10 => compact(machine, &mut store, model, script),
            10 => install(machine, &mut store, model, script),
            _ => submit(machine, &mut store, model, script),
        };
        if done.is_err() {
            return;
        }
        assert!(store.durable_index() <= store.last_index());
    }
}

fn complete(machine: &mut Machine, store: &mut LogStore, model: &mut Model) -> Result<(), LogError> {
    let Some((ticket, result)) = machine.complete().map_err(|_| LogError(DiskError::Dead))? else { return Ok(()) };
    if let Some(completed) = store.synced(machine, ticket, result)? {
        model.acknowledge(completed);
    }
    Ok(())
}

fn compact(
    machine: &mut Machine,
    store: &mut LogStore,
    model: &mut Model,
    script: &mut ChaCha8Rng,
) -> Result<(), LogError> {
    let (begins, durable) = (store.base().index.0, store.durable_index().0);
    if durable <= begins {
        return Ok(());
    }
    let index = Index(begins + 1 + script.next_u64() % (durable - begins));
    let state = model.last();
    let term = state.log[(index.0 - state.start) as usize - 1].term;
    let done = store.compact(machine, Position { index, term });
    // If the power is cut meanwhile, the base may be durable all the same.
    model.bases.push(store.base());
    done
}

fn install(
    machine: &mut Machine,
    store: &mut LogStore,
    model: &mut Model,
    script: &mut ChaCha8Rng,
) -> Result<(), LogError> {
    if store.superblock().generation != model.last().generation {
        return Ok(());
    }
    let begins = store.base().index.0;
    let mut state = State { generation: model.last().generation + 1, ..model.last().clone() };
    let index = begins + script.next_u64() % (state.last() + 3 - begins);
    let chain = store.chain_at(Index(index)).filter(|_| script.next_u32().is_multiple_of(2));
    let base = Base { index: Index(index), term: Term(7), chain: chain.unwrap_or(script.next_u64()) };
    if chain.is_none() {
        (state.start, state.log) = (index, Vec::new());
    }
    model.bases.push(base);
    model.states.push(state);
    let keeps_suffix = store.install(machine, base, model.last().generation)?;
    assert_eq!(keeps_suffix, chain.is_some());
    Ok(())
}

fn submit(
    machine: &mut Machine,
    store: &mut LogStore,
    model: &mut Model,
    script: &mut ChaCha8Rng,
) -> Result<(), LogError> {
    let mut state = model.last().clone();
    let mut hard_state = None;
    if script.next_u32().is_multiple_of(3) {
        state.hard_state.term.0 += 1;
        state.hard_state.vote = Some(NodeId(script.next_u64()));
        hard_state = Some(state.hard_state);
    }
    let mut truncate_from = None;
    let first = store.base().index.0.max(1) + 1;
    if script.next_u32().is_multiple_of(3) && state.last() >= first {
        let from = first + script.next_u64() % (state.last() + 1 - first);
        state.log.truncate((from - state.start) as usize - 1);
        truncate_from = Some(Index(from));
    }
    let needed = u32::from(hard_state.is_none() && truncate_from.is_none());
    let mut append = Vec::new();
    for _ in 0..needed + script.next_u32() % 3 {
        let length = [3, 40, 600, 2000][script.next_u32() as usize % 4];
        let payload: Vec<u8> = (0..length).map(|_| script.next_u32() as u8).collect();
        append.push(entry(state.last() + 1, state.hard_state.term.0, &payload));
        state.log.push(append.last().expect("just pushed").clone());
    }
    model.states.push(state);
    let batch = Batch(model.states.len() as u64 - 1);
    store.submit(machine, batch, hard_state, truncate_from, append).map(drop)
}

/// Boots, and says what was found.
fn boot(machine: &mut Machine) -> Result<(Found, LogStore), BootError> {
    let opened = run(open(machine))?;
    assert_eq!(opened.corruption, None, "nothing was damaged");
    let (base, generation) = (opened.superblock.base, opened.superblock.generation);
    let found = Found { base, log: opened.entries, hard_state: opened.hard_state, generation };
    assert_eq!(opened.store.last_index().0, base.index.0 + found.log.len() as u64, "the log has a gap");
    Ok((found, opened.store))
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
        assert!(model.allows(&found), "{context}, boot cut at {cut_at}: found {}", found.brief());
        machine.cut();
        machine.restart();
        let again = boot(&mut machine).unwrap().0;
        assert!(again == found, "{context}, boot cut at {cut_at}: a boot took back what it read: {}", again.brief());
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
    let hard_state = HardState { term: Term(0), vote: None };
    let mut found = Found { base: Base::default(), log: vec![founding()], hard_state, generation: 0 };
    for round in 0..3 {
        let (state, store) = boot(&mut machine).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(state == found, "{context}: {} instead of {}", state.brief(), found.brief());
        machine.restart();
        machine.cut_at = (round == 1).then_some(cut_at);
        let mut model = Model::new(&state);
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
        assert!(model.allows(&found), "{context}: of {} acknowledged, found {}", model.acknowledged, found.brief());
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
