//! Consent: what an application may do in a person's name.

use axum::http::StatusCode;
use minijinja::Value;
use serde::Serialize;

use super::address::Destination;
use super::form::Form;
use super::headers::Allowed;
use super::name::{Name, html};
use super::shell::{Content, sources};
use super::{Page, Scene};

/// The field of the decision, here and where people are asked whether to sign out.
pub const DECISION: &str = "decision";

/// What a person decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// `yes`
    Yes,
    /// `no`
    No,
}

impl Decision {
    /// Reads the field. What is neither is no decision.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Yes, Self::No]
            .into_iter()
            .find(|decision| decision.as_str() == text)
    }

    /// The value of the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// The page that asks whether an application may do what it asks for.
#[derive(Clone, Copy, Debug)]
pub struct Consent<'a> {
    /// The application.
    pub application: Name<'a>,
    /// Whether it is the tenant's own.
    pub first_party: bool,
    /// Who is signed in, as they know themselves.
    pub user: Name<'a>,
    /// What it would learn about the person.
    pub identity: &'a [Identity],
    /// What it would do with which API.
    pub apis: &'a [Api<'a>],
    /// Where the browser goes after the decision.
    pub returns_to: &'a Destination,
    /// Takes `decision`. It leads to `returns_to`, whether that is among its own or not.
    pub form: Form<'a>,
}

/// A scope that is about the person, in our words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Identity {
    /// `email`
    Email,
    /// `offline_access`
    OfflineAccess,
    /// `openid`
    Openid,
    /// `profile`
    Profile,
}

impl Identity {
    /// The one that a scope asks for.
    pub fn of(scope: &str) -> Option<Self> {
        match scope {
            "email" => Some(Self::Email),
            "offline_access" => Some(Self::OfflineAccess),
            "openid" => Some(Self::Openid),
            "profile" => Some(Self::Profile),
            _ => None,
        }
    }
}

/// An API and what is asked for there.
#[derive(Clone, Copy, Debug)]
pub struct Api<'a> {
    /// Its display name, or its identifier.
    pub name: Name<'a>,
    /// Without any, the application may only call it.
    pub scopes: &'a [Scope<'a>],
}

/// A scope in the `ApiAudience`'s own words.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// As the token will have it.
    pub name: Name<'a>,
    /// What it lets the application do; shown instead of the name.
    pub description: Option<Name<'a>>,
}

#[derive(Serialize)]
struct View<'a> {
    allow: &'static str,
    decision: &'static str,
    decline: &'static str,
    form: Form<'a>,
    heading: Value,
    lead: Value,
    no: &'static str,
    returns_to: String,
    sections: Vec<Section>,
    signed_in_as: &'static str,
    third_party: Option<Value>,
    third_party_mark: &'static str,
    user: Value,
    yes: &'static str,
}

#[derive(Serialize)]
struct Section {
    heading: Value,
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    text: Value,
    /// A name for machines, and shown as such.
    is_name: bool,
}

impl Item {
    fn words(text: impl Into<Value>) -> Self {
        Self {
            text: text.into(),
            is_name: false,
        }
    }
}

impl Consent<'_> {
    /// The page.
    pub fn page(&self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().consent;
        let tenant = scene.look.name();
        let third_party =
            (!self.first_party).then(|| html(&(words.third_party)(self.application, tenant)));
        let content = Content {
            template: "consent.html",
            status: StatusCode::OK,
            title: words.title,
            view: View {
                allow: words.allow,
                decision: DECISION,
                decline: words.decline,
                form: self.form,
                heading: html(&(words.heading)(self.application)),
                lead: html(&(words.lead)(tenant)),
                no: Decision::No.as_str(),
                returns_to: self.returns_to(scene),
                sections: self.sections(scene),
                signed_in_as: words.signed_in_as,
                third_party,
                third_party_mark: words.third_party_mark,
                user: self.user.html(),
                yes: Decision::Yes.as_str(),
            },
        };
        let mut forms = sources([&self.form]);
        forms.push(self.returns_to.source());
        let allowed = Allowed {
            forms: &forms,
            ..Allowed::default()
        };
        content.page(scene, &allowed)
    }

    fn returns_to(&self, scene: &Scene<'_>) -> String {
        let words = &scene.language.words().consent;
        match self.returns_to {
            Destination::Application(scheme) => (words.to_application)(&format!("{scheme}:")),
            Destination::Site(origin) if origin.is_loopback() => {
                (words.to_device)(&origin.authority())
            }
            Destination::Site(origin) => (words.to_site)(&origin.authority()),
        }
    }

    fn sections(&self, scene: &Scene<'_>) -> Vec<Section> {
        let words = &scene.language.words().consent;
        let about = |identity: &Identity| Item::words((words.identity)(*identity));
        let identity = Section {
            heading: words.identity_heading.into(),
            items: self.identity.iter().map(about).collect(),
        };
        let scope = |scope: &Scope<'_>| match scope.description {
            Some(description) if description.shows() => Item::words(description.html()),
            _ => Item {
                text: scope.name.html(),
                is_name: true,
            },
        };
        let apis = self.apis.iter().map(|api| Section {
            heading: api.name.html(),
            items: if api.scopes.is_empty() {
                vec![Item::words(words.call)]
            } else {
                api.scopes.iter().map(scope).collect()
            },
        });
        [identity]
            .into_iter()
            .chain(apis)
            .filter(|section| !section.items.is_empty())
            .collect()
    }
}
