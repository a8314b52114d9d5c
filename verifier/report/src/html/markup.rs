//! Markup that is well-formed by construction, as XML and as HTML: elements close themselves, text from elsewhere stays text.

use crate::words::clean;

/// Attributes of an element: names and values.
pub(crate) type Attributes<'a> = [(&'static str, &'a str)];

/// Markup as it grows.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    text: String,
}

impl Markup {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// What stands before the first element.
    pub(crate) fn declaration(&mut self, declaration: &'static str) {
        self.text.push_str(declaration);
    }

    /// An element and what is in it.
    pub(crate) fn element(&mut self, name: &'static str, attributes: &Attributes<'_>, inside: impl FnOnce(&mut Self)) {
        self.open(name, attributes);
        self.text.push('>');
        inside(self);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// An element with text in it.
    pub(crate) fn leaf(&mut self, name: &'static str, attributes: &Attributes<'_>, text: &str) {
        self.element(name, attributes, |markup| markup.text(text));
    }

    /// An element that never has anything in it.
    pub(crate) fn empty(&mut self, name: &'static str, attributes: &Attributes<'_>) {
        self.open(name, attributes);
        self.text.push_str(" />");
    }

    /// Text.
    pub(crate) fn text(&mut self, text: &str) {
        escape(text, &mut self.text);
    }

    /// A name made of many parts, which may be broken before each of them.
    pub(crate) fn name(&mut self, name: &str) {
        for (place, part) in name.split_inclusive(['+', ',']).enumerate() {
            if place > 0 {
                self.empty("wbr", &[]);
            }
            self.text(part);
        }
    }

    /// The inside of a `style` or `script` element: HTML does not unescape it, so it may hold nothing that XML would have escaped.
    pub(crate) fn verbatim(&mut self, text: &'static str) {
        debug_assert!(!text.contains(['<', '&']), "neither may stand in an inline style or script");
        self.text.push_str(text);
    }

    /// A whole element of a page that was written by this very type.
    pub(crate) fn written_before(&mut self, element: &str) {
        self.text.push_str(element);
    }

    /// Breaks the line, for whoever looks at the source.
    pub(crate) fn line_break(&mut self) {
        self.text.push('\n');
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn open(&mut self, name: &'static str, attributes: &Attributes<'_>) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            escape(value, &mut self.text);
            self.text.push('"');
        }
    }
}

/// No control characters (XML has no way to say them), nothing that changes direction, nothing that is markup.
fn escape(text: &str, into: &mut String) {
    for c in clean(text, true).chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            // Neither is a character to XML.
            '\u{fffe}' | '\u{ffff}' => into.push('\u{fffd}'),
            _ => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Markup;

    #[test]
    fn text_from_elsewhere_stays_text() {
        let mut markup = Markup::new();
        markup.element("p", &[("title", "a\"b'<c>&d\u{0}\u{202e}")], |markup| {
            markup.text("</p><script>alert(1)</script>&amp;\u{1b}\u{ffff}");
            markup.empty("br", &[]);
        });
        assert_eq!(
            markup.finish(),
            "<p title=\"a&quot;b&#39;&lt;c&gt;&amp;d \">&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp; \u{fffd}<br /></p>"
        );
    }
}
