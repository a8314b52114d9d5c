//! Operations as EDN: `history.edn` as Jepsen writes it, records and other tagged literals included; one operation
//! after the other, or all of them in one vector.

use std::borrow::Cow;
use std::ops::Range;

use super::draft::{Draft, Process, kind_from_name, shown};
use super::error::{ImportError, Problem};
use super::operation::{Action, Function, KeyId, MicroOperation, OperationHistory, Scalar, length};
use super::scanner::{Scanner, Token};

/// Reads every operation of a file, from byte `begin` on.
pub(crate) fn read(text: &[u8], begin: usize) -> Result<OperationHistory, ImportError> {
    let mut reader =
        Reader { scanner: Scanner::new(text, begin), history: OperationHistory::default(), at: 0, line: 1 };
    match reader.all(text) {
        Ok(()) => Ok(reader.history),
        Err(problem) => {
            let byte = reader.scanner.at.min(text.len());
            Err(ImportError { line: reader.line_at(text, byte), byte: byte as u64, problem })
        }
    }
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    history: OperationHistory,
    /// Byte up to which lines were counted, and the line it is on.
    at: usize,
    line: u64,
}

/// A value or a rebalance log. What stands there depends on the operation's function, so that one is read at once where
/// the function is known already, and gone past where it is not.
#[derive(Default)]
enum Part {
    #[default]
    Absent,
    /// Its place.
    Passed(usize),
    /// Where it begins and ends in the tables of micro-operations and of keys.
    Read { micro: Range<u32>, keys: Range<u32> },
}

#[derive(Default)]
struct Parts {
    value: Part,
    rebalance_log: Part,
}

impl<'a> Reader<'a> {
    fn all(&mut self, text: &'a [u8]) -> Result<(), Problem> {
        let mut list = None;
        loop {
            match self.scanner.untagged()? {
                Token::Open(b'}', true) => self.operation(text)?,
                Token::Open(close, false) if list.is_none() && self.history.operations().is_empty() => {
                    list = Some(close);
                }
                Token::Close(close) if list == Some(close) => list = Some(0),
                Token::End if list.is_none_or(|close| close == 0) => return Ok(()),
                Token::End => return Err(Problem::CutOff),
                token => {
                    return Err(unexpected("operation", token, "a map, or a record such as #jepsen.history.Op{...}"));
                }
            }
        }
    }

    /// An operation, from behind its opening brace.
    fn operation(&mut self, text: &'a [u8]) -> Result<(), Problem> {
        let begin = self.scanner.at - 1;
        let (draft, parts) = self.fields()?;
        let end = self.scanner.at;
        let Some(mut operation) = draft.operation(&self.history)? else {
            self.history.not_judged += 1;
            return Ok(());
        };
        let function = operation.function;
        self.history.not_judged += u64::from(function == Function::Other);
        (operation.micro, operation.keys) = self.part(parts.value, |reader| reader.value(function))?;
        operation.rebalanced = self.part(parts.rebalance_log, Self::rebalance_log)?.1;
        (operation.line, operation.byte) = (self.line_at(text, begin), begin as u64);
        self.history.operations.push(operation);
        self.scanner.at = end;
        Ok(())
    }

    /// What a part filled in the tables; reads it where it was only gone past.
    fn part(
        &mut self,
        part: Part,
        read: impl FnOnce(&mut Self) -> Result<(), Problem>,
    ) -> Result<(Range<u32>, Range<u32>), Problem> {
        match part {
            Part::Read { micro, keys } => Ok((micro, keys)),
            Part::Absent => self.filled(|_| Ok(())),
            Part::Passed(at) => {
                self.scanner.at = at;
                self.filled(read)
            }
        }
    }

    /// Where the tables were filled.
    fn filled(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<(), Problem>,
    ) -> Result<(Range<u32>, Range<u32>), Problem> {
        let (micro, keys) = self.history.marks()?;
        read(self)?;
        let (micro_end, keys_end) = self.history.marks()?;
        Ok((micro..micro_end, keys..keys_end))
    }

