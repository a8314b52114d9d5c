//! The checker is itself checked: a table of broken buses and hand-broken histories, each of which breaks one guarantee
//! in one way, of histories that prove nothing, and of correct ones. Each row says exactly what must be found.

pub mod compare;
pub mod row;
pub mod table;

mod buses;
mod recorded;
mod scene;

pub use compare::{Outcome, Totals, run};
pub use recorded::Recorded;
pub use row::{Expected, Found, Nature, Row, RowError};
pub use table::rows;
