//! Joins each invocation with its completion, and refuses a history that contradicts itself.

use std::collections::HashMap;

use super::error::{ImportError, Problem};
use super::operation::{Operation, OperationHistory, OperationKind, length};

/// Sets every operation's partner.
pub(crate) fn pair(mut history: OperationHistory) -> Result<OperationHistory, ImportError> {
    let mut open: HashMap<i64, u32, foldhash::fast::RandomState> = HashMap::default();
    let operations = &mut history.operations;
    for place in 0..operations.len() {
        let at = |problem| ImportError { line: operations[place].line, byte: operations[place].byte, problem };
        let this = length(place, "operations").map_err(at)?;
        let operation = &operations[place];
        if place > 0 && operations[place - 1].index >= operation.index {
            return Err(at(Problem::OutOfOrder { index: operation.index, after: operations[place - 1].index }));
        }
        if operation.kind == OperationKind::Invoke {
            if let Some(first) = open.insert(operation.process, this) {
                let pending = operations[first as usize].index;
                return Err(at(Problem::Busy { process: operation.process, index: operation.index, pending }));
            }
            continue;
        }
        let began = open.remove(&operation.process);
        let began = began.ok_or_else(|| not_invoked(operation)).map_err(at)?;
        let function = operations[began as usize].function;
        if function != operation.function {
            let (ended, began) = (operation.function.label(), function.label());
            let (process, index) = (operation.process, operation.index);
            return Err(at(Problem::OtherFunction { process, index, ended, began }));
        }
        operations[place].partner = Some(began);
        operations[began as usize].partner = Some(this);
    }
    Ok(history)
}

fn not_invoked(operation: &Operation) -> Problem {
    Problem::NotInvoked { process: operation.process, index: operation.index }
}
