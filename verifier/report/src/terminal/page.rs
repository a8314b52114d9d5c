//! Lines of at most [`MAX_COLUMNS`] columns: wrapped, cleaned of what a terminal would obey, coloured last.

use owo_colors::{OwoColorize, Style as Paint};
use textwrap::{Options, WordSplitter};

use super::{MAX_COLUMNS, Style};
use crate::words::clean;

/// What a line means, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing special.
    Plain,
    /// An undocumented, promised or required loss.
    Broken,
    /// A documented loss.
    Documented,
    /// Not shown.
    Unshown,
    /// It held.
    Held,
}

impl Tone {
    fn paint(self) -> Option<Paint> {
        match self {
            Tone::Plain => None,
            Tone::Broken => Some(Paint::new().red()),
            Tone::Documented => Some(Paint::new().yellow()),
            Tone::Unshown => Some(Paint::new().cyan()),
            Tone::Held => Some(Paint::new().green()),
        }
    }
}

/// A page as it grows.
pub(super) struct Page {
    style: Style,
    text: String,
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        Self { style, text: String::new() }
    }

    /// Whether characters beyond ASCII may be used.
    pub(super) fn unicode(&self) -> bool {
        self.style.unicode
    }

    /// Text from elsewhere, fit for this page.
    pub(super) fn clean(&self, text: &str) -> String {
        clean(text, self.style.unicode)
    }

    /// One line that already fits.
    pub(super) fn line(&mut self, line: &str, tone: Tone) {
        let line = line.trim_end();
        match tone.paint().filter(|_| self.style.colour && !line.is_empty()) {
            Some(paint) => self.text.push_str(&line.style(paint).to_string()),
            None => self.text.push_str(line),
        }
        self.text.push('\n');
    }

    /// A paragraph; further lines are indented by `indent` columns.
    pub(super) fn paragraph(&mut self, text: &str, indent: usize, tone: Tone) {
        let hanging = " ".repeat(indent);
        let options = Options::new(MAX_COLUMNS)
            .subsequent_indent(&hanging)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(true);
        for line in textwrap::wrap(&self.clean(text), options) {
            self.line(&line, tone);
        }
    }

    /// A paragraph under a title in a column of its own.
    pub(super) fn titled(&mut self, title: &str, text: &str) {
        self.paragraph(&format!("{title}: {text}"), 2, Tone::Plain);
    }

    /// An empty line between parts, never two.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    pub(super) fn finish(self) -> String {
        let mut text = self.text;
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }
}
