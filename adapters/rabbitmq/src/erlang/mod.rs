//! Asking a node what it believes, in its own language: RabbitMQ tells over AMQP neither who leads a queue nor
//! what is handed out and unsettled, and its management plug-in asks other nodes before it answers.

mod connection;
mod look;
mod peers;
mod question;

pub(crate) use connection::ErlangError;
pub(crate) use look::{Known, Look, QueueLook};
pub(crate) use peers::{Ask, Peer, peers};
