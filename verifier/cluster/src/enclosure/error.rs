//! Why a run cannot be enclosed, and the line that permits it.

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::facts::Facts;

macro_rules! steps {
    ($($name:ident = $number:literal, $label:literal;)+) => {
        /// One thing the enclosure asks of the system.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Step { $($name = $number,)+ }

        impl Step {
            pub(crate) const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)+ _ => None }
            }

            pub(crate) const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }
        }
    };
}

steps! {
    Signals = 1, "preparing signals";
    Pipe = 2, "making a pipe";
    Fork = 3, "starting a process";
    UserNamespace = 4, "making a user namespace";
    UserMap = 5, "mapping this user into the user namespace";
    MountNamespace = 6, "making a mount namespace";
    NetworkNamespace = 7, "making a network namespace";
    UtsNamespace = 8, "making a UTS (host name) namespace";
    IpcNamespace = 9, "making an IPC namespace";
    ProcessNamespace = 10, "making a PID namespace";
    PrivateMounts = 11, "making the mounts private";
    ProcMount = 12, "mounting /proc in the PID namespace";
    Loopback = 13, "bringing the loopback interface up";
}

/// A step and the system's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) step: Step,
    pub(crate) errno: Errno,
}

/// A run that could not be enclosed, or that did not end by itself.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EncloseError {
    /// Called too late.
    #[error(
        "namespaces can only be made by a process with one thread, and this one has {count}: enclose the run before anything else starts"
    )]
    Threads {
        /// Threads there are (0 when the kernel does not say).
        count: usize,
    },
    /// The system said no.
    #[error("{what} was refused: {cause}. {remedy}")]
    Refused {
        /// What was asked of the system.
        what: &'static str,
        /// Its answer.
        cause: String,
        /// The line that permits it, or what else to do.
        remedy: String,
    },
    /// The runner was killed.
    #[error(
        "the run was killed by signal {number} ({name}); everything it had started was killed with it, and its history up to then can be judged"
    )]
    Killed {
        /// Number of the signal.
        number: i32,
        /// Its name, or `unknown`.
        name: String,
    },
    /// A process that holds the run together was killed from outside.
    #[error(
        "the run ended without a result: a process that holds its namespaces was killed; everything it had started was killed with it"
    )]
    Lost,
}

impl EncloseError {
    pub(crate) fn killed(number: i32) -> Self {
        let name = Signal::try_from(number).map_or("unknown", Signal::as_str);
        Self::Killed { number, name: name.to_owned() }
    }
}

impl From<Refusal> for EncloseError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused {
            what: refusal.step.label(),
            cause: format!("{} ({:?})", refusal.errno.desc(), refusal.errno),
            remedy: remedy(refusal, &Facts::read()),
        }
    }
}

/// The line that permits the step, as far as the facts tell.
pub(crate) fn remedy(refusal: Refusal, facts: &Facts) -> String {
    if refusal.step == Step::Fork || refusal.errno == Errno::EAGAIN || refusal.errno == Errno::EMFILE {
        return String::from("The limit on processes or open files is too low: see `ulimit -a`");
    }
    if !facts.privileged {
        if facts.none_allowed || refusal.errno == Errno::ENOSPC {
            return String::from("Permit user namespaces: `sysctl -w user.max_user_namespaces=15000`");
        }
        if facts.clone_forbidden {
            return String::from(
                "Permit user namespaces to plain users: `sysctl -w kernel.unprivileged_userns_clone=1`",
            );
        }
        if facts.apparmor_restricts {
            return String::from(
                "AppArmor restricts user namespaces here (Ubuntu 23.10 and later): `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor profile for this program that allows `userns`, or run it as root",
            );
        }
    }
    if facts.in_container || refusal.step == Step::ProcMount {
        return String::from(
            "A container keeps its processes from this: start it with `--privileged`, or with `--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined`",
        );
    }
    match refusal.errno {
        Errno::EINVAL | Errno::ENOSYS => {
            String::from("This kernel was built without it: use one of a current distribution")
        }
        _ => String::from("Run it as root, or on a machine whose kernel permits user namespaces"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy_of(step: Step, errno: Errno, change: impl FnOnce(&mut Facts)) -> String {
        let mut facts = Facts::default();
        change(&mut facts);
        remedy(Refusal { step, errno }, &facts)
    }

    #[test]
    fn each_setting_is_named_with_its_line() {
        let of = |change: fn(&mut Facts)| remedy_of(Step::UserMap, Errno::EPERM, change);
        assert!(of(|facts| facts.none_allowed = true).contains("user.max_user_namespaces"));
        assert!(of(|facts| facts.clone_forbidden = true).contains("kernel.unprivileged_userns_clone=1"));
        assert!(of(|facts| facts.apparmor_restricts = true).contains("apparmor_restrict_unprivileged_userns=0"));
        assert!(of(|facts| facts.in_container = true).contains("--privileged"));
        assert!(of(|_| ()).contains("root"));
    }

    #[test]
    fn root_is_not_told_to_change_settings_for_plain_users() {
        let text = remedy_of(Step::ProcMount, Errno::EPERM, |facts| {
            facts.privileged = true;
            facts.apparmor_restricts = true;
        });
        assert!(text.contains("--privileged"), "{text}");
    }

    #[test]
    fn steps_survive_the_pipe() {
        for number in 1..=13 {
            let step = Step::from_number(number).unwrap();
            assert_eq!(step as u32, number);
            assert!(!step.label().is_empty());
        }
        assert_eq!(Step::from_number(14), None);
    }
}
