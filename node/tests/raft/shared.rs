//! Values that many states have in common.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A part of a state that most steps leave as it is: it is shared, and its hash is computed once.
#[derive(Clone, Debug)]
pub struct Shared<T> {
    value: Arc<T>,
    hash: u64,
}

impl<T: Clone + Hash> Shared<T> {
    pub fn new(value: T) -> Shared<T> {
        Shared { hash: fingerprint(&value), value: Arc::new(value) }
    }

    /// To be changed; until [`Shared::settle`], it has no hash.
    pub fn get_mut(&mut self) -> &mut T {
        self.hash = 0;
        Arc::make_mut(&mut self.value)
    }

    /// Hashes it again if it was changed.
    pub fn settle(&mut self) {
        if self.hash == 0 {
            self.hash = fingerprint(&*self.value);
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Shared<T>) -> bool {
        self.hash == other.hash && self.value == other.value
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

/// A hash that is the same in every run.
pub fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
