//! Where things are: files, lines, and the fields of an object.

use std::{fmt, sync::Arc};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The file, as it was named or found.
    pub file: Arc<str>,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The column, from 1; 0 for the line as a whole.
    pub column: usize,
}

impl Location {
    pub(super) fn file(file: impl Into<Arc<str>>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
        }
    }
}

/// `file:line`, which editors and terminals understand.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)
        } else {
            Ok(())
        }
    }
}

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Where a value is, and the values in it. A tree, because a path for each value would take memory in the square of
/// the file's length.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) spot: Spot,
    /// In the order of the text; the names of fields, or none for items.
    pub(super) children: Vec<(Option<String>, Place)>,
}

impl Place {
    /// The place of the value at `path`, or of the nearest value around it.
    fn nearest(&self, path: &str) -> Spot {
        let (mut here, mut rest) = (self, path);
        while let Some((child, after)) = here.step(rest) {
            (here, rest) = (child, after);
        }
        here.spot
    }

    /// The child that `path` leads through, and the rest of the path.
    fn step<'a>(&self, path: &'a str) -> Option<(&Self, &'a str)> {
        if let Some((index, rest)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) {
            let (name, child) = self.children.get(index.parse::<usize>().ok()?)?;
            return name.is_none().then_some((child, rest));
        }
        let path = path.strip_prefix('.').unwrap_or(path);
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        self.children
            .iter()
            .filter_map(|(name, child)| Some((child, path.strip_prefix(name.as_deref()?)?)))
            .filter(|(_, rest)| ends(rest) && rest.len() < path.len())
            // The key of a label may have dots, and begin with another key: the longest one is meant.
            .min_by_key(|(_, rest)| rest.len())
    }
}

/// Where an object was written.
#[derive(Clone, Debug)]
pub struct Source {
    file: Arc<str>,
    root: Arc<Place>,
    /// The path of the object in its document: empty, or `items[3]` in a List.
    prefix: String,
}

impl Source {
    pub(super) fn new(file: Arc<str>, root: Place) -> Self {
        Self {
            file,
            root: Arc::new(root),
            prefix: String::new(),
        }
    }

    /// The same, for the object at `path` of this one.
    pub(super) fn inside(&self, path: &str) -> Self {
        Self {
            prefix: join(&self.prefix, path),
            ..self.clone()
        }
    }

    /// Where the field at `path` is written, for example `spec.grants[0].scopes`; the nearest field around it if it
    /// isn't. The whole object for an empty path.
    pub fn at(&self, path: &str) -> Location {
        let Spot { line, column } = self.root.nearest(&join(&self.prefix, path));
        Location {
            file: Arc::clone(&self.file),
            line,
            column,
        }
    }
}

fn join(prefix: &str, path: &str) -> String {
    match (prefix, path) {
        ("", _) => path.to_owned(),
        (_, "") => prefix.to_owned(),
        _ => format!("{prefix}.{path}"),
    }
}

/// An object and where it was written.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The object.
    pub object: T,
    /// Where it was written.
    pub source: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: usize, children: Vec<(Option<&str>, Place)>) -> Place {
        let children = children
            .into_iter()
            .map(|(name, child)| (name.map(str::to_owned), child))
            .collect();
        Place {
            spot: Spot { line, column: 1 },
            children,
        }
    }

    #[test]
    fn a_missing_field_is_where_it_would_be() {
        let labels = place(
            7,
            vec![
                (Some("b"), place(8, vec![])),
                (Some("b.c/d"), place(9, vec![])),
            ],
        );
        let spec = place(
            6,
            vec![
                (Some("a"), labels),
                (Some("list"), place(10, vec![(None, place(11, vec![]))])),
            ],
        );
        let item = place(5, vec![(Some("spec"), spec)]);
        let items = place(2, vec![(None, place(3, vec![])), (None, item)]);
        let document = Source::new("f.yaml".into(), place(1, vec![(Some("items"), items)]));
        let object = document.inside("items[1]");
        for (path, line) in [
            ("", 5),
            ("spec", 6),
            ("spec.a.b", 8),
            ("spec.a.b.c/d", 9),
            ("spec.a.bc", 7),
            ("spec.x.y[2].z", 6),
            ("spec.list[0].a", 11),
            ("spec.list[1]", 10),
            ("spec.list[99999999999999999999]", 10),
            ("spec[0]", 6),
            ("metadata.name", 5),
        ] {
            assert_eq!(object.at(path).line, line, "{path}");
        }
        assert_eq!(document.at("kind").to_string(), "f.yaml:1");
        assert_eq!(Location::file("f.yaml").to_string(), "f.yaml");
    }
}
