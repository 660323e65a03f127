//! The search for an order in which operations on one register can have taken effect.
//!
//! Calls and returns are told in the order of time. The search keeps every state that the register may be in: its value,
//! and which of the open operations have taken effect (Lowe's just-in-time linearization). At a return the operation must
//! have taken effect in each state that is kept; when none is left, there is no such order.
//!
//! Two things keep it small. What changes nothing takes effect as soon as it fits. And of two states that differ only in
//! the operations of unknown outcome that were used up, one that used up a part of the other's is enough.

use std::collections::{BTreeMap, BTreeSet};

/// The most states that one return may be looked for in.
const STATES_MAX: usize = 50_000;

/// What an operation did, or may have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It found this value.
    Found(i64),
    /// It found something else than this value.
    FoundOther(i64),
    /// It wrote this value.
    Wrote(i64),
    /// It found the first value and wrote the second.
    Swapped(i64, i64),
}

/// There were too many orders to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GaveUp;

/// What is known of a register so far.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// The open operations. The place of one is its bit in the states.
    open: Vec<Option<Open>>,
    states: Vec<State>,
}

/// An operation that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    number: u64,
    access: Access,
    /// Whether it will return. What does not may take effect at any later time, or never.
    returns: bool,
}

/// A state that the register may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    value: i64,
    /// The open operations that have taken effect.
    done: u128,
}

impl Access {
    /// The value after it took effect; `None` where it cannot take effect.
    fn after(self, value: i64) -> Option<i64> {
        match self {
            Access::Found(found) => (found == value).then_some(value),
            Access::FoundOther(other) => (other != value).then_some(value),
            Access::Wrote(new) => Some(new),
            Access::Swapped(expected, new) => (expected == value).then_some(new),
        }
    }

    fn changes_nothing(self) -> bool {
        matches!(self, Access::Found(_) | Access::FoundOther(_))
    }
}

impl Search {
    /// A register that holds this value.
    pub(super) fn new(value: i64) -> Search {
        Search { open: Vec::new(), states: vec![State { value, done: 0 }] }
    }

    /// An operation of this number is called.
    ///
    /// # Errors
    /// If more than 128 operations are open.
    pub(super) fn call(&mut self, number: u64, access: Access, returns: bool) -> Result<(), GaveUp> {
        let open = Some(Open { number, access, returns });
        match self.open.iter().position(Option::is_none) {
            Some(place) => self.open[place] = open,
            None if self.open.len() == u128::BITS as usize => return Err(GaveUp),
            None => self.open.push(open),
        }
        let states = std::mem::take(&mut self.states);
        self.states = states.into_iter().map(|state| self.settled(state)).collect();
        Ok(())
    }

    /// An operation returns. Whether it can have taken effect by now.
    ///
    /// # Errors
    /// If there are too many orders to try.
    ///
    /// # Panics
    /// If no open operation has this number.
    pub(super) fn returns(&mut self, number: u64) -> Result<bool, GaveUp> {
        let is_it = |open: &Option<Open>| open.is_some_and(|open| open.number == number);
        let place = self.open.iter().position(is_it).expect("what returns was called");
        let states = std::mem::take(&mut self.states);
        self.states = self.with(1 << place, states)?;
        self.open[place] = None;
        Ok(!self.states.is_empty())
    }

    /// The states that follow from these and in which an operation has taken effect, without its bit.
    fn with(&self, bit: u128, states: Vec<State>) -> Result<Vec<State>, GaveUp> {
        let unknown = self.bits(|open| !open.returns);
        // Those that used up less come first, so that a state is never looked at before one that makes it needless.
        let order = |state: State| ((state.done & unknown).count_ones(), state);
        let mut waiting: BTreeSet<(u32, State)> = states.into_iter().map(order).collect();
        let mut seen: BTreeMap<State, Vec<u128>> = BTreeMap::new();
        let (mut kept, mut looked_at) = (Vec::new(), 0);
        while let Some((_, state)) = waiting.pop_first() {
            let used_up = seen.entry(State { done: state.done & !unknown, ..state }).or_default();
            if used_up.iter().any(|less| less & !state.done == 0) {
                continue;
            }
            used_up.push(state.done & unknown);
            looked_at += 1;
            if looked_at > STATES_MAX {
                return Err(GaveUp);
            }
            if state.done & bit == bit {
                kept.push(State { done: state.done & !bit, ..state });
            } else {
                waiting.extend(self.next(state).map(order));
            }
        }
        Ok(kept)
    }

    /// The states after one more operation took effect.
    fn next(&self, state: State) -> impl Iterator<Item = State> {
        let is_done = move |place: usize| state.done & (1 << place) != 0;
        let operations = self.open.iter().enumerate().filter_map(|(place, open)| Some((place, open.as_ref()?)));
        operations
            .filter(move |(place, open)| {
                // Of equal operations that never return, one is as good as another.
                let equal = |other: &Option<Open>| other.is_some_and(|o| o.access == open.access && !o.returns);
                let earlier = || (0..*place).any(|other| equal(&self.open[other]) && !is_done(other));
                !is_done(*place) && (open.returns || !earlier())
            })
            .filter_map(move |(place, open)| {
                let value = open.access.after(state.value)?;
                Some(self.settled(State { value, done: state.done | 1 << place }))
            })
    }

    /// The state after everything took effect that changes nothing and fits it.
    fn settled(&self, state: State) -> State {
        let fits = |open: &Open| open.access.changes_nothing() && open.access.after(state.value).is_some();
        State { done: state.done | self.bits(fits), ..state }
    }

    /// The bits of the open operations of some kind.
    fn bits(&self, of: impl Fn(&Open) -> bool) -> u128 {
        let places = self.open.iter().enumerate().filter(|(_, open)| open.as_ref().is_some_and(&of));
        places.fold(0, |bits, (place, _)| bits | 1 << place)
    }
}

