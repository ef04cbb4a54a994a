//! `mintage users`: the users of a connection, as entries of a Secret.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use mintage_core::endpoint::{HashText, LONGEST_PASSWORD, User};
use mintage_core::ident::parse_scopes;
use mintage_core::{Identifier, Namespace, ObjectName, UnixTime};
use mintage_sidecar::clock::{self, Clock as _, SystemClock};
use zeroize::Zeroizing;

use crate::Failure;
use crate::output::{self, line};
use file::Secret;

/// Users of a tenant that signs them in itself, in a Secret: for small set-ups.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add(AddArgs),
    /// Refuse to sign a user in, and end all that they have: sessions and refresh tokens
    Block(Named),
    /// List the users of a file
    List {
        /// A file with the Secret, and nothing else
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Take a user out; applying the file then takes them out of the cluster
    Remove(Named),
    /// End all that a user has, sessions and refresh tokens; they sign in again
    SignOut(Named),
    /// Sign a user in again who was blocked
    Unblock(Named),
}

/// A user of a file.
#[derive(Debug, clap::Args)]
struct Named {
    /// The user's name: the entry of the Secret
    user: String,
    /// A file with the Secret, and nothing else; it is written anew
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

/// Write a Secret with a user, or add the user to one that a file has; one who is there gets another password.
///
/// The password comes from standard input, or is asked for on a terminal; what is written is its argon2id hash. Whoever signed in
/// as the user before does so again. A Tenant names the Secret in spec.login.connections[].users.secretRef.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mintage users add ada --email ada@example.com -n identity --secret acme-users --file users.yaml\n  kubectl apply -f users.yaml\n\nWithout a file, one user at a time, each by a field manager of its own, so that none takes the others out:\n  mintage users add ada -n identity --secret acme-users |\n    kubectl apply --server-side --field-manager=user-ada -f -"
)]
struct AddArgs {
    /// The user's name: what `sub` ends with, for ever. Letters, digits, '-', '_' and '.'.
    #[arg(value_parser = entry_name)]
    user: String,
    /// The e-mail address, by which the user signs in as well.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    email: Option<String>,
    /// The name for people.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Scopes of an API with enforceRbac that the user has, in place of those before; can be given for several APIs.
    #[arg(long, num_args = 2, value_names = ["IDENTIFIER", "SCOPES"])]
    permit: Vec<String>,
    /// A file with the Secret, and nothing else; it is written anew. Without it the Secret goes to standard output.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The Secret's namespace, which is the tenant's [default: that of the file, or default]
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<Namespace>,
    /// The Secret's name [default: that of the file, or users]
    #[arg(long, value_name = "NAME")]
    secret: Option<ObjectName>,
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

/// What can be an e-mail address: whether it is one only a mail shows.
fn address(text: &str) -> Result<String, String> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    match text.split_once('@') {
        Some((local, host))
            if !local.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && text.chars().all(plain) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("write an address with one @ and without spaces, as ada@example.com".to_owned()),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.action {
        Action::Add(args) => add(args),
        Action::Block(named) => change(named, "blocked", |user| {
            user.blocked = true;
            user.signed_out_before = Some(this_second());
        }),
        Action::List { file } => list(file),
        Action::Remove(named) => remove(named),
        Action::SignOut(named) => change(named, "signed out everywhere", |user| {
            user.signed_out_before = Some(this_second());
        }),
        Action::Unblock(named) => change(named, "unblocked", |user| user.blocked = false),
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let (namespace, name) = (args.namespace.as_ref(), args.secret.as_ref());
    let found = args.file.as_deref().map(Secret::read).transpose()?;
    let mut secret = if let Some(found) = found.flatten() {
        if let Some(place) = found.differs(namespace, name) {
            return Err(Failure::Input(format!(
                "the file has the Secret {place}: leave --namespace and --secret out, or choose another --file"
            )));
        }
        found
    } else {
        let default = || Namespace::parse("default").map_err(Failure::input);
        let users = || ObjectName::parse("users").map_err(Failure::input);
        Secret::new(
            &namespace.cloned().map_or_else(default, Ok)?,
            &name.cloned().map_or_else(users, Ok)?,
        )
    };
    let permissions = permissions(&args.permit)?;
    let password = password()?;
    let salt = clock::random()
        .ok_or_else(|| Failure::Input("this machine has no random numbers".to_owned()))?;
    let known = secret.user(&args.user);
    let done = if known.is_some() { "changed" } else { "added" };
    let known = known.map(|user| (user.blocked, user.permissions, user.profile));
    let (blocked, of_apis, profile) = known.unwrap_or_default();
    let mut user = User {
        password_hash: HashText::of(&password, &salt),
        blocked,
        signed_out_before: Some(this_second()),
        permissions: of_apis,
        profile,
    };
    user.permissions.extend(permissions);
    if let Some(email) = &args.email {
        user.profile.email = Some(email.clone());
        user.profile.email_verified = None;
    }
    if let Some(name) = &args.name {
        user.profile.name = Some(name.clone());
    }
    secret.put(&args.user, &user)?;
    match &args.file {
        None => line(secret.to_yaml()?.trim_end())?,
        Some(file) => {
            secret.write(file)?;
            say(done, &args.user, file)?;
        }
    }
    Ok(())
}

/// Pairs of an identifier and scopes.
fn permissions(
    words: &[String],
) -> Result<BTreeMap<Identifier, BTreeSet<mintage_core::Scope>>, Failure> {
    let pairs = words.chunks_exact(2);
    let pairs = pairs.map(|pair| {
        let identifier = Identifier::parse(&pair[0]).map_err(Failure::input)?;
        let scopes = parse_scopes(&pair[1]).map_err(Failure::input)?;
        Ok((identifier, scopes.into_iter().collect()))
    });
    pairs.collect()
}

fn change(named: &Named, done: &str, change: impl FnOnce(&mut User)) -> Result<(), Failure> {
    let mut secret = read(&named.file)?;
    let mut user = secret.user(&named.user).ok_or_else(|| nobody(named))?;
    change(&mut user);
    secret.put(&named.user, &user)?;
    secret.write(&named.file)?;
    say(done, &named.user, &named.file)
}

fn remove(named: &Named) -> Result<(), Failure> {
    let mut secret = read(&named.file)?;
    if !secret.remove(&named.user) {
        return Err(nobody(named));
    }
    secret.write(&named.file)?;
    say("removed", &named.user, &named.file)
}

fn list(file: &Path) -> Result<(), Failure> {
    for (name, user, wrong) in read(file)?.users() {
        let profile = user.as_ref().map(|user| &user.profile);
        let known = profile.map(|profile| [&profile.email, &profile.name]);
        let known = known.into_iter().flatten().flatten();
        let mut words: Vec<&str> = known.map(String::as_str).collect();
        words.insert(0, name);
        let is_blocked = user.as_ref().is_some_and(|user| user.blocked);
        words.extend(is_blocked.then_some("(blocked)"));
        let wrong = wrong.map(|wrong| output::bad("cannot sign in") + &format!(": {wrong}"));
        words.extend(wrong.as_deref());
        line(words.join("  "))?;
    }
    Ok(())
}

fn read(file: &Path) -> Result<Secret, Failure> {
    Secret::read(file)?.ok_or_else(|| Failure::Input(format!("{} is not there", file.display())))
}

fn nobody(named: &Named) -> Failure {
    let (user, file) = (&named.user, named.file.display());
    Failure::Input(format!(
        "{file} has no user {user}; `mintage users list --file {file}` says whom it has"
    ))
}

fn say(done: &str, user: &str, file: &Path) -> Result<(), Failure> {
    line(format!(
        "{} {user} in {}",
        output::good(done),
        file.display()
    ))?;
    Ok(())
}

fn this_second() -> UnixTime {
    SystemClock.now()
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
    if password.is_empty() {
        let text = "no password came: type it when asked, or give it on standard input";
        return Err(Failure::Input(text.to_owned()));
    }
    if password.len() > LONGEST_PASSWORD {
        return Err(Failure::Input(format!(
            "the password is longer than {LONGEST_PASSWORD} bytes, which the endpoint never takes; choose a shorter one"
        )));
    }
    if password.chars().count() < SHORTEST {
        return Err(Failure::Input(format!(
            "the password is shorter than {SHORTEST} characters; choose a longer one"
        )));
    }
    Ok(password)
}
