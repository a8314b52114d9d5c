//! Operations on a log as plain data. Whatever has no fixed length stands in a table of the whole history, so an
//! operation costs no allocation of its own.

use std::collections::HashMap;
use std::ops::Range;

use super::error::Problem;

/// How an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// It begins.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Nobody knows whether it happened.
    Info,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Sends.
    Send,
    /// Polls.
    Poll,
    /// Sends and polls, in one transaction.
    Transaction,
    /// Reads these keys from now on.
    Assign,
    /// Joins the group for these keys.
    Subscribe,
    /// The client is thrown away.
    Crash,
    /// Anything else: not judged.
    Other,
}

impl Function {
    /// Its name in a history.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Poll => "poll",
            Self::Transaction => "txn",
            Self::Assign => "assign",
            Self::Subscribe => "subscribe",
            Self::Crash => "crash",
            Self::Other => "another function",
        }
    }

    /// The function of that name.
    pub(crate) fn from_name(name: &[u8]) -> Self {
        match name {
            b"send" => Self::Send,
            b"poll" => Self::Poll,
            b"txn" => Self::Transaction,
            b"assign" => Self::Assign,
            b"subscribe" => Self::Subscribe,
            b"crash" => Self::Crash,
            _ => Self::Other,
        }
    }

    /// Its value is a list of micro-operations.
    pub const fn is_transactional(self) -> bool {
        matches!(self, Self::Send | Self::Poll | Self::Transaction)
    }
}

/// A key or a value: a number, or a name that stands in [`OperationHistory::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// A number.
    Integer(i64),
    /// A string, keyword or symbol.
    Name(u32),
}

/// A key (a partition, for Jepsen) by its place in [`OperationHistory::key`].
pub type KeyId = u32;

/// One message sent or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MicroOperation {
    /// What was done.
    pub action: Action,
    /// To which key.
    pub key: KeyId,
    /// Where it sits in the log, where that is known.
    pub offset: Option<u64>,
    /// The message.
    pub value: Scalar,
}

/// What a micro-operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends the value.
    Send,
    /// Read the value.
    Read,
}

/// One line of a history: an operation that begins or ends.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its number in the history; where the file gives none, its place.
    pub index: u64,
    /// When, nanoseconds.
    pub time_ns: i64,
    /// Who.
    pub process: i64,
    /// How it stands.
    pub kind: OperationKind,
    /// What it does.
    pub function: Function,
    /// Line of the file, from 1.
    pub line: u64,
    /// Byte of the file it begins at.
    pub byte: u64,
    pub(crate) micro: Range<u32>,
    pub(crate) keys: Range<u32>,
    pub(crate) rebalanced: Range<u32>,
    /// Place of the completion of an invocation, or of the invocation of a completion.
    pub(crate) partner: Option<u32>,
}

/// A history of operations, in the order they were recorded in.
#[derive(Clone, Debug, Default)]
pub struct OperationHistory {
    pub(crate) operations: Vec<Operation>,
    pub(crate) micro: Vec<MicroOperation>,
    pub(crate) key_lists: Vec<KeyId>,
    keys: Vec<Scalar>,
    key_ids: HashMap<Scalar, KeyId, foldhash::fast::RandomState>,
    names: Vec<Box<str>>,
    name_ids: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
    /// Lines that were no client's (faults, for one), or did something that is not judged.
    pub not_judged: u64,
}

impl OperationHistory {
    /// Every operation, invocations and completions.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What an operation sent and read, in its order.
    pub fn micro_operations(&self, operation: &Operation) -> &[MicroOperation] {
        &self.micro[operation.micro.start as usize..operation.micro.end as usize]
    }

    /// Keys an assignment or subscription lists.
    pub fn keys_of(&self, operation: &Operation) -> &[KeyId] {
        &self.key_lists[operation.keys.start as usize..operation.keys.end as usize]
    }

    /// Keys that were rebalanced while the operation ran.
    pub fn rebalanced(&self, operation: &Operation) -> &[KeyId] {
        &self.key_lists[operation.rebalanced.start as usize..operation.rebalanced.end as usize]
    }

    /// Place of the invocation's completion (nothing: it never ended), or of the completion's invocation.
    pub fn partner(&self, operation: &Operation) -> Option<usize> {
        operation.partner.map(|place| place as usize)
    }

    /// How many keys there are.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// A key as it stood in the file.
    pub fn key(&self, key: KeyId) -> String {
        self.text(self.keys[key as usize])
    }

    /// A scalar as it stood in the file.
    pub fn text(&self, scalar: Scalar) -> String {
        match scalar {
            Scalar::Integer(number) => number.to_string(),
            Scalar::Name(name) => self.name(name).to_owned(),
        }
    }

    /// A name.
    pub fn name(&self, name: u32) -> &str {
        &self.names[name as usize]
    }

    /// The key with that name, made if it is new.
    pub(crate) fn key_id(&mut self, scalar: Scalar) -> Result<KeyId, Problem> {
        if let Some(key) = self.key_ids.get(&scalar) {
            return Ok(*key);
        }
        let key = length(self.keys.len(), "keys")?;
        self.keys.push(scalar);
        self.key_ids.insert(scalar, key);
        Ok(key)
    }

    /// The scalar for a name.
    pub(crate) fn named(&mut self, name: &str) -> Result<Scalar, Problem> {
        if let Some(id) = self.name_ids.get(name) {
            return Ok(Scalar::Name(*id));
        }
        let id = length(self.names.len(), "names")?;
        self.names.push(name.into());
        self.name_ids.insert(name.into(), id);
        Ok(Scalar::Name(id))
    }

    /// The key of that name; a whole number in quotes is that number, as maps in JSON have no other keys.
    pub(crate) fn named_key(&mut self, name: &str) -> Result<KeyId, Problem> {
        let scalar = match name.parse::<i64>() {
            Ok(number) if number.to_string() == name => Scalar::Integer(number),
            _ => self.named(name)?,
        };
        self.key_id(scalar)
    }

    /// How long the tables are: what an operation in the making starts from.
    pub(crate) fn marks(&self) -> Result<(u32, u32), Problem> {
        Ok((length(self.micro.len(), "micro-operations")?, length(self.key_lists.len(), "keys")?))
    }
}

/// A length that fits the ranges.
pub(crate) fn length(length: usize, what: &'static str) -> Result<u32, Problem> {
    u32::try_from(length).ok().filter(|length| *length < u32::MAX).ok_or(Problem::TooMany(what))
}
