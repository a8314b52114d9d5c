//! What the tests of clusters that somebody else runs share.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod certificates;
pub(crate) mod hook_ways;
pub(crate) mod machines;
pub(crate) mod program;
pub(crate) mod secrets;
pub(crate) mod stage;
pub(crate) mod ways_in;
