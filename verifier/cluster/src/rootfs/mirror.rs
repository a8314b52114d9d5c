//! Where packages come from.

use delivery_broker::{ConfigError, InstallError};

use super::run;

/// What `apt-get indextargets` prints of each index of packages that was read.
const FORMAT: &str = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)";
/// Names of suites that move from release to release.
const MOVING: [&str; 4] = ["stable", "oldstable", "testing", "unstable"];

/// The mirror this machine's own packages come from: the first source that says it is Debian's own
/// archive, or, before any list was read, that is asked for one of its suites.
///
/// # Errors
/// `apt-get` is missing, or no mirror of Debian is configured.
pub(super) fn of_this_machine(suites: &[(&str, &str)]) -> Result<String, InstallError> {
    let read = run::output("apt-get", &["indextargets", "--format", FORMAT, "Created-By: Packages"])?;
    if let Some(mirror) = by_origin(&read) {
        return Ok(mirror);
    }
    let asked = run::output("apt-get", &["update", "--print-uris"])?;
    by_suite(&asked, suites).ok_or_else(|| InstallError::Missing {
        what: String::from("no mirror of Debian is among the sources of this machine's packages"),
        remedy: String::from("Give one with --mirror URL, where the directories `dists` and `pool` are."),
    })
}

fn by_origin(printed: &str) -> Option<String> {
    let rows = printed.lines().map(|line| line.splitn(4, '|').collect::<Vec<_>>());
    let own = rows.filter(|row| row.starts_with(&["Debian", "Debian", "main"]));
    own.filter_map(|row| checked(row.get(3)?).ok()).next()
}

/// Reads lines such as `'http://mirror.example/debian/dists/trixie/InRelease' NAME 0`.
fn by_suite(printed: &str, suites: &[(&str, &str)]) -> Option<String> {
    let known = |name: &str| MOVING.contains(&name) || suites.iter().any(|(suite, _)| *suite == name);
    let asked =
        printed.lines().filter_map(|line| line.split('\'').nth(1)?.strip_suffix("/InRelease")?.rsplit_once("/dists/"));
    asked.filter(|(_, suite)| known(suite)).find_map(|(mirror, _)| checked(mirror).ok())
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
    use super::{by_origin, by_suite, checked};

    const SUITES: [(&str, &str); 2] = [("bookworm", "3.10.8"), ("trixie", "4.0.5")];

    #[test]
    fn the_archive_itself_is_chosen_not_its_updates_or_others() {
        let printed = "Docker|Docker CE|main|http://other.example/docker/\n\
                       Debian|Debian-Security|main|http://mirror.example/security/\n\
                       Debian|Debian|contrib|http://mirror.example/contrib/\n\
                       Debian|Debian|main|http://mirror.example/debian/\n";
        assert_eq!(by_origin(printed).as_deref(), Some("http://mirror.example/debian/"));
        assert_eq!(by_origin("Ubuntu|Ubuntu|main|http://mirror.example/ubuntu/\n"), None);
        assert_eq!(by_origin(""), None);
    }

    #[test]
    fn before_any_list_was_read_the_suites_name_tells() {
        let printed = "'http://mirror.example/security/dists/bookworm-security/InRelease' a_InRelease 0 \n\
                       'http://other.example/packages/dists/nodistro/InRelease' b_InRelease 0 \n\
                       'http://mirror.example/debian/dists/bookworm/InRelease' c_InRelease 0 \n";
        assert_eq!(by_suite(printed, &SUITES).as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(by_suite("'http://mirror.example/ubuntu/dists/noble/InRelease' d 0\n", &SUITES), None);
        assert_eq!(by_suite("", &SUITES), None);
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