#[cfg(test)]
mod tests {
    use super::Access::{Found, FoundOther, Swapped, Wrote};
    use super::*;

    /// Calls and returns by number: a number's first appearance calls the access at its place, the second one returns.
    fn possible(accesses: &[Access], order: &[u64]) -> bool {
        let mut search = Search::new(0);
        let mut called = BTreeSet::new();
        order.iter().all(|number| {
            let returns = order.iter().filter(|other| *other == number).count() == 2;
            if called.insert(*number) {
                search.call(*number, accesses[*number as usize], returns).unwrap();
                return true;
            }
            search.returns(*number).unwrap()
        })
    }

    #[test]
    fn one_after_the_other_there_is_one_order() {
        assert!(possible(&[Wrote(1), Found(1)], &[0, 0, 1, 1]));
        assert!(!possible(&[Wrote(1), Found(0)], &[0, 0, 1, 1]), "a stale read");
        assert!(possible(&[Swapped(0, 1), FoundOther(0)], &[0, 0, 1, 1]));
        assert!(!possible(&[Swapped(0, 1), Swapped(0, 2)], &[0, 0, 1, 1]), "both cannot have found 0");
    }

    #[test]
    fn what_overlaps_has_every_order() {
        for found in [0, 1, 2] {
            assert!(possible(&[Wrote(1), Wrote(2), Found(found)], &[0, 1, 2, 0, 1, 2]));
        }
        assert!(!possible(&[Wrote(1), Found(1), Found(0)], &[0, 1, 1, 2, 2, 0]), "new, then old");
        assert!(possible(&[Wrote(1), Found(0), Found(1)], &[0, 1, 1, 2, 2, 0]));
    }

    #[test]
    fn what_never_returns_happens_late_or_never_and_at_most_once() {
        let accesses = [Wrote(1), Found(0), Found(1), Wrote(2), Found(1)];
        assert!(possible(&accesses, &[0, 1, 1, 2, 2]));
        assert!(possible(&accesses, &[0, 1, 1]));
        assert!(!possible(&accesses, &[0, 1, 1, 2, 2, 3, 3, 4, 4]), "it took effect before the write of 2");
        let twice = [Wrote(1), Wrote(1), Found(1), Wrote(2), Found(1), Wrote(2), Found(1)];
        assert!(possible(&twice, &[0, 1, 2, 2, 3, 3, 4, 4]));
        assert!(!possible(&twice, &[0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]), "two of them cannot show three times");
    }

    #[test]
    fn many_unknown_writes_do_not_blow_it_up() {
        let mut search = Search::new(0);
        for number in 0..60 {
            search.call(number, Wrote(number as i64 % 7), false).unwrap();
        }
        for number in 100..1000 {
            let access = [Wrote(number as i64 % 5), Found((number as i64 - 1) % 5)][number as usize % 2];
            search.call(number, access, true).unwrap();
            assert_eq!(search.returns(number), Ok(true));
        }
        assert!(search.states.len() < 50, "{}", search.states.len());
    }

    #[test]
    fn too_many_open_operations_are_given_up_on() {
        let mut search = Search::new(0);
        let told: Vec<_> = (0..130).map(|number| search.call(number, Wrote(1), false)).collect();
        assert_eq!(told.iter().filter(|told| told.is_err()).count(), 2);
    }

    /// Short histories at random, judged also by trying every order.
    #[test]
    fn the_search_agrees_with_trying_every_order() {
        let mut random = 7_u64;
        let mut below = move |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let mut possible_ones = 0;
        for _ in 0..20_000 {
            let accesses: Vec<Access> = (0..7)
                .map(|_| match (below(4), below(3) as i64, below(3) as i64) {
                    (0, found, _) => Found(found),
                    (1, other, _) => FoundOther(other),
                    (2, value, _) => Wrote(value),
                    (_, expected, new) => Swapped(expected, new),
                })
                .collect();
            let mut order = Vec::new();
            let mut open: Vec<u64> = Vec::new();
            for number in 0..accesses.len() as u64 {
                order.push(number);
                open.push(number);
                while !open.is_empty() && below(2) == 0 {
                    order.push(open.swap_remove(below(open.len() as u64) as usize));
                }
            }
            let expected = some_order(&accesses, &order);
            assert_eq!(possible(&accesses, &order), expected, "{accesses:?} {order:?}");
            possible_ones += u32::from(expected);
        }
        assert!((2_000..18_000).contains(&possible_ones), "{possible_ones} of 20,000 say too little");
    }

    /// Tries every order that agrees with time; what never returns may be left out.
    fn some_order(accesses: &[Access], order: &[u64]) -> bool {
        let at = |number: u64, nth| order.iter().enumerate().filter(|(_, other)| **other == number).nth(nth);
        let called = |number: u64| at(number, 0).expect("all are called").0;
        let returned = |number: u64| at(number, 1).map_or(usize::MAX, |(at, _)| at);
        fn go(
            value: i64,
            left: &[u64],
            accesses: &[Access],
            called: &dyn Fn(u64) -> usize,
            returned: &dyn Fn(u64) -> usize,
        ) -> bool {
            if left.iter().all(|number| returned(*number) == usize::MAX) {
                return true;
            }
            left.iter().any(|&next| {
                let is_first = left.iter().all(|other| *other == next || returned(*other) > called(next));
                let rest: Vec<u64> = left.iter().copied().filter(|other| *other != next).collect();
                let after = accesses[next as usize].after(value);
                is_first && after.is_some_and(|value| go(value, &rest, accesses, called, returned))
            })
        }
        go(0, &(0..accesses.len() as u64).collect::<Vec<_>>(), accesses, &called, &returned)
    }
}
