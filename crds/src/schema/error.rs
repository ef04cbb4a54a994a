//! What is wrong with a field, in the API server's words.

use std::fmt;

use mintage_core::text;
use serde_json::Value;

/// One thing that is wrong with an object. Displayed as the API server writes it, with the field's path first.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}{}", Prefix(path), self.body())]
pub struct FieldError {
    /// The field, as the API server writes it: `spec.grants[0].scopes[1]`. Empty for the whole object.
    pub path: String,
    /// What kind of fault it is.
    pub kind: ErrorKind,
    /// The value at fault, where it helps to see it.
    pub value: Option<Value>,
    /// The API server's words.
    pub detail: String,
    /// What to do about it; empty where `detail` says it.
    pub mend: String,
}

/// The kinds of faults that the API server tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// A value that must be unique is there twice.
    Duplicate,
    /// The value breaks a pattern, a bound or a rule.
    Invalid,
    /// The value is none of those listed.
    NotSupported,
    /// A field is missing.
    Required,
    /// A string is too long.
    TooLong,
    /// A list or map has too many entries.
    TooMany,
    /// The value has the wrong type.
    TypeInvalid,
    /// The schema has no such field.
    UnknownField,
}

impl ErrorKind {
    /// Whether the API server leaves out CEL rules after a fault of this kind, since they could not be trusted to
    /// evaluate.
    pub(super) const fn blocks_rules(self) -> bool {
        match self {
            Self::NotSupported
            | Self::Required
            | Self::TooLong
            | Self::TooMany
            | Self::TypeInvalid => true,
            Self::Duplicate | Self::Invalid | Self::UnknownField => false,
        }
    }

    /// The API server's words for it, with which each of its texts begins.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Required => "Required value",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::UnknownField => "Unknown field",
        }
    }
}

impl FieldError {
    pub(super) fn new(
        path: impl Into<String>,
        kind: ErrorKind,
        value: Option<Value>,
        detail: String,
    ) -> Self {
        Self {
            path: path.into(),
            kind,
            value,
            detail,
            mend: String::new(),
        }
    }

    pub(super) fn invalid(path: impl Into<String>, value: Value, detail: String) -> Self {
        Self::new(path, ErrorKind::Invalid, Some(value), detail)
    }

    pub(super) fn mend(mut self, mend: impl Into<String>) -> Self {
        self.mend = mend.into();
        self
    }

    /// The text without the path: kind, value and detail.
    pub fn body(&self) -> String {
        let mut body = self.kind.as_str().to_owned();
        for part in [
            self.value.as_ref().map(shown).unwrap_or_default(),
            self.detail.clone(),
        ] {
            if !part.is_empty() {
                body.push_str(": ");
                body.push_str(&part);
            }
        }
        body
    }
}

struct Prefix<'a>(&'a str);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, "{}: ", Shown(self.0))
        }
    }
}

/// A value as part of a line of text: JSON, with what is very long cut off.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 256;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", Shown(&text[..end])),
        None => Shown(&text).to_string(),
    }
}

/// A text as part of a line: characters that a terminal would act on are escaped, since it may come from anybody.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if text::is_hidden(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_like_the_api_server() {
        let error = FieldError::invalid("spec.domain", json!("A"), "must be lower case".to_owned());
        assert_eq!(
            error.to_string(),
            r#"spec.domain: Invalid value: "A": must be lower case"#
        );
        let error = FieldError::new("", ErrorKind::Required, None, String::new());
        assert_eq!(error.to_string(), "Required value");
    }

    #[test]
    fn long_values_are_cut() {
        let error = FieldError::invalid("x", json!("é".repeat(100_000)), String::new());
        assert!(error.to_string().len() < 600);
    }

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        let error = FieldError::invalid(
            "x",
            json!("a\u{1b}[31m\u{7f}\u{9b}\u{202e}\n"),
            String::new(),
        );
        assert_eq!(
            error.to_string(),
            r#"x: Invalid value: "a\u001b[31m\u{7f}\u{9b}\u{202e}\n""#
        );
        let error = FieldError::invalid("spec.a\tb\u{1b}", json!(1), String::new());
        assert_eq!(error.to_string(), r"spec.a\u{9}b\u{1b}: Invalid value: 1");
    }
}
