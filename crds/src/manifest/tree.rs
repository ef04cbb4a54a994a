//! Builds the JSON value of a document from its scalars, sequences, mappings and aliases, with bounds.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    error::Fault,
    place::{Place, Spot},
};

/// Kubernetes objects are not nested deeper, and what reads them recurses.
pub(super) const DEPTH_MAX: usize = 64;

/// What the values of one file may weigh, with each alias counted as what it stands for. A file without aliases that
/// is not too large and not all brackets stays below.
const WEIGHT_MAX: usize = 500_000;

/// The value of a document as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The mappings and sequences around what comes next, outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Value,
    place: Place,
    weight: usize,
    /// Keys that were there before.
    pub(super) repeated: Vec<(Spot, Fault)>,
}

/// A value whose end has been read.
#[derive(Clone, Debug)]
struct Node {
    value: Value,
    weight: usize,
    /// Levels in it: 0 for a scalar.
    depth: usize,
}

/// A mapping or sequence whose end has not been read.
#[derive(Debug)]
struct Open {
    anchor: usize,
    start: Spot,
    weight: usize,
    depth: usize,
    content: Content,
    /// Where the values in it are.
    places: Vec<(Option<String>, Place)>,
}

#[derive(Debug)]
enum Content {
    Mapping(Mapping),
    Sequence(Vec<Value>),
}

#[derive(Debug, Default)]
struct Mapping {
    fields: Map<String, Value>,
    /// Where each key is.
    keys: HashMap<String, Spot>,
    /// What `<<` brings in; the mapping's own fields go before it.
    merged: Vec<Value>,
    /// The key whose value comes next.
    key: Option<Key>,
}

#[derive(Debug)]
enum Key {
    Field(String),
    Merge,
}

impl Tree {
    /// The value of the document that ends here, and where the values in it are.
    pub(super) fn finish(&mut self) -> (Value, Place) {
        self.anchors.clear();
        (
            std::mem::take(&mut self.root),
            std::mem::take(&mut self.place),
        )
    }

    pub(super) fn scalar(&mut self, value: Value, anchor: usize, spot: Spot) -> Result<(), Fault> {
        let node = Node {
            weight: weight(&value),
            value,
            depth: 0,
        };
        self.weight += node.weight;
        self.put(
            node,
            anchor,
            Place {
                spot,
                children: Vec::new(),
            },
        )
    }

    pub(super) fn alias(&mut self, anchor: usize, spot: Spot) -> Result<(), Fault> {
        let node = self
            .anchors
            .get(&anchor)
            .ok_or(Fault::Alias("an alias stands for what it is in"))?;
        // Before the copy is made: a bomb must not go off to be counted.
        self.weight += node.weight;
        if self.weight > WEIGHT_MAX {
            return Err(Fault::Alias(
                "the aliases of the file stand for too many values",
            ));
        }
        let node = node.clone();
        self.put(
            node,
            0,
            Place {
                spot,
                children: Vec::new(),
            },
        )
    }

    pub(super) fn begin_mapping(&mut self, anchor: usize, start: Spot) -> Result<(), Fault> {
        self.begin(anchor, start, Content::Mapping(Mapping::default()))
    }

    pub(super) fn begin_sequence(&mut self, anchor: usize, start: Spot) -> Result<(), Fault> {
        self.begin(anchor, start, Content::Sequence(Vec::new()))
    }

