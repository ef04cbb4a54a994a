//! What others call themselves, fit to stand among our own words: in its own direction of writing, and nothing hidden in it.
//!
//! In a sentence a [`Name`] stands between isolates (UAX #9), which the page writes as `<bdi>` where it can have elements, and keeps
//! where it cannot, as in its title.

use std::fmt::{self, Write as _};

use minijinja::{HtmlEscape, Value};
use mintage_core::text;

const ISOLATE: char = '\u{2068}';
const POP: char = '\u{2069}';

/// The name of a tenant, application, API, connection or user, or another text of theirs. Nothing is known of it but that it is UTF-8:
/// objects may be older than their schema, and providers say of their users what they like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// A name as it was given.
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// This name if anything of it is seen, else another.
    #[must_use]
    pub fn or(self, other: &'a str) -> Self {
        if self.shows() { self } else { Self(other) }
    }

    /// Whether anything of it is seen.
    pub fn shows(self) -> bool {
        text::shows(self.0)
    }

    /// Without isolates: for the value of a field, which has its own direction anyhow.
    pub(super) fn alone(self) -> String {
        text::legible(self.0).collect()
    }

    /// As HTML.
    pub(super) fn html(self) -> Value {
        html(&self.to_string())
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(ISOLATE)?;
        text::legible(self.0).try_for_each(|letter| f.write_char(letter))?;
        f.write_char(POP)
    }
}

/// A sentence with names in it, as HTML. Names have no isolates of their own, so each of those is of the sentence.
pub fn html(sentence: &str) -> Value {
    let escaped = HtmlEscape(sentence).to_string();
    Value::from_safe_string(escaped.replace(ISOLATE, "<bdi>").replace(POP, "</bdi>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_turns_nothing_around_it() {
        let name = Name::new("\u{202e}elgooG\u{202c} \u{2069}<b>evil");
        let sentence = format!("{name} asks for access");
        assert_eq!(sentence, "\u{2068}elgooG <b>evil\u{2069} asks for access");
        assert_eq!(
            html(&sentence).as_str(),
            Some("<bdi>elgooG &lt;b&gt;evil</bdi> asks for access")
        );
        assert_eq!(name.alone(), "elgooG <b>evil");
    }

    #[test]
    fn a_name_of_which_nothing_is_seen_is_none() {
        for blank in ["", "   ", "\u{200b}", "\u{85}", "\u{202e}\u{3164}"] {
            assert_eq!(Name::new(blank).or("shop"), Name::new("shop"));
        }
        assert_eq!(Name::new("é").or("shop"), Name::new("é"));
    }
}
