//! The Secret with the users, and the file that it is in.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mintage_core::endpoint::{InvalidUser, User, Users};
use mintage_core::{Namespace, ObjectName};
use mintage_crds::manifest::{self, Text};
use serde_json::{Value, json};

use crate::Failure;

/// A Secret of type `mintage.dev/users`.
pub struct Secret {
    namespace: String,
    name: String,
    entries: BTreeMap<String, Vec<u8>>,
}

impl Secret {
    /// One without users.
    pub fn new(namespace: &Namespace, name: &ObjectName) -> Self {
        Self {
            namespace: namespace.to_string(),
            name: name.to_string(),
            entries: BTreeMap::new(),
        }
    }

    /// The one that a file has, and nothing else; `None` if there is no file.
    pub fn read(file: &Path) -> Result<Option<Self>, Failure> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::Input(format!("{}: {error}", file.display()))),
        };
        let parsed = manifest::parse(&[Text {
            file: file.display().to_string().into(),
            text,
        }]);
        let manifests = parsed.map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::Input(lines.join("\n"))
        })?;
        let [found] = manifests.secrets.as_slice() else {
            return Err(Failure::Input(format!(
                "{} does not hold one Secret and nothing else; choose another --file",
                file.display()
            )));
        };
        Ok(Some(Self {
            namespace: found.object.namespace.clone(),
            name: found.object.name.clone(),
            entries: found.object.data.clone(),
        }))
    }

    /// Whether it has another place than the one that was asked for; that in words.
    pub fn differs(
        &self,
        namespace: Option<&Namespace>,
        name: Option<&ObjectName>,
    ) -> Option<String> {
        let here = format!("{}/{}", self.namespace, self.name);
        let is_same = namespace.is_none_or(|asked| asked.as_str() == self.namespace)
            && name.is_none_or(|asked| asked.as_str() == self.name);
        (!is_same).then_some(here)
    }

    /// A user, if the entry is one.
    pub fn user(&self, name: &str) -> Option<User> {
        serde_json::from_slice(self.entries.get(name)?).ok()
    }

    /// The users by name, each with what keeps them from signing in.
    pub fn users(&self) -> impl Iterator<Item = (&str, Option<User>, Option<InvalidUser>)> {
        let (_, mut wrong) = self.read_all();
        let all = self.entries.iter().filter(|(_, entry)| !entry.is_empty());
        all.map(move |(name, entry)| {
            let at = wrong.iter().position(|it| it.entry() == Some(name));
            // One whose name can be no user's is not told by it.
            let alone = || {
                let (_, wrong) = Users::read("users", [(name.as_str(), entry.as_slice())]);
                wrong.into_iter().next()
            };
            let wrong = at.map(|at| wrong.swap_remove(at)).or_else(alone);
            (name.as_str(), serde_json::from_slice(entry).ok(), wrong)
        })
    }

    fn read_all(&self) -> (Users, Vec<InvalidUser>) {
        let entries = self.entries.iter();
        let entries = entries.map(|(name, entry)| (name.as_str(), entry.as_slice()));
        Users::read("users", entries)
    }

    /// Puts a user in, in place of one of that name.
    pub fn put(&mut self, name: &str, user: &User) -> Result<(), Failure> {
        let entry = serde_json::to_vec(user).map_err(Failure::input)?;
        self.entries.insert(name.to_owned(), entry);
        Ok(())
    }

    /// Takes an entry out; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.entries.remove(name).is_some()
    }

    /// As a manifest: under `data`, since what is taken out of `stringData` stays in the cluster.
    pub fn to_yaml(&self) -> Result<String, Failure> {
        // What nobody could sign in by must not be written.
        let (_, wrong) = self.read_all();
        if let Some(error) = wrong.into_iter().next() {
            return Err(Failure::input(error));
        }
        let data: BTreeMap<_, _> = self
            .entries
            .iter()
            .map(|(name, entry)| (name, STANDARD.encode(entry)))
            .collect();
        let secret: Value = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": self.name, "namespace": self.namespace },
            "type": "mintage.dev/users",
            "data": data,
        });
        serde_yaml::to_string(&secret).map_err(Failure::input)
    }

    /// Writes it into a file.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        fs::write(file, self.to_yaml()?)
            .map_err(|error| Failure::Input(format!("{}: {error}", file.display())))
    }
}
