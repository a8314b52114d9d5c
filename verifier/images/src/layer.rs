//! One layer, laid over what lies below it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use crate::tree::Tree;

/// `.wh.NAME` takes NAME of the layers below away; the other one all that a directory holds of them.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// More than any image has: what goes beyond is made to fill the disk.
const MAX_ENTRIES: usize = 5_000_000;
const MAX_BYTES: u64 = 32 << 30;

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// By the media type of a layer, the OCI's or Docker's; nothing for one that is no file tree.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.oci.image.layer.v1.tar" | "application/vnd.docker.image.rootfs.diff.tar" => {
                Some(Self::Plain)
            }
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Some(Self::Gzip),
            "application/vnd.oci.image.layer.v1.tar+zstd" | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {
                Some(Self::Zstd)
            }
            _ => None,
        }
    }
}

/// Lays it over the tree.
///
/// # Errors
/// It is broken, has an entry that would leave the tree, is larger than any image, or the disk is full.
pub(crate) fn apply(file: File, packing: Packing, tree: &Tree) -> io::Result<()> {
    let file = BufReader::new(file);
    match packing {
        Packing::Plain => lay(file, tree),
        Packing::Gzip => lay(MultiGzDecoder::new(file), tree),
        Packing::Zstd => lay(zstd::stream::read::Decoder::new(file)?, tree),
    }
}

/// Lays an unpacked layer over the tree.
fn lay(from: impl Read, tree: &Tree) -> io::Result<()> {
    let mut own = HashSet::new();
    let mut archive = Archive::new(from.take(MAX_BYTES));
    for entry in archive.entries()? {
        let mut entry = entry?;
        // The same entry may be called `etc`, `./etc` or `/etc`.
        let path: PathBuf =
            entry.path()?.components().filter(|part| !matches!(part, Component::CurDir | Component::RootDir)).collect();
        if own.len() >= MAX_ENTRIES {
            return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        if name == OPAQUE {
            take_away_below(tree, path.parent().unwrap_or(Path::new("")), &own)?;
        } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            tree.remove(&path.with_file_name(OsStr::from_bytes(hidden)))?;
        } else {
            put(&mut entry, &path, tree)?;
            own.extend(path.ancestors().map(Path::to_owned));
        }
    }
    Ok(())
}

/// Takes away what lower layers put into a directory; what this one put there stays, whichever comes first.
fn take_away_below(tree: &Tree, directory: &Path, own: &HashSet<PathBuf>) -> io::Result<()> {
    for name in tree.names(directory)? {
        let path = directory.join(name);
        if !own.contains(&path) {
            tree.remove(&path)?;
        } else if tree.is_directory(&path)? {
            take_away_below(tree, &path, own)?;
        }
    }
    Ok(())
}

