//! What the runner and the observers recorded around the messages: phases, faults, what the
//! cluster believed, and whether a fault can have tested anything.

pub(crate) mod alone;
pub(crate) mod bite;
pub(crate) mod breakable;
pub(crate) mod change;
pub(crate) mod clocks;
pub(crate) mod comeback;
pub(crate) mod hook;
pub(crate) mod label;
pub(crate) mod load;
pub(crate) mod machines;
pub(crate) mod observations;
pub(crate) mod packets;
pub(crate) mod proof;
pub(crate) mod segments;
pub(crate) mod stall;
pub(crate) mod timeline;
