//! What the results of statements depend on besides the log: SQLite's version, how it was built, and what this crate makes of
//! it. Two nodes that differ in any of it may come to differ in their tables, so they do not apply each other's entries.
//!
//! The fingerprint stands in every message between nodes and in every database. A message of another one is dropped; a
//! database of another one is not opened.

use std::ffi::CStr;
use std::sync::OnceLock;

use rusqlite::ffi;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

/// What this crate makes of SQLite: to be raised whenever a statement may have another result, another error or another
/// effect than before, and with every change of the digest.
const SEMANTICS: u32 = 2;

// Older ones may corrupt a database in WAL mode: https://sqlite.org/wal.html#walresetbug
const _: () = assert!(ffi::SQLITE_VERSION_NUMBER >= 3_051_003, "SQLite 3.51.3 or newer is needed");

/// A fingerprint, as eight bytes wherever it is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 8]);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// That of this build.
///
/// # Panics
/// If the SQLite that the program was linked with is not the one that it was compiled for.
pub fn fingerprint() -> Fingerprint {
    static FINGERPRINT: OnceLock<Fingerprint> = OnceLock::new();
    *FINGERPRINT.get_or_init(|| {
        // SAFETY: the function takes nothing and returns a number.
        let linked = unsafe { ffi::sqlite3_libversion_number() };
        assert_eq!(
            linked,
            ffi::SQLITE_VERSION_NUMBER,
            "the program was compiled for one SQLite and linked with another"
        );
        let mut hash = Xxh3Default::new();
        hash.update(&SEMANTICS.to_le_bytes());
        // SAFETY: the function takes nothing and returns a string that never changes.
        hash.update(unsafe { CStr::from_ptr(ffi::sqlite3_sourceid()) }.to_bytes());
        for option in compile_options() {
            hash.update(option.as_bytes());
            hash.update(b"\0");
        }
        Fingerprint(hash.digest().to_le_bytes())
    })
}

/// The options that SQLite was compiled with, but for the compiler's name.
fn compile_options() -> Vec<String> {
    let option = |number| {
        // SAFETY: SQLite returns a string that never changes, or null behind the last one.
        let text = unsafe { ffi::sqlite3_compileoption_get(number) };
        // SAFETY: it is not null, so it is that string.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    };
    (0..).map_while(option).filter(|option| !option.starts_with("COMPILER=")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_that_change_results_are_part_of_it() {
        let options = compile_options();
        for expected in ["ENABLE_PREUPDATE_HOOK", "DEFAULT_FOREIGN_KEYS", "ENABLE_API_ARMOR"] {
            assert!(options.iter().any(|option| option.starts_with(expected)), "{expected} is not among {options:?}");
        }
        assert_eq!(fingerprint(), fingerprint());
    }
}