    fn value(&mut self, function: Function) -> Result<(), Problem> {
        match function {
            function if function.is_transactional() => self.micro_operations(),
            Function::Assign | Function::Subscribe => self.key_list(),
            _ => self.scanner.skip_form(),
        }
    }

    /// The value, at once where it is a client's and the function is known.
    fn value_or_place(&mut self, draft: &Draft) -> Result<Part, Problem> {
        match (draft.function, draft.process) {
            (Some(function), Some(Process::Client(_))) => {
                let (micro, keys) = self.filled(|reader| reader.value(function))?;
                Ok(Part::Read { micro, keys })
            }
            _ => Ok(Part::Passed(self.skipped()?)),
        }
    }

    fn fields(&mut self) -> Result<(Draft, Parts), Problem> {
        let (mut draft, mut parts) = (Draft::default(), Parts::default());
        loop {
            let field = match self.scanner.untagged()? {
                Token::Close(b'}') => return Ok((draft, parts)),
                Token::Atom(atom) => atom,
                Token::End => return Err(Problem::CutOff),
                token => {
                    self.scanner.skip_rest(token)?;
                    b""
                }
            };
            let seen = match field {
                b":index" => draft.index.is_some(),
                b":process" => draft.process.is_some(),
                b":type" => draft.kind.is_some(),
                b":f" => draft.function.is_some(),
                b":value" => !matches!(parts.value, Part::Absent),
                b":rebalance-log" => !matches!(parts.rebalance_log, Part::Absent),
                _ => false,
            };
            if seen {
                return Err(Problem::Syntax(format!("`{}` stands twice in one operation", shown(field))));
            }
            match field {
                b":index" => draft.index = self.whole("index")?,
                b":time" => draft.time_ns = self.whole("time")?.unwrap_or(0),
                b":process" => draft.process = Some(self.process()?),
                b":type" => draft.kind = Some(kind_from_name(self.word("type")?)?),
                b":f" => draft.function = Some(Function::from_name(self.word("f")?)),
                b":value" => parts.value = self.value_or_place(&draft)?,
                b":rebalance-log" => parts.rebalance_log = Part::Passed(self.skipped()?),
                _ => self.scanner.skip_form()?,
            }
        }
    }

    fn skipped(&mut self) -> Result<usize, Problem> {
        let begin = self.scanner.at;
        self.scanner.skip_form()?;
        Ok(begin)
    }

    fn whole(&mut self, field: &'static str) -> Result<Option<i64>, Problem> {
        match self.scanner.untagged()? {
            Token::Atom(b"nil") => Ok(None),
            Token::Atom(atom) => match integer(atom) {
                Some(number) => Ok(Some(number)),
                None => Err(unexpected(field, Token::Atom(atom), "a whole number of at most 64 bits")),
            },
            token => Err(unexpected(field, token, "a whole number")),
        }
    }

    fn process(&mut self) -> Result<Process, Problem> {
        match self.scanner.untagged()? {
            Token::Atom(atom) if is_number(atom) => match integer(atom) {
                Some(number) => Ok(Process::Client(number)),
                None => Err(unexpected("process", Token::Atom(atom), "a whole number of at most 64 bits")),
            },
            Token::Atom(_) | Token::Text(_) => Ok(Process::Other),
            token => Err(unexpected("process", token, "a number or a keyword")),
        }
    }

