//! The embedded PubSub: a clustered topic bus in the manner of Phoenix.PubSub.
//!
//! Every node is a host of a simulated network. A publisher's node hands each message to its
//! own subscribers and sends it once to every other node; datagrams between nodes are lost
//! when the network cuts them, and nothing below the bus repairs that. What a topic promises
//! beyond that is the business of its delivery mode, one preset each.

mod bus;
mod clients;
mod confirms;
mod frame;
mod late;
mod mailbox;
mod members;
mod mutation;
mod node;
mod outbox;
mod retry;
mod seen;
mod settings;
mod system;

pub use mutation::Mutation;
pub use system::PubSub;
