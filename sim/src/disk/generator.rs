//! SQLite's own random generator, which all connections of a process share.
//!
//! A node must not depend on it. To see that none does, and to keep a run from depending on what ran before it in this
//! process, the world seeds it whenever another node runs, differently for each.

use rusqlite::ffi;

/// Seeds the generator.
pub fn reseed_sqlite(seed: u64) {
    // Zero would mean that the generator seeds itself from the operating system.
    let seed = (seed as u32 | 1) as i32;
    // SAFETY: SQLITE_TESTCTRL_PRNG_SEED takes an int and a connection, which may be null; it sets a number that the next
    // initialisation of the generator reads. sqlite3_randomness(0, null) writes nothing and asks for that initialisation.
    unsafe {
        ffi::sqlite3_test_control(ffi::SQLITE_TESTCTRL_PRNG_SEED, seed, std::ptr::null_mut::<ffi::sqlite3>());
        ffi::sqlite3_randomness(0, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::reseed_sqlite;

    fn draw(seed: u64) -> i64 {
        reseed_sqlite(seed);
        let connection = Connection::open_in_memory().expect("memory is enough");
        connection.query_row("SELECT random()", [], |row| row.get(0)).expect("SQLite draws a number")
    }

    #[test]
    fn the_generator_follows_its_seed() {
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(9));
    }
}