    /// A keyword, symbol or string, without its colon.
    fn word(&mut self, field: &'static str) -> Result<&'a [u8], Problem> {
        match self.scanner.untagged()? {
            Token::Atom(atom) => Ok(atom.strip_prefix(b":").unwrap_or(atom)),
            Token::Text(text) => Ok(text),
            token => Err(unexpected(field, token, "a keyword")),
        }
    }

    /// `[[:send k [offset v]] [:poll {k [[offset v]]}]]`, or nil.
    fn micro_operations(&mut self) -> Result<(), Problem> {
        if !self.list("value")? {
            return Ok(());
        }
        loop {
            match self.scanner.untagged()? {
                Token::Close(b']' | b')') => return Ok(()),
                Token::Open(b']' | b')', false) => self.micro_operation()?,
                token => return Err(unexpected("value", token, "a list of micro-operations")),
            }
        }
    }

    fn micro_operation(&mut self) -> Result<(), Problem> {
        match self.word("micro-operation")? {
            b"send" => self.send()?,
            b"poll" => return self.poll(),
            name => return Err(unexpected("micro-operation", Token::Atom(name), "`send` or `poll`")),
        }
        self.close("micro-operation")
    }

    fn send(&mut self) -> Result<(), Problem> {
        let token = self.scanner.untagged()?;
        let key = self.key(token)?;
        let (offset, value) = match self.scanner.untagged()? {
            Token::Open(b']' | b')', false) => self.pair()?,
            token => (None, self.scalar("value", token)?),
        };
        self.push(MicroOperation { action: Action::Send, key, offset, value })
    }

    fn poll(&mut self) -> Result<(), Problem> {
        match self.scanner.untagged()? {
            Token::Close(b']' | b')') => return Ok(()),
            Token::Atom(b"nil") => return self.close("micro-operation"),
            Token::Open(b'}', true) => {}
            token => return Err(unexpected("poll", token, "a map of keys to what was read")),
        }
        loop {
            let token = match self.scanner.untagged()? {
                Token::Close(b'}') => return self.close("micro-operation"),
                token => token,
            };
            let key = self.key(token)?;
            if self.list("poll")? {
                self.reads(key)?;
            }
        }
    }

    fn reads(&mut self, key: KeyId) -> Result<(), Problem> {
        loop {
            match self.scanner.untagged()? {
                Token::Close(b']' | b')') => return Ok(()),
                Token::Open(b']' | b')', false) => {
                    let (offset, value) = self.pair()?;
                    self.push(MicroOperation { action: Action::Read, key, offset, value })?;
                }
                token => return Err(unexpected("poll", token, "a list of [offset value]")),
            }
        }
    }

    /// `offset value]`: the rest of a pair.
    fn pair(&mut self) -> Result<(Option<u64>, Scalar), Problem> {
        let offset = match self.whole("offset")? {
            Some(offset) => Some(u64::try_from(offset).map_err(|_| negative(offset))?),
            None => None,
        };
        let token = self.scanner.untagged()?;
        let value = self.scalar("value", token)?;
        self.close("offset and value")?;
        Ok((offset, value))
    }

    fn key_list(&mut self) -> Result<(), Problem> {
        if !self.list("keys")? {
            return Ok(());
        }
        loop {
            match self.scanner.untagged()? {
                Token::Close(_) => return Ok(()),
                token => {
                    let key = self.key(token)?;
                    self.history.key_lists.push(key);
                }
            }
        }
    }

    /// `[{:keys [0 1]}]`.
    fn rebalance_log(&mut self) -> Result<(), Problem> {
        if !self.list("rebalance-log")? {
            return Ok(());
        }
        loop {
            match self.scanner.untagged()? {
                Token::Close(b']' | b')') => return Ok(()),
                Token::Open(b'}', true) => self.rebalance()?,
                token => return Err(unexpected("rebalance-log", token, "a list of maps with `keys`")),
            }
        }
    }

    fn rebalance(&mut self) -> Result<(), Problem> {
        loop {
            match self.scanner.untagged()? {
                Token::Close(b'}') => return Ok(()),
                Token::Atom(b":keys") => self.key_list()?,
                token => {
                    self.scanner.skip_rest(token)?;
                    self.scanner.skip_form()?;
                }
            }
        }
    }

    /// Enters a list or a set; false for nil.
    fn list(&mut self, field: &'static str) -> Result<bool, Problem> {
        match self.scanner.untagged()? {
            Token::Open(_, false) => Ok(true),
            Token::Atom(b"nil") => Ok(false),
            token => Err(unexpected(field, token, "a list")),
        }
    }

    fn close(&mut self, field: &'static str) -> Result<(), Problem> {
        match self.scanner.untagged()? {
            Token::Close(b']' | b')') => Ok(()),
            token => Err(unexpected(field, token, "complete: nothing more belongs here")),
        }
    }

    fn key(&mut self, token: Token<'a>) -> Result<KeyId, Problem> {
        if let Token::Text(text) = token {
            return self.history.named_key(&unescaped(text)?);
        }
        let scalar = self.scalar("key", token)?;
        self.history.key_id(scalar)
    }

    fn scalar(&mut self, field: &'static str, token: Token<'a>) -> Result<Scalar, Problem> {
        match token {
            Token::Atom(b"nil") => Err(unexpected(field, token, "something other than nil")),
            Token::Atom(atom) if is_number(atom) => match integer(atom) {
                Some(number) => Ok(Scalar::Integer(number)),
                // Fractions and floating-point numbers are only ever compared: their text is their name.
                None if is_fraction(atom) => self.history.named(as_text(atom)?),
                None => Err(unexpected(field, token, "a whole number of at most 64 bits, or a name")),
            },
            Token::Atom(text) => self.history.named(as_text(text)?),
            Token::Text(text) => self.history.named(&unescaped(text)?),
            _ => Err(unexpected(field, token, "a number or a name")),
        }
    }

    fn push(&mut self, micro: MicroOperation) -> Result<(), Problem> {
        length(self.history.micro.len(), "micro-operations")?;
        self.history.micro.push(micro);
        Ok(())
    }

    /// The line a byte stands on. Bytes come in ascending order, so each is looked at once.
    fn line_at(&mut self, text: &[u8], byte: usize) -> u64 {
        if byte < self.at {
            return 1 + newlines(&text[..byte]);
        }
        self.line += newlines(&text[self.at..byte]);
        self.at = byte;
        self.line
    }
}

fn newlines(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn is_number(atom: &[u8]) -> bool {
    match atom {
        [b'+' | b'-', digit, ..] | [digit, ..] => digit.is_ascii_digit(),
        [] => false,
    }
}

/// A whole number; `N` marks a big one that may still be small.
fn integer(atom: &[u8]) -> Option<i64> {
    let digits = atom.strip_suffix(b"N").unwrap_or(atom);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `1/3`, `0.5`, `1e9`, `2M`.
fn is_fraction(atom: &[u8]) -> bool {
    atom.iter().any(|byte| matches!(byte, b'/' | b'.' | b'e' | b'E' | b'M'))
}

fn as_text(text: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(text).map_err(|_| Problem::Syntax(String::from("a name that is not UTF-8")))
}

/// What a string says; its quotes are off already.
fn unescaped(text: &[u8]) -> Result<Cow<'_, str>, Problem> {
    let text = as_text(text)?;
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('u') => {
                    let code = u32::from_str_radix(&characters.by_ref().take(4).collect::<String>(), 16).ok();
                    code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        });
    }
    Ok(Cow::Owned(plain))
}

pub(crate) fn negative(offset: i64) -> Problem {
    Problem::Field { field: "offset", found: offset.to_string(), wanted: "null, or a whole number from 0" }
}

fn unexpected(field: &'static str, token: Token<'_>, wanted: &'static str) -> Problem {
    let found = match token {
        Token::Open(_, true) => String::from("a map"),
        Token::Open(..) => String::from("a list"),
        Token::Close(close) => format!("missing (`{}` stands there)", close as char),
        Token::Text(text) => format!("\"{}\"", shown(text)),
        Token::Atom(text) => format!("`{}`", shown(text)),
        Token::Tag(text) => format!("the tag `#{}`", shown(text)),
        Token::End => return Problem::CutOff,
    };
    Problem::Field { field, found, wanted }
}
