//! Where packages come from.

use delivery_broker::{ConfigError, InstallError};

use super::run;

/// What `apt-get indextargets` prints of each index of packages.
const FORMAT: &str = "$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)";
/// Names of suites that move from release to release.
const MOVING: [&str; 4] = ["stable", "oldstable", "testing", "unstable"];

/// The mirror this machine's own packages come from.
///
/// # Errors
/// `apt-get` is missing, or no mirror of Debian is configured.
pub(super) fn of_this_machine(suites: &[(&str, &str)]) -> Result<String, InstallError> {
    let printed = run::output("apt-get", &["indextargets", "--format", FORMAT, "Created-By: Packages"])?;
    choose(&printed, suites).ok_or_else(|| InstallError::Missing {
        what: String::from("no mirror of Debian is among the sources of this machine's packages"),
        remedy: String::from("Give one with --mirror URL, where the directories `dists` and `pool` are."),
    })
}

/// The first that says it is Debian's own archive; before any list was read none says so, and the
/// suite's name has to.
fn choose(printed: &str, suites: &[(&str, &str)]) -> Option<String> {
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split('|').collect()).collect();
    let main = || rows.iter().filter(|row| row.len() == 5 && row[3] == "main" && !row[4].is_empty());
    let named = |row: &&Vec<&str>| {
        let known = |name: &str| MOVING.contains(&name) || suites.iter().any(|(suite, _)| *suite == name);
        (row[0].is_empty() || row[0].starts_with("$(")) && known(row[2].trim_end_matches('/'))
    };
    let own = main().find(|row| row[0] == "Debian" && row[1] == "Debian").or_else(|| main().find(named))?;
    checked(own[4]).ok()
}

/// A mirror's address that can stand in a list of sources.
///
/// # Errors
/// It is none.
pub(super) fn checked(url: &str) -> Result<String, ConfigError> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let plain = url.chars().all(|letter| letter.is_ascii_graphic() && !"[]\"'#".contains(letter));
    if scheme.is_empty()
        || !scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        || !plain
    {
        return Err(ConfigError::Invalid {
            setting: String::from("--mirror"),
            value: url.to_owned(),
            reason: String::from("the address of a Debian mirror is needed, as in http://mirror.example/debian"),
        });
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{checked, choose};

    const SUITES: [(&str, &str); 2] = [("bookworm", "3.10.8"), ("trixie", "4.0.5")];

    #[test]
    fn the_archive_itself_is_chosen_not_its_updates_or_others() {
        let printed = "Docker|Docker CE|bookworm|main|http://other.example/docker/\n\
                       Debian|Debian-Security|bookworm-security|main|http://mirror.example/security/\n\
                       Debian|Debian|bookworm|contrib|http://mirror.example/contrib/\n\
                       Debian|Debian|bookworm|main|http://mirror.example/debian/\n";
        assert_eq!(choose(printed, &SUITES).as_deref(), Some("http://mirror.example/debian/"));
    }

    #[test]
    fn before_any_list_was_read_the_suites_name_tells() {
        let printed = "$(ORIGIN)|$(LABEL)|bookworm-security|main|http://mirror.example/security/\n\
                       $(ORIGIN)|$(LABEL)|bookworm|main|http://mirror.example/debian/\n";
        assert_eq!(choose(printed, &SUITES).as_deref(), Some("http://mirror.example/debian/"));
        assert_eq!(choose("Ubuntu|Ubuntu|noble|main|http://mirror.example/ubuntu/\n", &SUITES), None);
        assert_eq!(choose("", &SUITES), None);
    }

    #[test]
    fn what_could_change_the_list_of_sources_is_no_address() {
        for bad in ["", "nonsense", "http://a b", "http://a\ndeb http://b", "http://a [trusted=yes]", "://x"] {
            assert!(checked(bad).is_err(), "{bad:?}");
        }
        for good in ["http://mirror.example/debian", "file:/srv/mirror", "mirror+file:/etc/mirrors"] {
            assert_eq!(checked(good).unwrap(), good);
        }
    }
}
