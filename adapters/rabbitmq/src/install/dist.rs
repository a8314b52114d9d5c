//! The vendor's generic-unix archive, unpacked into the cache.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use delivery_broker::{ConfigError, InstallError, leftovers};
use lzma_rust2::XzReader;
use tar::Archive;

use super::NAME;
use super::tree::{Found, broker_at};

/// Limits of what is unpacked: an archive of RabbitMQ is far below them.
const MAX_ENTRIES: u64 = 50_000;
const MAX_BYTES: u64 = 2 << 30;

/// The unpacked broker, named after the archive's content, so a changed file is unpacked again.
///
/// # Errors
/// The file cannot be read, is no .tar.xz, or holds no broker.
pub(super) fn unpack(file: &Path, cache_dir: &Path, progress: &mut dyn FnMut(&str)) -> Result<Found, InstallError> {
    let unreadable = |reason: String| ConfigError::File { path: file.to_owned(), reason };
    let key = content_key(file).map_err(|error| unreadable(error.to_string()))?;
    let dists = cache_dir.join(NAME);
    let home = dists.join(format!("dist-{key}"));
    if let Some(found) = broker_at(&home) {
        return Ok(found);
    }
    progress(&format!("unpacking {}", file.display()));
    let disk = |error: std::io::Error| InstallError::Failed {
        what: format!("unpacking {} into {}", file.display(), dists.display()),
        cause: error.to_string(),
        remedy: String::from("Make room or set VERIFY_CACHE_DIR to a directory that can be written."),
    };
    fs::create_dir_all(&dists).map_err(disk)?;
    leftovers::sweep(&dists, ".partial-");
    let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(&dists).map_err(disk)?;
    extract(file, partial.path()).map_err(unreadable)?;
    let unpacked = broker_below(partial.path())
        .ok_or_else(|| unreadable(String::from("there is no RabbitMQ in it (no directory with sbin/rabbitmq-server and plugins/rabbit-*): the vendor's archive is called rabbitmq-server-generic-unix-VERSION.tar.xz")))?;
    let renamed = fs::rename(&unpacked, &home);
    broker_at(&home).ok_or_else(|| disk(renamed.err().unwrap_or_else(|| std::io::Error::other("it is not whole"))))
}

fn content_key(file: &Path) -> std::io::Result<String> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file)?);
    let mut buffer = vec![0; 1 << 20];
    let (mut checksum, mut length) = (0, 0u64);
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(format!("{length}-{checksum:08x}"));
        }
        checksum = crc32c::crc32c_append(checksum, &buffer[..read]);
        length += read as u64;
    }
}

/// Entries that would leave the directory are refused by `unpack_in`.
fn extract(file: &Path, into: &Path) -> Result<(), String> {
    let not_an_archive = |error: std::io::Error| format!("this is no .tar.xz archive that can be unpacked: {error}");
    let opened = File::open(file).map_err(|error| error.to_string())?;
    let mut archive = Archive::new(XzReader::new(BufReader::new(opened), true));
    let (mut entries, mut bytes) = (0u64, 0u64);
    for entry in archive.entries().map_err(not_an_archive)? {
        let mut entry = entry.map_err(not_an_archive)?;
        entries += 1;
        bytes = bytes.saturating_add(entry.size());
        if entries > MAX_ENTRIES || bytes > MAX_BYTES {
            return Err(String::from("it unpacks to more than a RabbitMQ does"));
        }
        if !entry.unpack_in(into).map_err(not_an_archive)? {
            let path = entry.path().map_err(not_an_archive)?.into_owned();
            return Err(format!("its entry {} lies outside of it", path.display()));
        }
    }
    Ok(())
}

fn broker_below(directory: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find(|home| broker_at(home).is_some())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};

    use lzma_rust2::{XzOptions, XzWriter};

    use super::super::tree::tests::make_home;
    use super::unpack;

    fn archive(directory: &Path, fill: impl FnOnce(&mut tar::Builder<XzWriter<File>>)) -> PathBuf {
        let file = directory.join("archive.tar.xz");
        let writer = XzWriter::new(File::create(&file).unwrap(), XzOptions::with_preset(0)).unwrap();
        let mut builder = tar::Builder::new(writer);
        fill(&mut builder);
        builder.into_inner().unwrap().finish().unwrap();
        file
    }

    #[test]
    fn an_archive_is_unpacked_once() {
        let directory = tempfile::tempdir().unwrap();
        let (home, cache) = (directory.path().join("home"), directory.path().join("cache"));
        make_home(&home, "4.1.2");
        let file = archive(directory.path(), |tar| tar.append_dir_all("rabbitmq_server-4.1.2", &home).unwrap());
        let mut told = 0;
        let found = unpack(&file, &cache, &mut |_| told += 1).unwrap();
        assert_eq!(found.version.to_string(), "4.1.2");
        assert_eq!(unpack(&file, &cache, &mut |_| told += 1).unwrap(), found);
        assert_eq!(told, 1);
        assert_eq!(fs::read_dir(cache.join("rabbitmq")).unwrap().count(), 1, "no half-unpacked directory stays");
    }

    #[test]
    fn what_is_no_broker_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache");
        let told = |file: &Path| unpack(file, &cache, &mut |_| {}).unwrap_err().to_string();
        let other = archive(directory.path(), |tar| tar.append_dir_all("other", env!("CARGO_MANIFEST_DIR")).unwrap());
        assert!(told(&other).contains("no RabbitMQ in it"), "{}", told(&other));
        let escaping = archive(directory.path(), |tar| {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            // `append_data` would refuse a path that leaves the directory.
            header.as_gnu_mut().unwrap().name[..13].copy_from_slice(b"../../escaped");
            header.set_cksum();
            tar.append(&header, &b"x"[..]).unwrap();
        });
        assert!(told(&escaping).contains("outside"), "{}", told(&escaping));
        fs::write(directory.path().join("text"), "no archive").unwrap();
        assert!(told(&directory.path().join("text")).contains("no .tar.xz"));
        assert!(told(&directory.path().join("missing")).contains("missing"));
    }
}
