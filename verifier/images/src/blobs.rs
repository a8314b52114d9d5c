//! Layers in the cache, each under its digest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Of a digest: the one kind that registries must have.
const KIND: &str = "sha256:";
const HEX_LENGTH: usize = 64;

/// The directory of layers.
pub(crate) struct Blobs {
    directory: PathBuf,
}

impl Blobs {
    pub(crate) fn open(cache_dir: &Path) -> io::Result<Self> {
        let directory = cache_dir.join("images").join("sha256");
        fs::create_dir_all(&directory)?;
        Ok(Self { directory })
    }

    /// Whether a layer is there, whole.
    pub(crate) fn has(&self, digest: &str) -> io::Result<bool> {
        Ok(self.path(digest)?.is_file())
    }

    /// A layer that is there.
    pub(crate) fn file(&self, digest: &str) -> io::Result<File> {
        File::open(self.path(digest)?)
    }

    /// The part of a layer that has come, to be appended to; nobody else appends to it meanwhile.
    pub(crate) fn partial(&self, digest: &str) -> io::Result<Partial> {
        let path = self.path(digest)?;
        let partial = path.with_extension("partial");
        let file = OpenOptions::new().create(true).read(true).append(true).open(&partial)?;
        file.lock()?;
        Ok(Partial { file, partial, path, digest: digest.to_owned() })
    }

    fn path(&self, digest: &str) -> io::Result<PathBuf> {
        let hex = digest
            .strip_prefix(KIND)
            .filter(|hex| hex.len() == HEX_LENGTH && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        let hex = hex.ok_or_else(|| io::Error::other(format!("`{digest}` is no digest of the kind sha256")))?;
        Ok(self.directory.join(hex))
    }
}

/// A layer that is being downloaded.
pub(crate) struct Partial {
    file: File,
    partial: PathBuf,
    path: PathBuf,
    digest: String,
}

impl Partial {
    /// Bytes that have come.
    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(&mut self.file, bytes)
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Keeps it, where it is what its digest says; false, and nothing is kept, where it is not.
    pub(crate) fn finish(self) -> io::Result<bool> {
        if digest_of(File::open(&self.partial)?)? != self.digest {
            fs::remove_file(&self.partial)?;
            return Ok(false);
        }
        self.file.sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        Ok(true)
    }
}

/// The digest of all that can be read.
pub(crate) fn digest_of(mut from: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{KIND}{hex}"))
}

#[cfg(test)]
mod tests {
    use super::{Blobs, digest_of};

    #[test]
    fn only_what_its_digest_says_is_kept() {
        let cache = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(cache.path()).unwrap();
        let digest = digest_of(&b"abc"[..]).unwrap();
        assert_eq!(digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut partial = blobs.partial(&digest).unwrap();
        partial.append(b"ab").unwrap();
        drop(partial);
        assert!(!blobs.has(&digest).unwrap());
        let mut partial = blobs.partial(&digest).unwrap();
        assert_eq!(partial.length().unwrap(), 2);
        partial.append(b"x").unwrap();
        assert!(!partial.finish().unwrap());
        let mut partial = blobs.partial(&digest).unwrap();
        assert_eq!(partial.length().unwrap(), 0);
        partial.append(b"abc").unwrap();
        assert!(partial.finish().unwrap() && blobs.has(&digest).unwrap());
    }

    #[test]
    fn a_digest_is_no_path() {
        let cache = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(cache.path()).unwrap();
        let long = "0".repeat(63);
        for bad in ["sha256:../../x", "sha512:00", "", &format!("sha256:{long}/"), &format!("sha256:{long}G")] {
            assert!(blobs.has(bad).is_err(), "{bad}");
        }
    }
}
