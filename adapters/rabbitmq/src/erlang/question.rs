//! A question in Erlang, put to a node in its own words and answered in lines of text.

use std::time::Instant;

use erl_dist::term::{Atom, Binary, FixInteger, List, Term, Tuple};

use super::connection::{Connection, ErlangError};

/// A question, parsed by the node it is put to.
pub(crate) struct Question {
    source: &'static str,
    parsed: Option<Term>,
}

impl Question {
    /// A question of this source: expressions whose last one is a binary.
    pub(crate) fn new(source: &'static str) -> Self {
        Self { source, parsed: None }
    }

    /// Puts it to a node; `Names` in it are the queues it is about, or what else it needs.
    ///
    /// # Errors
    /// Nobody answered until `deadline`, or the question failed there.
    pub(crate) fn ask(
        &mut self,
        node: &mut Connection,
        names: &[&str],
        deadline: Instant,
    ) -> Result<String, ErlangError> {
        let parsed = match &self.parsed {
            Some(parsed) => parsed.clone(),
            None => self.parsed.insert(parse(node, self.source, deadline)?).clone(),
        };
        let names: Vec<Term> = names.iter().map(|name| Binary::from(name.as_bytes()).into()).collect();
        let bound = Tuple::from(vec![Atom::from("Names").into(), List::from(names).into()]);
        let bindings = List::from(vec![bound.into()]).into();
        // `{value, Value, Bindings}`
        let answer = element(node.call("erl_eval", "exprs", vec![parsed, bindings], deadline)?, 1)?;
        match answer {
            Term::Binary(text) => Ok(String::from_utf8_lossy(&text.bytes).into_owned()),
            other => Err(ErlangError::Failed(format!("{other}, which is no text"))),
        }
    }
}

/// Scanned and parsed by the node: `{ok, Tokens, _}`, `{ok, Expressions}`.
fn parse(node: &mut Connection, source: &str, deadline: Instant) -> Result<Term, ErlangError> {
    let letters: Vec<Term> = source.bytes().map(|byte| FixInteger::from(byte).into()).collect();
    let tokens = element(node.call("erl_scan", "string", vec![List::from(letters).into()], deadline)?, 1)?;
    element(node.call("erl_parse", "parse_exprs", vec![tokens], deadline)?, 1)
}

fn element(term: Term, index: usize) -> Result<Term, ErlangError> {
    match term {
        Term::Tuple(mut tuple)
            if tuple.elements.len() > index
                && !matches!(&tuple.elements[0], Term::Atom(kind) if kind.name == "error") =>
        {
            Ok(tuple.elements.swap_remove(index))
        }
        other => Err(ErlangError::Failed(other.to_string())),
    }
}
