//! How a product stands in a container image.

use crate::system::Installation;

/// What a backend of containers needs to know.
pub struct ImageLayout {
    /// The vendor's public image; its tags are versions.
    pub name: &'static str,
    /// The version that runs where none is asked for.
    pub default_tag: &'static str,
    /// A shell script that says what is in an image.
    pub look: &'static str,
    /// Reads what it said: the installation, as seen inside.
    pub read: fn(&str) -> Option<Installation>,
}
