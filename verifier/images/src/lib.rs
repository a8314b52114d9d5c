//! Pulls images from registries, and unpacks them into root file systems: without an engine, and without root.
//!
//! The format is that of the OCI (image-spec, distribution-spec 1.1). Layers are kept in the cache under their digest,
//! checked before they are unpacked, and shared by all images that have them; a download that broke off goes on where it was.

mod blobs;
mod layer;
mod name;
mod registry;
mod tree;

use std::fs;
use std::io;
use std::path::Path;

use delivery_broker::{ConfigError, InstallError};

pub use name::{ImageName, directory_name};

use blobs::Blobs;
use tree::Tree;

/// In the tree: which image it was made from.
pub const PROVENANCE_FILE: &str = ".delivery-verifier-image";

/// Unpacks the image into `tree`, which is made; layers are kept in `cache_dir`. Whose files they are, and which run as
/// whom, is not taken over: all belong to whoever unpacks them.
///
/// # Errors
/// The image is not there or not permitted, the registry cannot be reached, what came is not what its digest says, or
/// the disk is full. Nothing is left but layers that are whole, and the beginning of one that is not.
pub fn unpack(
    name: &ImageName,
    cache_dir: &Path,
    tree: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<(), InstallError> {
    let disk = |error: io::Error| disk_error(tree, &error);
    let blobs = Blobs::open(cache_dir).map_err(|error| disk_error(cache_dir, &error))?;
    let image = registry::pull(name, &blobs, progress)?;
    fs::create_dir_all(tree).map_err(disk)?;
    let root = Tree::open(tree).map_err(disk)?;
    for (index, layer) in image.layers.iter().enumerate() {
        progress(&format!("unpacking layer {} of {}", index + 1, image.layers.len()));
        let file = blobs.file(&layer.digest).map_err(disk)?;
        layer::apply(file, layer.packing, &root).map_err(|error| InstallError::Failed {
            what: format!("unpacking layer {} of {}", layer.digest, name),
            cause: error.to_string(),
            remedy: format!("Make room, or take another image; the layer is kept in {}.", cache_dir.display()),
        })?;
    }
    fs::write(tree.join(PROVENANCE_FILE), format!("{name}@{}\n", image.digest)).map_err(disk)?;
    finish(&root, tree).map_err(disk)
}

/// Names are looked up in files: there is no name server in a run.
fn finish(root: &Tree, tree: &Path) -> io::Result<()> {
    root.directory(Path::new("etc"), 0o755)?;
    if root.is_absent(Path::new("etc/nsswitch.conf"))? {
        fs::write(tree.join("etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n")?;
    }
    Ok(())
}

/// The image's name as typed.
///
/// # Errors
/// It is none.
pub fn parse(typed: &str) -> Result<ImageName, ConfigError> {
    name::parse(typed)
}

fn disk_error(place: &Path, error: &io::Error) -> InstallError {
    InstallError::Failed {
        what: format!("writing to {}", place.display()),
        cause: error.to_string(),
        remedy: String::from("Make room or set VERIFY_CACHE_DIR to a directory that can be written."),
    }
}