    fn begin(&mut self, anchor: usize, start: Spot, content: Content) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Fault::Value(
                "values are nested too deep (write them flatter)".to_owned(),
            ));
        }
        self.weight += 1;
        self.open.push(Open {
            anchor,
            start,
            weight: 1,
            depth: 1,
            content,
            places: Vec::new(),
        });
        Ok(())
    }

    /// Ends the innermost mapping or sequence.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let Open {
            anchor,
            start,
            weight,
            depth,
            content,
            places,
        } = open;
        let value = match content {
            Content::Sequence(items) => Value::Array(items),
            Content::Mapping(Mapping {
                mut fields, merged, ..
            }) => {
                for (name, value) in merged.into_iter().flat_map(merge_fields) {
                    fields.entry(name).or_insert(value);
                }
                Value::Object(fields)
            }
        };
        self.put(
            Node {
                value,
                weight,
                depth,
            },
            anchor,
            Place {
                spot: start,
                children: places,
            },
        )
    }

    /// Whether the next value is the key of a mapping.
    pub(super) fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                content: Content::Mapping(Mapping { key: None, .. }),
                ..
            })
        )
    }

    /// Takes `<<` for the key that merges what follows into the mapping.
    pub(super) fn merge_key(&mut self) {
        if let Some(Open {
            content: Content::Mapping(mapping),
            ..
        }) = self.open.last_mut()
        {
            mapping.key = Some(Key::Merge);
        }
    }

    /// Puts a finished value where it belongs: into what is around it, as its key or value, or at the top.
    fn put(&mut self, node: Node, anchor: usize, mut place: Place) -> Result<(), Fault> {
        if anchor != 0 {
            // The copy counts, or anchors within anchors would multiply a large value.
            self.weight += node.weight;
            self.anchors.insert(anchor, node.clone());
        }
        if self.weight > WEIGHT_MAX {
            return Err(Fault::Value(
                "the file has too many values (split it)".to_owned(),
            ));
        }
        if self.open.len() + node.depth > DEPTH_MAX {
            return Err(Fault::Alias("an alias makes values nest too deep"));
        }
        if self.expects_key() {
            return self.key(&node.value, place.spot);
        }
        let Some(open) = self.open.last_mut() else {
            (self.root, self.place) = (node.value, place);
            return Ok(());
        };
        open.weight += node.weight;
        open.depth = open.depth.max(node.depth + 1);
        match &mut open.content {
            Content::Sequence(items) => {
                items.push(node.value);
                open.places.push((None, place));
            }
            Content::Mapping(mapping) => match mapping.key.take() {
                Some(Key::Field(name)) => {
                    // A field is where its key is.
                    place.spot = mapping.keys.get(&name).copied().unwrap_or(place.spot);
                    open.places.push((Some(name.clone()), place));
                    mapping.fields.insert(name, node.value);
                }
                // What `<<` brings in has no place of its own.
                Some(Key::Merge) if is_mergeable(&node.value) => mapping.merged.push(node.value),
                Some(Key::Merge) | None => {
                    let text = "'<<' takes a mapping or a list of mappings (give it one, or put it in quotes)";
                    return Err(Fault::Value(text.to_owned()));
                }
            },
        }
        Ok(())
    }

    fn key(&mut self, value: &Value, spot: Spot) -> Result<(), Fault> {
        let (name, weight) = (key(value)?, weight(value));
        if let Some(Open {
            content: Content::Mapping(mapping),
            weight: around,
            ..
        }) = self.open.last_mut()
        {
            *around += weight;
            if let Some(first) = mapping.keys.insert(name.clone(), spot) {
                self.repeated.push((
                    spot,
                    Fault::DuplicateKey {
                        key: name.clone(),
                        first: first.line,
                    },
                ));
            }
            mapping.key = Some(Key::Field(name));
        }
        Ok(())
    }
}

/// What a scalar weighs: one, and more if it is long.
fn weight(scalar: &Value) -> usize {
    1 + scalar.as_str().map_or(0, str::len) / 32
}

fn is_mergeable(value: &Value) -> bool {
    value.is_object()
        || value
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_object))
}

fn merge_fields(value: Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(fields) => fields.into_iter().collect(),
        Value::Array(items) => items.into_iter().flat_map(merge_fields).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// A key as JSON writes it.
fn key(value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null => Err(Fault::Value(
            "a key is empty (write a name before the colon)".to_owned(),
        )),
        Value::Array(_) | Value::Object(_) => Err(Fault::Value(
            "a key must be one word (put it in quotes if it is)".to_owned(),
        )),
    }
}
