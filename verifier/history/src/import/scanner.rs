//! Tokens of EDN, without a copy and without recursion. The crates for EDN build a tree of every form (big numbers,
//! sorted maps) and recurse as deep as the file tells them to; a history is long, flat and not to be trusted.

use super::error::Problem;

/// No history nests deeper; what does is refused before it costs memory.
pub(crate) const MAX_DEPTH: usize = 256;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// `[`, `(`, `{` or `#{`, as the byte that closes it; true for a map.
    Open(u8, bool),
    /// `]`, `)` or `}`.
    Close(u8),
    /// A string, without its quotes, escapes as they stand.
    Text(&'a [u8]),
    /// A number, symbol, keyword or character.
    Atom(&'a [u8]),
    /// `#tag`: belongs to the form that follows.
    Tag(&'a [u8]),
    /// Nothing is left.
    End,
}

/// Where reading stands in a text.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    /// Byte that comes next.
    pub(crate) at: usize,
}

impl<'a> Scanner<'a> {
    /// At a byte of a text.
    pub(crate) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// The next token that is neither a comment nor discarded (`#_`) nor metadata.
    pub(crate) fn token(&mut self) -> Result<Token<'a>, Problem> {
        loop {
            match self.raw()? {
                Raw::Token(token) => return Ok(token),
                Raw::Skip => self.skip_form()?,
            }
        }
    }

    /// The next token that is no tag.
    pub(crate) fn untagged(&mut self) -> Result<Token<'a>, Problem> {
        let mut tagged = false;
        loop {
            match self.token()? {
                Token::Tag(_) => tagged = true,
                Token::End if tagged => return Err(Problem::CutOff),
                Token::Close(close) if tagged => {
                    return Err(Problem::Syntax(format!("a tag with nothing behind it but `{}`", close as char)));
                }
                token => return Ok(token),
            }
        }
    }

    /// Goes past one whole form, and past what is discarded (`#_`) or metadata before it.
    pub(crate) fn skip_form(&mut self) -> Result<(), Problem> {
        let mut forms = 1_u64;
        while forms > 0 {
            match self.raw()? {
                Raw::Skip => forms += 1,
                Raw::Token(Token::Tag(_)) => {}
                Raw::Token(token) => {
                    self.skip_rest(token)?;
                    forms -= 1;
                }
            }
        }
        Ok(())
    }

    /// Goes past the rest of the form that begins with `first`.
    pub(crate) fn skip_rest(&mut self, first: Token<'a>) -> Result<(), Problem> {
        match first {
            Token::Text(_) | Token::Atom(_) => Ok(()),
            _ => self.skip_nested(first),
        }
    }

    fn skip_nested(&mut self, first: Token<'a>) -> Result<(), Problem> {
        let mut open = [0_u8; MAX_DEPTH];
        let mut depth = 0;
        let mut token = first;
        loop {
            match token {
                Token::Open(close, _) => {
                    *open.get_mut(depth).ok_or(Problem::TooDeep(MAX_DEPTH))? = close;
                    depth += 1;
                }
                Token::Close(close) => {
                    if depth == 0 || open[depth - 1] != close {
                        return Err(Problem::Syntax(format!("`{}` closes nothing", close as char)));
                    }
                    depth -= 1;
                }
                Token::End => return Err(Problem::CutOff),
                Token::Text(_) | Token::Atom(_) | Token::Tag(_) => {}
            }
            if depth == 0 {
                return Ok(());
            }
            token = self.inner()?;
        }
    }

    /// Inside a form that is skipped, what is tagged or discarded is skipped like all else.
    fn inner(&mut self) -> Result<Token<'a>, Problem> {
        loop {
            match self.raw()? {
                Raw::Token(Token::Tag(_)) | Raw::Skip => {}
                Raw::Token(token) => return Ok(token),
            }
        }
    }

    fn raw(&mut self) -> Result<Raw<'a>, Problem> {
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Ok(Raw::Token(Token::End));
            };
            match CLASS[byte as usize] {
                BLANK => self.at += 1,
                ATOM => return Ok(Raw::Token(Token::Atom(self.atom()))),
                _ if byte == b';' => self.comment(),
                _ => return self.special(byte),
            }
        }
    }

    fn comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }

    fn atom(&mut self) -> &'a [u8] {
        let begin = self.at;
        self.at += 1;
        while self.text.get(self.at).is_some_and(|byte| CLASS[*byte as usize] == ATOM || *byte == b'#') {
            self.at += 1;
        }
        &self.text[begin..self.at]
    }

    fn special(&mut self, byte: u8) -> Result<Raw<'a>, Problem> {
        self.at += 1;
        let token = match byte {
            b'[' => Token::Open(b']', false),
            b'(' => Token::Open(b')', false),
            b'{' => Token::Open(b'}', true),
            b']' | b')' | b'}' => Token::Close(byte),
            b'"' => Token::Text(self.string()?),
            b'^' => return Ok(Raw::Skip),
            b'\\' => {
                // The character itself may be a bracket.
                let begin = self.at - 1;
                self.at = (self.at + 1).min(self.text.len());
                while self.text.get(self.at).is_some_and(|byte| CLASS[*byte as usize] == ATOM) {
                    self.at += 1;
                }
                Token::Atom(&self.text[begin..self.at])
            }
            b'#' => return self.dispatch(),
            _ => return Err(Problem::Syntax(format!("byte {byte:#04x} begins nothing in EDN"))),
        };
        Ok(Raw::Token(token))
    }

    fn dispatch(&mut self) -> Result<Raw<'a>, Problem> {
        match self.text.get(self.at) {
            Some(b'_') => {
                self.at += 1;
                Ok(Raw::Skip)
            }
            Some(b'{') => {
                self.at += 1;
                Ok(Raw::Token(Token::Open(b'}', false)))
            }
            Some(b'#') => {
                // `##Inf` and the like.
                let atom = self.atom();
                Ok(Raw::Token(Token::Atom(atom)))
            }
            Some(byte) if CLASS[*byte as usize] == ATOM => {
                let tag = self.atom();
                Ok(Raw::Token(Token::Tag(tag)))
            }
            Some(_) => Err(Problem::Syntax(String::from("`#` stands before nothing EDN knows"))),
            None => Err(Problem::CutOff),
        }
    }

    fn string(&mut self) -> Result<&'a [u8], Problem> {
        let begin = self.at;
        loop {
            match self.text.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(Problem::CutOff),
            }
        }
        self.at += 1;
        Ok(&self.text[begin..self.at - 1])
    }
}

enum Raw<'a> {
    Token(Token<'a>),
    /// The form that follows is not part of the text.
    Skip,
}

const ATOM: u8 = 0;
const BLANK: u8 = 1;
const SPECIAL: u8 = 2;

/// What a byte can begin. Bytes beyond ASCII are parts of names.
const CLASS: [u8; 256] = {
    let mut class = [ATOM; 256];
    let mut byte = 0;
    while byte <= b' ' as usize {
        class[byte] = BLANK;
        byte += 1;
    }
    class[b',' as usize] = BLANK;
    let special = b"[](){}\"^\\#;";
    let mut place = 0;
    while place < special.len() {
        class[special[place] as usize] = SPECIAL;
        place += 1;
    }
    class
};
