//! As much of an XML parser as it takes to refuse what is not well-formed, and to walk through what is.

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// This one and all within it, in the order of the page.
    pub(crate) fn all(&self) -> Vec<&Element> {
        let mut all = vec![self];
        self.elements().for_each(|element| all.extend(element.all()));
        all
    }

    pub(crate) fn named(&self, name: &str) -> Vec<&Element> {
        self.all().into_iter().filter(|element| element.name == name).collect()
    }

    pub(crate) fn with_id(&self, id: &str) -> Option<&Element> {
        self.all().into_iter().find(|element| element.attribute("id") == Some(id))
    }

    pub(crate) fn text(&self) -> String {
        let texts = self.children.iter().map(|node| match node {
            Node::Element(element) => element.text(),
            Node::Text(text) => text.clone(),
        });
        texts.collect()
    }
}

/// The root of a document, or what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Element, String> {
    if let Some(c) =
        text.chars().find(|c| (*c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}'))
    {
        return Err(format!("{c:?} is no character of XML"));
    }
    let mut rest = text;
    for (start, end) in [("<?xml", "?>"), ("<!DOCTYPE", ">")] {
        rest = rest.trim_start();
        if rest.starts_with(start) {
            rest = &rest[rest.find(end).ok_or("a declaration has no end")? + end.len()..];
        }
    }
    let mut parser = Parser { rest: rest.trim_start() };
    let root = parser.element()?;
    match parser.rest.trim() {
        "" => Ok(root),
        more => Err(format!("after the end: {more:.40}")),
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, expected: &str) -> Result<(), String> {
        self.rest =
            self.rest.strip_prefix(expected).ok_or_else(|| format!("expected {expected:?} at {:.40}", self.rest))?;
        Ok(())
    }

    fn name(&mut self) -> Result<String, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_:".contains(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if name.is_empty() { Err(format!("expected a name at {rest:.40}")) } else { Ok(name.to_owned()) }
    }

    fn element(&mut self) -> Result<Element, String> {
        self.take("<")?;
        let mut element = Element { name: self.name()?, ..Element::default() };
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("/>") {
                self.take("/>")?;
                return Ok(element);
            }
            if self.rest.starts_with('>') {
                self.take(">")?;
                break;
            }
            let name = self.name()?;
            self.take("=\"")?;
            let end = self.rest.find('"').ok_or("an attribute has no end")?;
            let value = unescape(&self.rest[..end])?;
            self.rest = &self.rest[end + 1..];
            if element.attribute(&name).is_some() {
                return Err(format!("{name} stands twice in {}", element.name));
            }
            element.attributes.push((name, value));
        }
        self.inside(&mut element)?;
        Ok(element)
    }

    fn inside(&mut self, element: &mut Element) -> Result<(), String> {
        loop {
            let end = self.rest.find('<').ok_or_else(|| format!("{} has no end", element.name))?;
            if end > 0 {
                element.children.push(Node::Text(unescape(&self.rest[..end])?));
                self.rest = &self.rest[end..];
            }
            if self.rest.starts_with("</") {
                self.take("</")?;
                let name = self.name()?;
                self.take(">")?;
                return if name == element.name { Ok(()) } else { Err(format!("{name} ends {}", element.name)) };
            }
            element.children.push(Node::Element(self.element()?));
        }
    }
}

fn unescape(text: &str) -> Result<String, String> {
    if text.contains('<') {
        return Err(format!("a bare < in {text:.40}"));
    }
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, rest) = part.split_once(';').ok_or_else(|| format!("a bare & before {part:.40}"))?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            other => return Err(format!("unknown entity {other}")),
        });
        plain.push_str(rest);
    }
    Ok(plain)
}

#[test]
fn the_parser_refuses_what_is_not_well_formed() {
    assert!(parse("<!DOCTYPE html>\n<a b=\"&quot;\"><c />x &lt; y</a>\n").is_ok());
    for broken in [
        "<a><b></a></b>",
        "<a>",
        "<a>&nbsp;</a>",
        "<a>x & y</a>",
        "<a b=c></a>",
        "<a b=\"1\" b=\"2\"></a>",
        "<a b=\"<\"></a>",
        "<a></a><b></b>",
        "<a>\u{1}</a>",
        "<a b></a>",
        "",
    ] {
        assert!(parse(broken).is_err(), "{broken}");
    }
}
