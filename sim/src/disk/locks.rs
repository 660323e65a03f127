//! SQLite's locks on a database file, among the connections of one boot (<https://sqlite.org/lockingv3.html>).

use rusqlite::ffi;

/// How much a connection may do with a database file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    #[default]
    None,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

impl Level {
    /// SQLite's number for it; what is no level counts as the highest.
    pub(super) fn of(code: i32) -> Level {
        match code {
            ffi::SQLITE_LOCK_NONE => Level::None,
            ffi::SQLITE_LOCK_SHARED => Level::Shared,
            ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
            ffi::SQLITE_LOCK_PENDING => Level::Pending,
            _ => Level::Exclusive,
        }
    }
}

/// The locks on one file.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// How many handles hold a shared lock or more.
    shared: u32,
    /// The handle that holds more than a shared lock.
    writer: Option<u64>,
    /// Whether the writer waits for the readers to go, or they are gone: no new one comes in.
    closed: bool,
}

/// Another connection is in the way; SQLite calls its busy handler.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Busy;

impl Locks {
    /// Raises the level of a handle. On [`Busy`] it may have become [`Level::Pending`].
    pub(super) fn raise(&mut self, handle: u64, level: &mut Level, to: Level) -> Result<(), Busy> {
        if to <= *level {
            return Ok(());
        }
        if *level == Level::None {
            if self.closed {
                return Err(Busy);
            }
            self.shared += 1;
            *level = Level::Shared;
        }
        if to == Level::Shared {
            return Ok(());
        }
        if self.writer.is_some_and(|writer| writer != handle) {
            return Err(Busy);
        }
        self.writer = Some(handle);
        if to == Level::Reserved {
            *level = to;
            return Ok(());
        }
        self.closed = true;
        *level = Level::Pending;
        if self.shared > 1 {
            return Err(Busy);
        }
        *level = Level::Exclusive;
        Ok(())
    }

    /// Lowers the level of a handle to shared or none.
    pub(super) fn lower(&mut self, handle: u64, level: &mut Level, to: Level) {
        if to >= *level {
            return;
        }
        if self.writer == Some(handle) {
            self.writer = None;
            self.closed = false;
        }
        if to == Level::None {
            self.shared -= 1;
        }
        *level = to;
    }

    /// Whether some connection is about to write.
    pub(super) fn reserved(&self) -> bool {
        self.writer.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_waits_for_readers_and_keeps_new_ones_out() {
        let mut locks = Locks::default();
        let (mut reader, mut writer, mut late) = (Level::None, Level::None, Level::None);
        locks.raise(1, &mut reader, Level::Shared).unwrap();
        locks.raise(2, &mut writer, Level::Shared).unwrap();
        locks.raise(2, &mut writer, Level::Reserved).unwrap();
        assert!(locks.reserved());
        assert_eq!(locks.raise(1, &mut reader, Level::Reserved), Err(Busy), "one writer at a time");
        assert_eq!(locks.raise(2, &mut writer, Level::Exclusive), Err(Busy), "a reader is left");
        assert_eq!(locks.raise(3, &mut late, Level::Shared), Err(Busy), "no new reader while a writer waits");
        locks.lower(1, &mut reader, Level::None);
        locks.raise(2, &mut writer, Level::Exclusive).unwrap();
        locks.lower(2, &mut writer, Level::None);
        locks.raise(3, &mut late, Level::Exclusive).unwrap();
    }
}
