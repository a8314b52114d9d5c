//! What every page has around its content.

use delivery_checks::picture::ChangeKind;

use super::marks::{change_class, shape};
use super::markup::Markup;
use crate::publication::Outcome;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Nothing is fetched, from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A whole page; `content` writes what is in its body.
pub(super) fn page(title: &str, content: impl FnOnce(&mut Markup)) -> String {
    let mut markup = Markup::new();
    markup.declaration("<!DOCTYPE html>\n");
    markup.element("html", &[("lang", "en"), ("xmlns", "http://www.w3.org/1999/xhtml")], |markup| {
        markup.element("head", &[], |markup| {
            markup.empty("meta", &[("charset", "utf-8")]);
            markup.empty("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
            markup.empty("meta", &[("name", "color-scheme"), ("content", "light dark")]);
            markup.empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
            // Without an icon of its own a browser would ask for one.
            markup.empty("link", &[("rel", "icon"), ("href", "data:,")]);
            markup.leaf("title", &[], title);
            markup.element("style", &[], |markup| markup.verbatim(STYLE));
        });
        markup.line_break();
        markup.element("body", &[], |markup| {
            markup.leaf("a", &[("class", "skip"), ("href", "#main")], "Skip to the content");
            content(markup);
            markup.element("script", &[], |markup| markup.verbatim(SCRIPT));
        });
    });
    markup.line_break();
    markup.finish()
}

/// What style an outcome has.
pub(super) const fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Violated => "violated",
        Outcome::Inconclusive => "inconclusive",
        Outcome::AsAdvertised => "advertised",
        Outcome::Holds => "holds",
    }
}

/// The outcome of a result, with its mark.
pub(super) fn badge(outcome: Outcome, markup: &mut Markup) {
    markup.element("span", &[("class", &format!("badge {}", outcome_class(outcome)))], |markup| {
        markup.leaf("span", &[("aria-hidden", "true")], &format!("{} ", outcome.mark()));
        markup.text(outcome.label());
    });
}

/// What the lines and marks of the pictures mean.
pub(super) fn legend(markup: &mut Markup) {
    const LINES: [(&str, &str, &str); 9] = [
        ("acked-area", "acked-line", "acked, messages a second"),
        ("failures-area", "", "failed, or may be stored"),
        ("", "delivered-line", "delivered"),
        ("lost", "", "acked here, and lost"),
        ("", "send-line", "send: median time to the ack"),
        ("", "send-max-line", "send: longest"),
        ("", "age-line", "age at delivery: median"),
        ("fault", "", "a fault is on"),
        ("", "phase-line", "load has ended: recover, drain"),
    ];
    const MARKS: [(ChangeKind, &str); 4] = [
        (ChangeKind::Leader, "another leader"),
        (ChangeKind::InSync, "other in-sync replicas, or another quorum"),
        (ChangeKind::Controller, "another controller"),
        (ChangeKind::Members, "other members"),
    ];
    markup.element("ul", &[("class", "legend"), ("aria-label", "Legend of the pictures")], |markup| {
        for (area, line, words) in LINES {
            item(markup, words, |markup| {
                if area == "fault" {
                    markup.element("g", &[("class", "fault")], |markup| {
                        markup.empty("rect", &[("width", "28"), ("height", "14")]);
                    });
                } else if !area.is_empty() {
                    markup.empty("path", &[("class", area), ("d", "M2 13V5H26V13Z")]);
                }
                if !line.is_empty() {
                    markup.empty("path", &[("class", line), ("d", "M2 9V5H14V9H26")]);
                }
            });
        }
        for (kind, words) in MARKS {
            item(markup, words, |markup| {
                markup.element("g", &[("class", "change")], |markup| {
                    markup.empty("path", &[("class", change_class(kind)), ("d", &shape(kind, 14.0, 7.0))]);
                });
            });
        }
    });
}

fn item(markup: &mut Markup, words: &str, swatch: impl FnOnce(&mut Markup)) {
    markup.element("li", &[], |markup| {
        let attributes = [
            ("viewBox", "0 0 28 14"),
            ("class", "swatch"),
            ("aria-hidden", "true"),
            ("xmlns", "http://www.w3.org/2000/svg"),
        ];
        markup.element("svg", &attributes, swatch);
        markup.text(" ");
        markup.text(words);
    });
}

#[cfg(test)]
mod tests {
    use super::{SCRIPT, STYLE};

    #[test]
    fn style_and_script_can_stand_in_a_page_as_they_are() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains(['<', '&']), "XML would need these escaped, and HTML would not unescape them");
            assert!(
                !text.contains("url(") && !text.contains("http") && !text.contains("@import"),
                "nothing is fetched"
            );
        }
    }
}
