//! An operation while its fields are read, in whatever order they stand.

use super::error::Problem;
use super::operation::{Function, Operation, OperationHistory, OperationKind};

/// Who did it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Process {
    /// A client.
    Client(i64),
    /// The nemesis or another part of the test.
    Other,
}

/// The plain fields of an operation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) index: Option<i64>,
    pub(crate) time_ns: i64,
    pub(crate) process: Option<Process>,
    pub(crate) kind: Option<OperationKind>,
    pub(crate) function: Option<Function>,
}

impl Draft {
    /// The operation without what it sent, read or listed; nothing where it is no client's.
    pub(crate) fn operation(&self, history: &OperationHistory) -> Result<Option<Operation>, Problem> {
        let Process::Client(process) = self.process.ok_or(Problem::Missing("process"))? else {
            return Ok(None);
        };
        let kind = self.kind.ok_or(Problem::Missing("type"))?;
        let function = self.function.ok_or(Problem::Missing("f"))?;
        let (micro, keys) = history.marks()?;
        let next = || history.operations.last().map_or(0, |last| last.index.saturating_add(1));
        let index = match self.index {
            Some(index) => u64::try_from(index).map_err(|_| Problem::Field {
                field: "index",
                found: index.to_string(),
                wanted: "a whole number from 0",
            })?,
            None => next(),
        };
        Ok(Some(Operation {
            index,
            time_ns: self.time_ns,
            process,
            kind,
            function,
            line: 0,
            byte: 0,
            micro: micro..micro,
            keys: keys..keys,
            rebalanced: keys..keys,
            partner: None,
        }))
    }
}

/// The kind of that name.
pub(crate) fn kind_from_name(name: &[u8]) -> Result<OperationKind, Problem> {
    match name {
        b"invoke" => Ok(OperationKind::Invoke),
        b"ok" => Ok(OperationKind::Ok),
        b"fail" => Ok(OperationKind::Fail),
        b"info" => Ok(OperationKind::Info),
        _ => Err(Problem::Field {
            field: "type",
            found: format!("`{}`", shown(name)),
            wanted: "`invoke`, `ok`, `fail` or `info`",
        }),
    }
}

/// Foreign text, short enough for a message.
pub(crate) fn shown(text: &[u8]) -> String {
    const MOST: usize = 40;
    let short = String::from_utf8_lossy(&text[..text.len().min(MOST)]).into_owned();
    if text.len() > MOST { format!("{short}...") } else { short }
}
