//! Files by the numbers the kernel knows them by.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Number of the root.
pub(super) const ROOT: u64 = 1;
/// Deepest path that is followed: a tree of real directories has no deeper one, whatever else went wrong.
const DEPTH_LIMIT: usize = 4_096;

/// A file or directory.
#[derive(Debug, Default)]
struct Entry {
    /// Directory and name; none once the last was removed.
    names: Vec<(u64, OsString)>,
    /// Its number below.
    below: u64,
    /// How often the kernel was told of it and has not forgotten it.
    lookups: u64,
}

/// Everything that was looked up.
#[derive(Debug)]
pub(super) struct Tree {
    entries: BTreeMap<u64, Entry>,
    by_name: HashMap<(u64, OsString), u64>,
    by_below: HashMap<u64, u64>,
    next: u64,
}

impl Tree {
    /// Only the root.
    pub(super) fn new() -> Self {
        let root = Entry { lookups: 1, ..Entry::default() };
        Self {
            entries: BTreeMap::from([(ROOT, root)]),
            by_name: HashMap::new(),
            by_below: HashMap::new(),
            next: ROOT + 1,
        }
    }

    /// Every number in use.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.entries.keys().copied().collect()
    }

    /// The number of what stands under `name`, number `below` in the directory below. Numbers are never used again, so
    /// nothing the kernel remembers of a removed file is taken for another's.
    pub(super) fn number(&mut self, parent: u64, name: &OsStr, below: u64) -> u64 {
        let key = (parent, name.to_owned());
        let known = self.by_below.get(&below).copied();
        if let Some(number) = known.filter(|number| self.by_name.get(&key) == Some(number)) {
            return number;
        }
        self.remove(parent, name);
        let number = known.unwrap_or_else(|| {
            self.next += 1;
            self.by_below.insert(below, self.next);
            self.next
        });
        let entry = self.entries.entry(number).or_default();
        entry.below = below;
        entry.names.push(key.clone());
        self.by_name.insert(key, number);
        number
    }

    /// The kernel was told of it.
    pub(super) fn told(&mut self, number: u64) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.lookups += 1;
        }
    }

    /// The kernel has forgotten it `count` times. What has a name stays.
    pub(super) fn forgotten(&mut self, number: u64, count: u64) {
        let Some(entry) = self.entries.get_mut(&number) else { return };
        entry.lookups = entry.lookups.saturating_sub(count);
        if number != ROOT && entry.lookups == 0 && entry.names.is_empty() {
            self.entries.remove(&number);
        }
    }

    /// A name was removed. Returns the number of what has no name left by that.
    pub(super) fn remove(&mut self, parent: u64, name: &OsStr) -> Option<u64> {
        let key = (parent, name.to_owned());
        let number = self.by_name.remove(&key)?;
        let entry = self.entries.get_mut(&number)?;
        entry.names.retain(|one| *one != key);
        if !entry.names.is_empty() {
            return None;
        }
        if self.by_below.get(&entry.below) == Some(&number) {
            self.by_below.remove(&entry.below);
        }
        if entry.lookups == 0 {
            self.entries.remove(&number);
        }
        Some(number)
    }

    /// A name was changed. Returns the number of what stood under the new one and has no name left.
    pub(super) fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> Option<u64> {
        let (old, new) = ((from.0, from.1.to_owned()), (to.0, to.1.to_owned()));
        if old == new {
            return None;
        }
        let replaced = self.remove(to.0, to.1);
        if let Some(number) = self.by_name.remove(&old) {
            if let Some(entry) = self.entries.get_mut(&number) {
                entry.names.retain(|one| *one != old);
                entry.names.push(new.clone());
            }
            self.by_name.insert(new, number);
        }
        replaced
    }

    /// Where it is below the root `base`; nothing for what has no name left.
    pub(super) fn path(&self, base: &Path, number: u64) -> Option<PathBuf> {
        let mut parts: Vec<&OsStr> = Vec::new();
        let mut at = number;
        while at != ROOT {
            let (parent, name) = self.entries.get(&at)?.names.first()?;
            parts.push(name);
            at = *parent;
            if parts.len() > DEPTH_LIMIT {
                return None;
            }
        }
        let mut path = base.to_owned();
        path.extend(parts.iter().rev());
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tree: &Tree, number: u64) -> Option<PathBuf> {
        tree.path(Path::new("/b"), number)
    }

    #[test]
    fn a_renamed_directory_takes_what_it_holds_along() {
        let mut tree = Tree::new();
        let directory = tree.number(ROOT, OsStr::new("d"), 50);
        let file = tree.number(directory, OsStr::new("f"), 51);
        assert_eq!(tree.number(directory, OsStr::new("f"), 51), file);
        tree.rename((ROOT, OsStr::new("d")), (ROOT, OsStr::new("e")));
        assert_eq!(at(&tree, file), Some(PathBuf::from("/b/e/f")));
    }

    #[test]
    fn a_removed_file_lives_until_it_is_forgotten_and_its_number_is_not_used_again() {
        let mut tree = Tree::new();
        let file = tree.number(ROOT, OsStr::new("f"), 50);
        tree.told(file);
        assert_eq!(tree.remove(ROOT, OsStr::new("f")), Some(file));
        assert_eq!(at(&tree, file), None);
        let next = tree.number(ROOT, OsStr::new("f"), 50);
        assert_ne!(next, file, "the file system below uses numbers again");
        tree.forgotten(file, 1);
        assert_eq!(tree.numbers(), [ROOT, next]);
    }

    #[test]
    fn what_is_replaced_by_a_rename_has_no_name_left_unless_it_had_two() {
        let mut tree = Tree::new();
        let old = tree.number(ROOT, OsStr::new("a"), 50);
        let new = tree.number(ROOT, OsStr::new("b"), 51);
        assert_eq!(tree.number(ROOT, OsStr::new("link"), 50), old);
        assert_eq!(tree.rename((ROOT, OsStr::new("b")), (ROOT, OsStr::new("a"))), None);
        assert_eq!(at(&tree, old), Some(PathBuf::from("/b/link")));
        assert_eq!(at(&tree, new), Some(PathBuf::from("/b/a")));
        assert_eq!(tree.rename((ROOT, OsStr::new("a")), (ROOT, OsStr::new("link"))), Some(old));
    }
}
