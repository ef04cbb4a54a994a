//! `mintage users`: the users of a connection, as entries of a Secret.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use mintage_core::endpoint::{HashText, Profile, User, Users};
use mintage_core::{Namespace, ObjectName};
use mintage_crds::manifest::{self, Text};
use mintage_sidecar::clock;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::Failure;
use crate::output::{self, line};

/// Users of a tenant that signs them in itself, in a Secret: for small set-ups.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add(AddArgs),
}

/// Write a Secret with a user, or add the user to one that a file has.
///
/// The password comes from standard input, or is asked for on a terminal; what is written is its argon2id hash. A Tenant names
/// the Secret in spec.login.connections[].users.secretRef.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mintage users add ada --email ada@example.com --file examples/webapp/users.yaml\n  mintage users add ada --email ada@example.com -n identity --secret acme-users | kubectl apply --server-side -f -"
)]
struct AddArgs {
    /// The user's name: what `sub` ends with, for ever. Letters, digits, '-', '_' and '.'.
    #[arg(value_parser = entry_name)]
    user: String,
    /// The e-mail address, by which the user signs in as well.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The name for people.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// A file with the Secret, and nothing else; it is written anew. Without it the Secret goes to standard output.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The Secret's namespace, which is the tenant's.
    #[arg(long, short, default_value = "default", value_name = "NAME")]
    namespace: Namespace,
    /// The Secret's name.
    #[arg(long, default_value = "users", value_name = "NAME")]
    secret: ObjectName,
}

/// The shortest password that is taken (NIST SP 800-63B section 3.1.1.2).
const SHORTEST: usize = 8;

/// What a key of a Secret may be.
fn entry_name(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if (1..=200).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("use letters, digits, '-', '_' and '.' only, 200 at the most".to_owned())
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.action {
        Action::Add(args) => add(args),
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let mut secret = match &args.file {
        Some(file) => read(file, args)?,
        None => empty(args),
    };
    let password = password()?;
    let salt = clock::random()
        .ok_or_else(|| Failure::Input("this machine has no random numbers".to_owned()))?;
    let user = User {
        password_hash: HashText::of(&password, &salt),
        blocked: false,
        permissions: BTreeMap::new(),
        profile: Profile {
            email: args.email.clone(),
            email_verified: None,
            name: args.name.clone(),
            ..Profile::default()
        },
    };
    let entry = serde_json::to_string(&user).map_err(Failure::input)?;
    secret["stringData"][&args.user] = entry.into();
    // What nobody could sign in by must not be written.
    let entries = secret["stringData"].as_object().into_iter().flatten();
    let entries =
        entries.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?.as_bytes())));
    Users::read("users", entries).map_err(Failure::input)?;
    let yaml = serde_yaml::to_string(&secret).map_err(Failure::input)?;
    match &args.file {
        None => line(yaml.trim_end())?,
        Some(file) => {
            fs::write(file, yaml)
                .map_err(|error| Failure::Input(format!("{}: {error}", file.display())))?;
            line(format!(
                "{} {} in {}",
                output::good("added"),
                args.user,
                file.display()
            ))?;
        }
    }
    Ok(())
}

fn empty(args: &AddArgs) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": args.secret, "namespace": args.namespace },
        "type": "mintage.dev/users",
        "stringData": {},
    })
}

/// The Secret that a file has, with its entries in plain; a new one if there is no file.
fn read(file: &Path, args: &AddArgs) -> Result<Value, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(empty(args)),
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
    let mut secret = empty(args);
    secret["metadata"] = json!({ "name": found.object.name, "namespace": found.object.namespace });
    for (name, value) in &found.object.data {
        let text = String::from_utf8(value.clone()).map_err(Failure::input)?;
        secret["stringData"][name] = text.into();
    }
    Ok(secret)
}

fn password() -> Result<Zeroizing<String>, Failure> {
    let stdin = std::io::stdin();
    let password = if stdin.is_terminal() {
        Zeroizing::new(rpassword::prompt_password("Password: ")?)
    } else {
        let mut text = Zeroizing::new(String::new());
        stdin.lock().take(4096).read_to_string(&mut text)?;
        Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
    };
    if password.chars().count() < SHORTEST {
        return Err(Failure::Input(format!(
            "the password is shorter than {SHORTEST} characters; choose a longer one"
        )));
    }
    Ok(password)
}
