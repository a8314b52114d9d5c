//! What a run may have left on a cluster of somebody else's, written down on this machine for as long as it may stand there.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use delivery_broker::{Belongings, ClientSpec, ExternalSystem};
use serde::{Deserialize, Serialize};

use crate::real::caretaker::lock;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Written {
    system: String,
    cluster: String,
    belongings: Belongings,
}

/// One run's note. It is locked while its run lives, and holds no secret.
pub(crate) struct Note {
    path: PathBuf,
    file: File,
    written: Written,
}

impl Note {
    /// Writes down what is going to be made.
    pub(crate) fn write(path: &Path, system: &str, cluster: &str, belongings: &Belongings) -> Result<Self, String> {
        let in_words = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(in_words)?;
        let file = lock(path).map_err(in_words)?;
        let written =
            Written { system: system.to_owned(), cluster: cluster.to_owned(), belongings: belongings.clone() };
        let mut note = Self { path: path.to_owned(), file, written };
        note.rewrite().map_err(in_words)?;
        Ok(note)
    }

    fn rewrite(&mut self) -> std::io::Result<()> {
        let text = serde_json::to_string_pretty(&self.written)?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text.as_bytes())
    }

    /// Only these are still there.
    pub(crate) fn keep<'a>(&mut self, left: impl Iterator<Item = &'a str> + Clone) {
        let Belongings { destinations, groups } = &mut self.written.belongings;
        for names in [destinations, groups] {
            names.retain(|name| left.clone().any(|known| known == name));
        }
        // What is named too much is looked for in vain, and no harm done.
        let _ = self.rewrite();
    }

    /// Nothing is left.
    pub(crate) fn tear_up(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Where the notes are.
pub fn notes_dir(cache_dir: &Path) -> PathBuf {
    cache_dir.join("external")
}

/// Takes away what runs of this machine that are dead left on `cluster`, and nothing else. Gives back what was tried:
/// each name with the reason why it is still there, where it is.
pub fn tidy_after_the_dead(
    notes: &Path,
    system: &str,
    cluster: &str,
    external: &dyn ExternalSystem,
    client: &ClientSpec,
) -> Vec<(String, Option<String>)> {
    let entries = fs::read_dir(notes).into_iter().flatten().flatten();
    entries.flat_map(|entry| tidy_after(&entry.path(), system, cluster, external, client)).collect()
}

fn tidy_after(
    path: &Path,
    system: &str,
    cluster: &str,
    external: &dyn ExternalSystem,
    client: &ClientSpec,
) -> Vec<(String, Option<String>)> {
    // A run that lives holds its note.
    let Ok(mut file) = lock(path) else { return Vec::new() };
    let mut text = String::new();
    let written: Option<Written> = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok());
    let Some(written) = written.filter(|written| written.system == system && written.cluster == cluster) else {
        return Vec::new();
    };
    let left = external.tidy(client, &written.belongings);
    let Belongings { destinations, groups } = &written.belongings;
    let why = |name: &String| left.iter().find(|(known, _)| known == name).map(|(_, why)| why.clone());
    let tried = destinations.iter().chain(groups).map(|name| (name.clone(), why(name))).collect();
    let mut note = Note { path: path.to_owned(), file, written: written.clone() };
    match left.is_empty() {
        true => note.tear_up(),
        false => note.keep(left.iter().map(|(name, _)| name.as_str())),
    }
    tried
}

#[cfg(test)]
mod tests {
    use delivery_broker::{AccessRequest, ConfigError, Contact, ExternalError, LanePlan, LaneTopic, Survey};

    use super::*;

    /// Takes away what is asked for, but for what is called `stuck`.
    struct Broker;

    impl ExternalSystem for Broker {
        fn option(&self) -> &'static str {
            "--url"
        }
        fn contact(&self, _request: &AccessRequest) -> Result<Contact, ConfigError> {
            Err(ConfigError::Contradiction(String::new()))
        }
        fn survey(&self, _contact: &Contact) -> Result<Survey, ExternalError> {
            Err(ConfigError::Contradiction(String::new()).into())
        }
        fn fit(&self, _lane: &mut LanePlan, _nodes: u32) -> Result<(), ConfigError> {
            Ok(())
        }
        fn rehearse(&self, _spec: &ClientSpec, _topics: &[LaneTopic]) -> Result<(), ExternalError> {
            Ok(())
        }
        fn tidy(&self, _spec: &ClientSpec, belongings: &Belongings) -> Vec<(String, String)> {
            let stuck = belongings.destinations.iter().filter(|name| *name == "stuck");
            stuck.map(|name| (name.clone(), String::from("busy"))).collect()
        }
    }

    fn client() -> ClientSpec {
        serde_json::from_str(
            r#"{"client_name":"a","seat":"a","run_tag":1,"nodes":[],"destinations":[],"config":{},"group":null}"#,
        )
        .unwrap()
    }

    #[test]
    fn only_the_dead_of_the_same_cluster_are_tidied_after() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let belongings = |names: &[&str]| Belongings {
            destinations: names.iter().map(|name| (*name).to_owned()).collect(),
            groups: Vec::new(),
        };
        let alive = Note::write(&path("alive"), "kafka", "c1", &belongings(&["mine"])).unwrap();
        drop(Note::write(&path("dead"), "kafka", "c1", &belongings(&["gone", "stuck"])).unwrap());
        drop(Note::write(&path("other"), "kafka", "c2", &belongings(&["theirs"])).unwrap());
        fs::write(path("no-note"), "{").unwrap();
        assert!(Note::write(&path("alive"), "kafka", "c1", &belongings(&[])).is_err(), "a run holds its note");
        let tidied = || tidy_after_the_dead(directory.path(), "kafka", "c1", &Broker, &client());
        let stuck = (String::from("stuck"), Some(String::from("busy")));
        assert_eq!(tidied(), [(String::from("gone"), None), stuck.clone()]);
        assert_eq!(tidied(), [stuck], "what is left is written down again");
        assert!(path("alive").exists() && path("other").exists());
        drop(alive);
        assert_eq!(tidied().len(), 2);
    }
}
