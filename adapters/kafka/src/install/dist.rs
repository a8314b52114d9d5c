//! The vendor's archive, unpacked into the cache.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use delivery_broker::{ConfigError, InstallError};
use flate2::read::GzDecoder;
use tar::Archive;

use super::jars;
use delivery_broker::leftovers;

/// Limits of what is unpacked: an archive of Apache Kafka is far below them.
const MAX_ENTRIES: u64 = 50_000;
const MAX_BYTES: u64 = 4 << 30;

/// The unpacked distribution, named after the archive's content, so a changed file is unpacked again.
///
/// # Errors
/// The file cannot be read, is no .tgz, or holds no distribution of Apache Kafka.
pub(super) fn unpack(file: &Path, cache_dir: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf, InstallError> {
    let unreadable = |reason: String| ConfigError::File { path: file.to_owned(), reason };
    let key = content_key(file).map_err(|error| unreadable(error.to_string()))?;
    let dists = cache_dir.join("kafka");
    let home = dists.join(format!("dist-{key}"));
    if jars::version_in(&home.join("libs")).is_some() {
        return Ok(home);
    }
    progress(&format!("unpacking {}", file.display()));
    let disk = |error: std::io::Error| InstallError::Failed {
        what: format!("unpacking {} into {}", file.display(), dists.display()),
        cause: error.to_string(),
        remedy: String::from("Make room or set VERIFY_CACHE_DIR to a directory that can be written."),
    };
    std::fs::create_dir_all(&dists).map_err(disk)?;
    leftovers::sweep(&dists, ".partial-");
    let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(&dists).map_err(disk)?;
    extract(file, partial.path()).map_err(unreadable)?;
    let unpacked = distribution_in(partial.path())
        .ok_or_else(|| unreadable(String::from("there is no directory with libs/kafka_2.*.jar in it")))?;
    match std::fs::rename(&unpacked, &home) {
        Err(error) if jars::version_in(&home.join("libs")).is_none() => Err(disk(error)),
        _ => Ok(home),
    }
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

/// Entries that would leave the directory are refused by `unpack_in`; the documentation is left out.
fn extract(file: &Path, into: &Path) -> Result<(), String> {
    let not_an_archive = |error: std::io::Error| format!("this is no .tgz archive that can be unpacked: {error}");
    let opened = File::open(file).map_err(|error| error.to_string())?;
    let mut archive = Archive::new(GzDecoder::new(BufReader::new(opened)));
    let (mut entries, mut bytes) = (0u64, 0u64);
    for entry in archive.entries().map_err(not_an_archive)? {
        let mut entry = entry.map_err(not_an_archive)?;
        entries += 1;
        bytes = bytes.saturating_add(entry.size());
        if entries > MAX_ENTRIES || bytes > MAX_BYTES {
            return Err(String::from("it unpacks to more than a distribution of Apache Kafka does"));
        }
        let path = entry.path().map_err(not_an_archive)?.into_owned();
        if path.components().nth(1).is_some_and(|part| part.as_os_str() == "site-docs") {
            continue;
        }
        let inside = entry.unpack_in(into).map_err(not_an_archive)?;
        if !inside {
            return Err(format!("its entry {} lies outside of it", path.display()));
        }
    }
    Ok(())
}

fn distribution_in(directory: &Path) -> Option<PathBuf> {
    let holds_broker = |home: &PathBuf| jars::version_in(&home.join("libs")).is_some();
    let entries = std::fs::read_dir(directory).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find(holds_broker)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::unpack;

    fn archive(directory: &Path, entries: &[&str]) -> PathBuf {
        let file = directory.join("kafka.tgz");
        let mut builder = tar::Builder::new(GzEncoder::new(std::fs::File::create(&file).unwrap(), Compression::fast()));
        for path in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(1);
            header.set_mode(0o644);
            // `append_data` would refuse a path that leaves the directory.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, &b"x"[..]).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap();
        file
    }

    #[test]
    fn an_archive_is_unpacked_once() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache");
        let file =
            archive(directory.path(), &["kafka_2.13-4.1.1/libs/kafka_2.13-4.1.1.jar", "kafka_2.13-4.1.1/site-docs/a"]);
        let mut told = 0;
        let home = unpack(&file, &cache, &mut |_| told += 1).unwrap();
        assert!(home.join("libs/kafka_2.13-4.1.1.jar").is_file());
        assert!(!home.join("site-docs").exists());
        assert_eq!(unpack(&file, &cache, &mut |_| told += 1).unwrap(), home);
        assert_eq!(told, 1);
        let left: Vec<_> = std::fs::read_dir(cache.join("kafka")).unwrap().collect();
        assert_eq!(left.len(), 1, "no half-unpacked directory stays");
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache");
        let file = archive(directory.path(), &["other/readme"]);
        assert!(unpack(&file, &cache, &mut |_| {}).unwrap_err().to_string().contains("libs/kafka_2"));
        std::fs::write(&file, b"not gzip").unwrap();
        assert!(unpack(&file, &cache, &mut |_| {}).unwrap_err().to_string().contains("no .tgz"));
        let missing = directory.path().join("missing.tgz");
        assert!(unpack(&missing, &cache, &mut |_| {}).unwrap_err().to_string().contains("missing.tgz"));
    }

    #[test]
    fn an_entry_outside_of_the_archive_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache");
        let file = archive(directory.path(), &["../../escaped"]);
        assert!(unpack(&file, &cache, &mut |_| {}).unwrap_err().to_string().contains("outside"));
        assert!(!directory.path().join("escaped").exists());
    }
}
