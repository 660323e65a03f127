//! The file system: one flat directory and the files in it, each as the page cache shows it and as the device holds it.
//!
//! The directory is as volatile as the files. A creation, a renaming and a removal are pending until the directory is
//! synced, and the sync of a file does not cover its name, as POSIX has it. A rename is atomic: both names change or none.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::inode::Inode;
use super::power::Draws;

/// A file, numbered in the order of creation on its disk. A number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(pub(super) u64);

/// All files of one disk.
#[derive(Debug, Default)]
pub(super) struct Files {
    names: BTreeMap<String, FileId>,
    durable_names: BTreeMap<String, FileId>,
    /// Changes of `names` that `durable_names` does not have, oldest first.
    pending: VecDeque<Entry>,
    /// The number of the oldest pending change of the directory.
    first: u64,
    inodes: BTreeMap<FileId, Inode>,
    created: u64,
}

/// One change of the directory: these names now stand for these files, or for none. It happens as a whole or not at all.
type Entry = Vec<(String, Option<FileId>)>;

impl Files {
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }

    /// The names that are there after a loss of power that takes every change of the directory that it may.
    pub(super) fn durable_names(&self) -> impl Iterator<Item = &String> {
        self.durable_names.keys()
    }

    /// What a loss of power would leave for sure of the file that the name then stands for.
    pub(super) fn durable(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.durable_names.get(name).map(|id| self.get(*id).durable())
    }

    /// Forgets every file. Their numbers are not used again.
    pub(super) fn wipe(&mut self) {
        *self = Files { created: self.created, ..Files::default() };
    }

    pub(super) fn find(&self, name: &str) -> Option<FileId> {
        self.names.get(name).copied()
    }

    /// A name of the file, if it has one.
    pub(super) fn name_of(&self, id: FileId) -> Option<&str> {
        self.names.iter().find(|(_, of)| **of == id).map(|(name, _)| name.as_str())
    }

    /// Creates an empty file; without a name it is gone when nobody holds it open.
    pub(super) fn create(&mut self, name: Option<&str>) -> FileId {
        let id = FileId(self.created);
        self.created += 1;
        self.inodes.insert(id, Inode::default());
        if let Some(name) = name {
            self.change_names(vec![(name.to_owned(), Some(id))]);
        }
        id
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        let id = self.find(from).expect("the caller looked the name up");
        if from != to {
            self.change_names(vec![(to.to_owned(), Some(id)), (from.to_owned(), None)]);
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.change_names(vec![(name.to_owned(), None)]);
    }

    fn change_names(&mut self, entry: Entry) {
        apply(&mut self.names, entry.clone());
        self.pending.push_back(entry);
    }

    pub(super) fn get(&self, id: FileId) -> &Inode {
        self.inodes.get(&id).expect("a file with a name or an open handle exists")
    }

    pub(super) fn get_mut(&mut self, id: FileId) -> &mut Inode {
        self.inodes.get_mut(&id).expect("a file with a name or an open handle exists")
    }

    /// Makes all changes of a file below a mark durable; a file that is gone has none.
    pub(super) fn sync(&mut self, id: FileId, mark: u64) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.sync(mark);
        }
    }

    /// Forgets all changes of a file below a mark, though reads go on seeing them: what Linux does when a sync fails.
    pub(super) fn forget(&mut self, id: FileId, mark: u64) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.forget(mark);
        }
    }

    /// The number that the directory's next change will have.
    pub(super) fn directory_mark(&self) -> u64 {
        self.first + self.pending.len() as u64
    }

    /// Makes all changes of the directory below a mark durable.
    pub(super) fn sync_directory(&mut self, mark: u64) {
        let count = mark.saturating_sub(self.first).min(self.pending.len() as u64);
        for entry in self.pending.drain(..count as usize) {
            apply(&mut self.durable_names, entry);
        }
        self.first += count;
        self.drop_unreachable();
    }

    /// Whether a loss of power would have something to decide.
    pub(super) fn are_undecided(&self) -> bool {
        !self.pending.is_empty() || self.inodes.values().any(Inode::is_undecided)
    }

    /// Decides every pending change of every file and of the directory; then the page cache is what the device holds.
    pub(super) fn cut_power(&mut self, draws: &mut Draws) {
        for inode in self.inodes.values_mut() {
            inode.cut_power(|sectors| draws.change(sectors));
        }
        self.first = self.directory_mark();
        for entry in self.pending.drain(..) {
            if draws.entry() {
                apply(&mut self.durable_names, entry);
            }
        }
        self.names.clone_from(&self.durable_names);
        self.drop_unreachable();
    }

    /// All handles are closed at once: the process that held them ended.
    pub(super) fn close_all(&mut self) {
        self.inodes.values_mut().for_each(|inode| inode.open = 0);
        self.drop_unreachable();
    }

    /// Drops files that no name stands for, now or after any power cut, and that nobody holds open.
    pub(super) fn drop_unreachable(&mut self) {
        let pending = self.pending.iter().flatten().filter_map(|(_, id)| id.as_ref());
        let reachable: BTreeSet<FileId> =
            self.names.values().chain(self.durable_names.values()).chain(pending).copied().collect();
        self.inodes.retain(|id, inode| inode.open > 0 || reachable.contains(id));
    }
}

fn apply(names: &mut BTreeMap<String, FileId>, entry: Entry) {
    for (name, id) in entry {
        match id {
            Some(id) => names.insert(name, id),
            None => names.remove(&name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_when_no_name_can_stand_for_it_again_and_nobody_holds_it() {
        let mut files = Files::default();
        let named = files.create(Some("log"));
        files.sync_directory(files.directory_mark());
        files.remove("log");
        files.drop_unreachable();
        assert!(files.inodes.contains_key(&named), "a power cut may undo the removal");
        files.get_mut(named).open = 1;
        files.sync_directory(files.directory_mark());
        assert!(files.inodes.contains_key(&named), "a handle holds it");
        files.close_all();
        assert!(files.inodes.is_empty());
    }
}
