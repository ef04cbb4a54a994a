//! A pod that is being changed, and the changes as a JSON patch (RFC 6902): one is made by the other, so they agree.

use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Value, json};

/// A pod that is being changed.
pub struct Draft {
    pod: Value,
    operations: Vec<PatchOperation>,
}

/// The way to a value: names of members.
type Path<'a> = &'a [&'a str];

impl Draft {
    /// Nothing changed yet.
    pub fn new(pod: Value) -> Self {
        Self {
            pod,
            operations: Vec::new(),
        }
    }

    /// The pod and what was changed.
    pub fn finish(self) -> (Value, json_patch::Patch) {
        (self.pod, json_patch::Patch(self.operations))
    }

    /// The items of an array; none if it is absent.
    pub fn items(&self, path: Path<'_>) -> &[Value] {
        let found = pointer(path, None).resolve(&self.pod).ok();
        found.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Gives the member of an object a value, and makes the object where it is absent.
    pub fn set(&mut self, object: Path<'_>, member: &str, value: Value) {
        let present = pointer(object, None).resolve(&self.pod).ok();
        let present = if let Some(Value::Object(members)) = present {
            members.get(member)
        } else {
            self.change(add(pointer(object, None), json!({})));
            None
        };
        let path = pointer(object, Some(member.into()));
        match present {
            Some(same) if *same == value => {}
            Some(_) => self.change(replace(path, value)),
            None => self.change(add(path, value)),
        }
    }

    /// Takes the member of an object away, where it is.
    pub fn unset(&mut self, object: Path<'_>, member: &str) {
        let path = pointer(object, Some(member.into()));
        if path.resolve(&self.pod).is_ok() {
            self.change(PatchOperation::Remove(RemoveOperation { path }));
        }
    }

    /// Puts an item into an array, which is made where it is absent.
    pub fn insert(&mut self, array: Path<'_>, index: usize, item: Value) {
        let operation = if self.items(array).is_empty() {
            add(pointer(array, None), json!([item]))
        } else {
            add(pointer(array, Some(index.into())), item)
        };
        self.change(operation);
    }

    /// Takes an item out of an array.
    pub fn remove(&mut self, array: Path<'_>, index: usize) {
        let path = pointer(array, Some(index.into()));
        self.change(PatchOperation::Remove(RemoveOperation { path }));
    }

    /// Gives the member of an array's item, an object, a value.
    pub fn set_in(&mut self, array: Path<'_>, index: usize, member: &str, value: Value) {
        let index = index.to_string();
        let object: Vec<&str> = array.iter().copied().chain([&*index]).collect();
        self.set(&object, member, value);
    }

    fn change(&mut self, operation: PatchOperation) {
        let applied = json_patch::patch(&mut self.pod, std::slice::from_ref(&operation));
        applied.expect("the place of a change was looked up before");
        self.operations.push(operation);
    }
}

fn pointer(path: Path<'_>, last: Option<Token<'_>>) -> PointerBuf {
    let tokens = path.iter().map(|name| Token::new(*name));
    PointerBuf::from_tokens(tokens.chain(last))
}

fn add(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path, value })
}

fn replace(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Replace(ReplaceOperation { path, value })
}
