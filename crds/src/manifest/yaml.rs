//! YAML text to documents: the parser's events, each put into the tree of its document.

use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span};
use serde_json::Value;

use super::{
    error::{Fault, LoadError},
    files::Text,
    place::{Location, Source, Spot},
    scalar::{self, Tag},
    tree::{DEPTH_MAX, Tree},
};

/// A document that is not empty.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) source: Source,
}

/// The documents of a text, as far as it is YAML.
pub(super) fn read(text: &Text, errors: &mut Vec<LoadError>) -> Vec<Document> {
    let options = granit_parser::options! {
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
        // Kubernetes' reader knows no limit; a key of JSON may be long.
        simple_key_max_lookahead: 64 * 1024,
    };
    let mut reader = Reader {
        file: Arc::clone(&text.file),
        tree: Tree::default(),
        documents: Vec::new(),
    };
    for event in Parser::new_from_str_with_options(&text.text, options) {
        let step = match event {
            Ok((event, span)) => reader.event(event, span),
            Err(error) => Err(syntax(&error)),
        };
        if let Err((spot, fault)) = step {
            errors.push(reader.error(spot, fault));
            break;
        }
        // A duplicate key, which lets the reading go on.
        errors.extend(
            reader
                .tree
                .repeated
                .drain(..)
                .map(|(spot, fault)| error(&text.file, spot, fault)),
        );
    }
    reader.documents
}

struct Reader {
    file: Arc<str>,
    tree: Tree,
    documents: Vec<Document>,
}

impl Reader {
    fn error(&self, spot: Spot, fault: Fault) -> LoadError {
        error(&self.file, spot, fault)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), (Spot, Fault)> {
        let spot = spot(span.start);
        let step = match event {
            Event::DocumentEnd => {
                // Values of earlier documents count on: the bound is one of the file.
                let (value, place) = self.tree.finish();
                if !value.is_null() {
                    let source = Source::new(Arc::clone(&self.file), place);
                    self.documents.push(Document { value, source });
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => tag
                .as_deref()
                .map(asked)
                .transpose()
                .and_then(|tag| self.scalar(&text, style, tag, anchor, spot)),
            Event::Alias(anchor) => self.tree.alias(anchor, spot),
            Event::SequenceStart(_, anchor, _) => self.tree.begin_sequence(anchor, spot),
            Event::MappingStart(_, anchor, _) => self.tree.begin_mapping(anchor, spot),
            Event::SequenceEnd | Event::MappingEnd => self.tree.end(),
            _ => Ok(()),
        };
        step.map_err(|fault| (spot, fault))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<Tag>,
        anchor: usize,
        spot: Spot,
    ) -> Result<(), Fault> {
        let bare = style == ScalarStyle::Plain;
        if bare && tag.is_none() && text == "<<" && self.tree.expects_key() {
            self.tree.merge_key();
            return Ok(());
        }
        let tag = if bare || tag.is_some() {
            tag
        } else {
            Some(Tag::String)
        };
        let value = scalar::resolve(text, tag).map_err(Fault::Value)?;
        self.tree.scalar(value, anchor, spot)
    }
}

/// The type that a tag asks for; a tag that Kubernetes has no type for is refused.
fn asked(tag: &granit_parser::Tag) -> Result<Tag, Fault> {
    match tag.core_suffix() {
        Some("bool") => Ok(Tag::Boolean),
        Some("float") => Ok(Tag::Float),
        Some("int") => Ok(Tag::Integer),
        Some("null") => Ok(Tag::Null),
        Some("str") => Ok(Tag::String),
        // `!` alone says: not resolved, so a string.
        None if tag.suffix().is_empty() && tag.handle() == "!" => Ok(Tag::String),
        _ => {
            let written = format!("{}{}", tag.original_handle(), tag.suffix());
            Err(Fault::Value(format!(
                "the tag {written} has no meaning here (take it out)"
            )))
        }
    }
}

fn syntax(error: &ScanError) -> (Spot, Fault) {
    let mend = match error.kind() {
        ErrorKind::TabInBlockIndentation | ErrorKind::TabNotAllowed => {
            "indent with spaces instead of tabs"
        }
        ErrorKind::UnknownAnchor => {
            "define the anchor above, or put the text in quotes if '*' begins it"
        }
        ErrorKind::UnclosedFlowCollection { .. } => "close the bracket or brace",
        ErrorKind::UnclosedQuotedScalar => "close the quote",
        _ => {
            "look at the indentation and the quotes of this line and of the one above; put texts with ': ' or ' #' in quotes"
        }
    };
    (
        spot(*error.marker()),
        Fault::Syntax {
            problem: error.info(),
            mend,
        },
    )
}

fn spot(marker: Marker) -> Spot {
    Spot {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn error(file: &Arc<str>, spot: Spot, fault: Fault) -> LoadError {
    let at = Location {
        file: Arc::clone(file),
        line: spot.line,
        column: spot.column,
    };
    LoadError { at, fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// kubectl reads the generated definitions as it reads manifests: no bare word may turn into a boolean.
    #[test]
    fn generated_definitions_are_read_as_written() {
        for (definition, (file, text)) in crate::definitions().iter().zip(crate::generated()) {
            let mut errors = Vec::new();
            let documents = read(
                &Text {
                    file: file.into(),
                    text,
                },
                &mut errors,
            );
            assert!(errors.is_empty(), "{errors:?}");
            let again = serde_json::from_value(documents[0].value.clone());
            assert_eq!(again.ok().as_ref(), Some(definition));
        }
    }
}