fn put(entry: &mut Entry<'_, impl Read>, path: &Path, tree: &Tree) -> io::Result<()> {
    let mode = entry.header().mode()?;
    let target = |entry: &Entry<'_, _>| {
        let target = entry.link_name()?.map(std::borrow::Cow::into_owned);
        target.ok_or_else(|| io::Error::other(format!("`{}` is a link to nothing", path.display())))
    };
    match entry.header().entry_type() {
        EntryType::Directory => tree.directory(path, mode),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            io::copy(entry, &mut tree.file(path, mode)?).map(drop)
        }
        EntryType::Symlink => tree.link(path, &target(entry)?),
        EntryType::Link => tree.hard_link(path, &target(entry)?),
        // Devices come from the machine; nothing of what else there is serves a broker.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use tar::{Builder, EntryType, Header};

    use super::{Packing, apply, lay};
    use crate::tree::Tree;

    fn layer(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut archive = Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(if *kind == EntryType::Directory { 0o755 } else { 0o644 });
            let links = matches!(kind, EntryType::Symlink | EntryType::Link);
            if links {
                header.set_link_name(content).unwrap();
            }
            let body = if links { "" } else { *content };
            header.set_size(body.len() as u64);
            // Not `append_data`: it refuses the very paths that are tried here.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            archive.append(&header, body.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    const FILE: EntryType = EntryType::Regular;
    const DIR: EntryType = EntryType::Directory;

    fn listed(root: &Path) -> Vec<String> {
        let mut left = vec![root.to_owned()];
        let mut found = Vec::new();
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.strip_prefix(root).unwrap().display().to_string());
                if path.symlink_metadata().unwrap().is_dir() {
                    left.push(path);
                }
            }
        }
        found.sort();
        found
    }

    fn laid(layers: &[&[(&str, EntryType, &str)]]) -> (tempfile::TempDir, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        for entries in layers {
            lay(&layer(entries)[..], &tree).unwrap();
        }
        let found = listed(directory.path());
        (directory, found)
    }

    #[test]
    fn a_whiteout_takes_away_what_is_below() {
        let below: &[_] =
            &[("a/", DIR, ""), ("a/x", FILE, "1"), ("a/y", FILE, "1"), ("b/", DIR, ""), ("b/z", FILE, "1")];
        let above: &[_] = &[("./a/.wh.x", FILE, ""), (".wh.b", FILE, ""), ("gone/.wh.there", FILE, "")];
        assert_eq!(laid(&[below, above]).1, ["a", "a/y"]);
    }

    #[test]
    fn an_opaque_directory_holds_its_own_only_wherever_the_mark_stands() {
        let below: &[_] = &[("a/", DIR, ""), ("a/x", FILE, "1"), ("a/sub/", DIR, ""), ("a/sub/old", FILE, "1")];
        let first: &[_] =
            &[("a/.wh..wh..opq", FILE, ""), ("a/", DIR, ""), ("a/sub/", DIR, ""), ("a/sub/new", FILE, "2")];
        let last: &[_] =
            &[("a/", DIR, ""), ("a/sub/", DIR, ""), ("a/sub/new", FILE, "2"), ("a/.wh..wh..opq", FILE, "")];
        for above in [first, last] {
            assert_eq!(laid(&[below, above]).1, ["a", "a/sub", "a/sub/new"]);
        }
    }

    #[test]
    fn kinds_change_from_layer_to_layer() {
        let below: &[_] = &[("d/", DIR, ""), ("d/x", FILE, "1"), ("f", FILE, "1"), ("l", EntryType::Symlink, "f")];
        let above: &[_] =
            &[("d", FILE, "2"), ("f/", DIR, ""), ("f/y", FILE, "2"), ("l", FILE, "2"), ("h", EntryType::Link, "d")];
        let (directory, found) = laid(&[below, above]);
        assert_eq!(found, ["d", "f", "f/y", "h", "l"]);
        assert_eq!(fs::read_to_string(directory.path().join("h")).unwrap(), "2");
    }

    #[test]
    fn files_go_through_links_of_lower_layers_and_never_out() {
        let below: &[_] =
            &[("usr/lib/", DIR, ""), ("lib", EntryType::Symlink, "/usr/lib"), ("up", EntryType::Symlink, "../..")];
        let above: &[_] = &[("lib/x", FILE, "1"), ("up/y", FILE, "1")];
        assert_eq!(laid(&[below, above]).1, ["lib", "up", "usr", "usr/lib", "usr/lib/x", "y"]);
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        assert!(lay(&layer(&[("a/../../x", FILE, "1")])[..], &tree).is_err());
    }

    #[test]
    fn every_packing_is_unpacked() {
        let plain = layer(&[("x", FILE, "text")]);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&plain).unwrap();
        let packed = [
            ("application/vnd.oci.image.layer.v1.tar", plain.clone()),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", gzip.finish().unwrap()),
            ("application/vnd.oci.image.layer.v1.tar+zstd", zstd::encode_all(&plain[..], 1).unwrap()),
        ];
        for (media_type, bytes) in packed {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("layer");
            fs::write(&file, bytes).unwrap();
            let root = directory.path().join("root");
            fs::create_dir(&root).unwrap();
            let packing = Packing::of(media_type).unwrap();
            apply(fs::File::open(&file).unwrap(), packing, &Tree::open(&root).unwrap()).unwrap();
            assert_eq!(fs::read_to_string(root.join("x")).unwrap(), "text");
        }
        assert_eq!(Packing::of("application/vnd.oci.image.config.v1+json"), None);
    }

    proptest! {
        #[test]
        fn whatever_a_layer_holds_nothing_outside_changes(
            entries in prop::collection::vec(("[ab./]{1,8}", 0usize..5, "[ab./]{0,8}"), 1..12),
        ) {
            let outer = tempfile::tempdir().unwrap();
            let root = outer.path().join("a/b/tree");
            fs::create_dir_all(&root).unwrap();
            fs::write(outer.path().join("a/a"), "kept").unwrap();
            let kinds = [FILE, DIR, EntryType::Symlink, EntryType::Link, FILE];
            let entries: Vec<_> = entries.iter().map(|(path, kind, content)| {
                (if *kind == 4 { format!("{path}/.wh.a") } else { path.clone() }, kinds[*kind], content.clone())
            }).collect();
            let borrowed: Vec<_> = entries.iter().map(|(path, kind, content)| (&path[..], *kind, &content[..])).collect();
            let linked = borrowed.iter().filter(|(_, kind, content)| *kind == FILE || *kind == DIR || !content.is_empty());
            let _ = lay(&layer(&linked.copied().collect::<Vec<_>>())[..], &Tree::open(&root).unwrap());
            let outside: Vec<String> = listed(outer.path()).into_iter().filter(|path| !path.starts_with("a/b/tree/")).collect();
            prop_assert_eq!(outside, ["a", "a/a", "a/b", "a/b/tree"]);
            prop_assert_eq!(fs::read_to_string(outer.path().join("a/a")).unwrap(), "kept");
        }
    }
}
