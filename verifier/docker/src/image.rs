//! Images: their names, whether they are there, and the one that hosts are made of.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures::StreamExt;
use testcontainers::bollard::body_full;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerRequest, GenericImage};

use crate::engine::Engine;
use crate::error::EngineError;

/// The image that hosts are made of, but for its tag.
const HOST_IMAGE: &str = "delivery-verifier-host";
/// Where programs are looked for beside the PATH: a plain user's often lacks them.
const SYSTEM_DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
/// Directories that every container needs.
const DIRECTORIES: [&str; 6] = ["dev", "etc", "proc", "run", "sys", "tmp"];

/// The name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// Up to the last colon.
    pub name: String,
    /// After it.
    pub tag: String,
}

impl ImageName {
    /// Reads NAME[:TAG] or NAME@DIGEST.
    ///
    /// # Errors
    /// When it can be neither.
    pub fn parse(text: &str, default_tag: &str) -> Result<Self, EngineError> {
        let bad = || EngineError::BadImage { image: text.to_owned() };
        let slash = text.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match text[slash..].rfind(':') {
            Some(colon) => (&text[..slash + colon], &text[slash + colon + 1..]),
            None => (text, default_tag),
        };
        let fits = |part: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
            part.starts_with(|first: char| first.is_ascii_alphanumeric()) && part.bytes().all(allowed)
        };
        if !fits(name) || !fits(tag) || tag.contains(['/', ':', '@']) || name.ends_with('/') {
            return Err(bad());
        }
        Ok(Self { name: name.to_owned(), tag: tag.to_owned() })
    }

    /// Its definition.
    pub(crate) fn definition(&self) -> GenericImage {
        GenericImage::new(self.name.as_str(), self.tag.as_str())
    }
}

impl std::fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.name, self.tag)
    }
}

/// Pulls an image where it is not there.
///
/// # Errors
/// When it cannot be pulled.
pub fn ensure(engine: &Engine, image: &ImageName, progress: &mut dyn FnMut(&str)) -> Result<(), EngineError> {
    let text = image.to_string();
    if engine.wait(engine.docker().inspect_image(&text)).is_ok() {
        return Ok(());
    }
    progress(&format!("pulling the image {text}"));
    let request: ContainerRequest<GenericImage> = image.definition().into();
    let pulled = engine.wait(request.pull_image());
    pulled.map(drop).map_err(|error| EngineError::NoImage { image: text, cause: error.to_string() })
}

/// Makes an image of programs of this machine with the libraries they need, unless it is there: small, and the same as
/// those the local backend calls. This program's libraries are in it, too.
///
/// # Errors
/// A program that is missing, or the engine's refusal.
pub fn of_this_machine(engine: &Engine, programs: &[(&str, &'static str)]) -> Result<ImageName, EngineError> {
    let mut files = BTreeMap::new();
    for (program, package) in programs {
        let missing = |cause: String| EngineError::Program { program: (*program).to_owned(), cause, package };
        let path = find(program).ok_or_else(|| missing(String::from("it is nowhere on the PATH")))?;
        for library in libraries_of(&path).map_err(missing)? {
            files.insert(library.clone(), library);
        }
        files.insert(PathBuf::from("/usr/bin").join(program), path);
    }
    let refused = |cause: String| EngineError::Refused { action: String::from("make the image of hosts"), cause };
    let own = std::env::current_exe().map_err(|error| refused(error.to_string()))?;
    for library in libraries_of(&own).map_err(refused)? {
        files.insert(library.clone(), library);
    }
    let archive = archive_of(&files).map_err(|error| refused(error.to_string()))?;
    let tag = format!("{:08x}-{:x}", crc32c::crc32c(&archive), archive.len());
    let image = ImageName { name: HOST_IMAGE.to_owned(), tag };
    if engine.wait(engine.docker().inspect_image(&image.to_string())).is_ok() {
        return Ok(image);
    }
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(&image.name).tag(&image.tag).build();
    let mut progress = engine.docker().create_image(Some(options), Some(body_full(archive.into())), None);
    while let Some(step) = engine.wait(progress.next()) {
        step.map_err(|error| refused(error.to_string()))?;
    }
    drop(progress);
    Ok(image)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from));
    places.map(|directory| directory.join(program)).find(|candidate| candidate.is_absolute() && candidate.is_file())
}

/// The libraries that are loaded with a program, and their loader.
fn libraries_of(program: &Path) -> Result<Vec<PathBuf>, String> {
    let output =
        Command::new("ldd").arg(program).env("LC_ALL", "C").output().map_err(|error| format!("ldd: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Some(missing) = said.lines().find(|line| line.contains("not found")) {
        return Err(missing.trim().to_owned());
    }
    let words = said.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    Ok(words.map(PathBuf::from).collect())
}

/// The same files make the same bytes.
fn archive_of(files: &BTreeMap<PathBuf, PathBuf>) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, size: u64, mode: u32| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header
    };
    for directory in DIRECTORIES {
        let mode = if directory == "tmp" { 0o1777 } else { 0o755 };
        archive.append_data(&mut header(tar::EntryType::Directory, 0, mode), directory, std::io::empty())?;
    }
    // Scripts begin with /bin/sh.
    archive.append_link(&mut header(tar::EntryType::Symlink, 0, 0o777), "bin", "usr/bin")?;
    for (inside, outside) in files {
        let content = fs::read(outside)?;
        let name = inside.strip_prefix("/").unwrap_or(inside);
        let size = content.len() as u64;
        archive.append_data(&mut header(tar::EntryType::Regular, size, 0o755), name, content.as_slice())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, String)> {
        ImageName::parse(text, "4.1.1").ok().map(|image| (image.name, image.tag))
    }

    #[test]
    fn names_have_a_tag_and_registries_may_have_a_port() {
        let pair = |name: &str, tag: &str| Some((name.to_owned(), tag.to_owned()));
        assert_eq!(parsed("apache/kafka"), pair("apache/kafka", "4.1.1"));
        assert_eq!(parsed("apache/kafka:3.9.0"), pair("apache/kafka", "3.9.0"));
        assert_eq!(parsed("localhost:5000/own/kafka"), pair("localhost:5000/own/kafka", "4.1.1"));
        assert_eq!(parsed("localhost:5000/kafka:x"), pair("localhost:5000/kafka", "x"));
        assert_eq!(parsed("kafka@sha256:abc"), pair("kafka@sha256", "abc"));
        for bad in ["", ":tag", "name:", "a b", "-x", "a/", "a:b/c:", "name:t@g"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_same_files_make_the_same_archive() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("program");
        fs::write(&file, "x").unwrap();
        let files = BTreeMap::from([(PathBuf::from("/usr/bin/program"), file)]);
        assert_eq!(archive_of(&files).unwrap(), archive_of(&files).unwrap());
    }

    #[test]
    fn a_program_comes_with_its_loader() {
        let libraries = libraries_of(&std::env::current_exe().unwrap()).unwrap();
        assert!(libraries.iter().any(|path| path.to_string_lossy().contains("ld-")), "{libraries:?}");
    }
}
