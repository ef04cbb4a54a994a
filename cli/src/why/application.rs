//! Whether an application that acts for itself would get a token at its tenant's endpoint.

use mintage_core::code::Coded as _;
use mintage_core::endpoint::{Application, Config};
use mintage_core::ownership::{Kind, Object};
use mintage_core::policy;
use mintage_core::world::{GrantType, Grantee};
use mintage_core::{ObjectRef, WorkloadId};
use mintage_sidecar::oauth::OAuthError;
use mintage_sidecar::rule::Rule;

use super::grant::Wanted;
use super::place_of;
use super::scene::Scene;
use super::step::{Answer, Found, Refused};
use crate::place::{self, Place};

const APPLICATION: &str = "application";
const ISSUER: &str = "issuer";
const GRANT_TYPE: &str = "grant type";
const AUDIENCE: &str = "audience";
const GRANT: &str = "grant";
const SCOPES: &str = "scopes";

const STEPS: [&str; 6] = [APPLICATION, ISSUER, GRANT_TYPE, AUDIENCE, GRANT, SCOPES];

/// The step at which a rule refuses.
fn step_of(rule: &str) -> &'static str {
    let of_audience = [
        Rule::AudienceNotSigned.code(),
        policy::Rule::AudienceMissing.code(),
        policy::Rule::AudienceUnknown.code(),
    ];
    if of_audience.contains(&rule) {
        AUDIENCE
    } else if rule == policy::Rule::GrantMissing.code() {
        GRANT
    } else {
        SCOPES
    }
}

/// The Application that a name is of, if no workload has it.
pub fn of_name(scene: &Scene, name: &WorkloadId) -> Option<ObjectRef> {
    let mut workloads = scene.manifests.workloads.iter();
    let is_workload = workloads.any(|one| {
        one.object.namespace == name.namespace.as_str()
            && one.object.service_account == name.service_account.as_str()
    });
    let mut applications = scene.folder.world.applications.iter();
    let at = ObjectRef::new(name.namespace.clone(), name.service_account.clone());
    let found = applications.find(|application| application.at == at && !is_workload)?;
    Some(found.at.clone())
}

/// Whether it would be granted, step by step.
pub fn answer(scene: &Scene, at: &ObjectRef, wanted: &Wanted) -> Answer {
    let told = scene.plan.endpoints.values().map(|told| &told.body);
    let mut served =
        told.flat_map(|config| config.applications.values().map(move |it| (config, it)));
    if let Some((config, application)) = served.find(|(_, application)| application.at == *at) {
        return Question {
            scene,
            config,
            application,
            wanted,
        }
        .answer();
    }
    let status = scene.status(Kind::Application, at);
    let refused = status.map(|status| {
        let refused = place_of::not_served(&scene.manifests, status);
        (APPLICATION, refused)
    });
    Answer::new(&STEPS, refused, |_| Found::default())
}

struct Question<'a> {
    scene: &'a Scene,
    config: &'a Config,
    application: &'a Application,
    wanted: &'a Wanted,
}

impl Question<'_> {
    fn answer(&self) -> Answer {
        let decided = self.decide();
        let scope = decided.as_ref().ok().cloned().unwrap_or_default();
        let refused = decided.err().map(|refused| *refused);
        Answer::new(&STEPS, refused, |step| self.found(step, &scope))
    }

    /// As the endpoint decides; the scopes.
    fn decide(&self) -> Result<String, Box<(&'static str, Refused)>> {
        let refuse =
            |step, code, text: String, place| Box::new((step, Refused { code, text, place }));
        if let Some(domain) = &self.wanted.how.domain {
            let term = self.config.domains.get(domain);
            if !term.is_some_and(|term| term.is_used(self.scene.now)) {
                let text = format!("tenant {} has no domain {domain}", self.config.tenant);
                let code = policy::Rule::DomainNotServed.code();
                return Err(refuse(ISSUER, code, text, self.in_tenant("spec.domain")));
            }
        }
        if !self.application.may(GrantType::ClientCredentials) {
            let text = "it gets tokens for its users alone: add client_credentials to spec.grantTypes, if it is to act for itself";
            let code = Rule::GrantTypeNotAllowed.code();
            let place = self.in_application("spec.grantTypes");
            return Err(refuse(GRANT_TYPE, code, text.to_owned(), place));
        }
        let (audience, scope) = (&self.wanted.audience, &self.wanted.how.scope);
        let allowed =
            self.config
                .client_grant(self.application, audience.as_deref(), scope.as_deref());
        let allowed = allowed.map_err(|refusal| {
            let error = OAuthError::from(refusal);
            let step = step_of(error.rule);
            let place = match step {
                AUDIENCE if error.rule == Rule::AudienceNotSigned.code() => {
                    self.in_audience("spec.signingAlgorithm")
                }
                AUDIENCE if audience.is_none() => self.in_tenant("spec.defaultAudienceRef"),
                AUDIENCE | GRANT => self.in_audience("spec.grants"),
                _ => self.place_of_grant(),
            };
            refuse(step, error.rule, error.description.into_owned(), place)
        })?;
        Ok(mintage_core::ident::write_scopes(&allowed.scopes))
    }

    fn found(&self, step: &'static str, scope: &str) -> Found {
        match step {
            APPLICATION => (
                format!("client_id {}", self.application.client),
                self.in_application(""),
            ),
            ISSUER => {
                let domain = self.wanted.how.domain.as_ref();
                let issuer = domain.unwrap_or(&self.config.domain).issuer();
                (issuer.to_string(), self.in_tenant("spec.domain"))
            }
            GRANT_TYPE => {
                let text = GrantType::ClientCredentials.as_str().to_owned();
                (text, self.in_application("spec.grantTypes"))
            }
            AUDIENCE => {
                let identifier = self.identifier().unwrap_or_default().to_owned();
                (identifier, self.in_audience("spec.identifier"))
            }
            GRANT => {
                let text = format!("Application {}", self.application.at);
                (text, self.place_of_grant())
            }
            SCOPES if scope.is_empty() => ("none".to_owned(), None),
            SCOPES => (scope.to_owned(), None),
            _ => Found::default(),
        }
    }

    fn identifier(&self) -> Option<&str> {
        let asked = self.wanted.audience.as_deref();
        let default = self.config.default_audience.as_ref();
        let asked = asked.filter(|asked| !asked.is_empty());
        asked.or(default.map(mintage_core::Identifier::as_str))
    }

    fn in_application(&self, field: &str) -> Option<Place> {
        let object = Object {
            kind: Kind::Application,
            at: self.application.at.clone(),
        };
        place::of_object(&self.scene.manifests, &object, field)
    }

    fn in_tenant(&self, field: &str) -> Option<Place> {
        place::of_tenant(&self.scene.manifests, &self.config.tenant, field)
    }

    fn in_audience(&self, field: &str) -> Option<Place> {
        let at = place_of::audience(self.scene, &self.config.tenant, self.identifier()?)?;
        place::of_audience(&self.scene.manifests, &at, field)
    }

    fn place_of_grant(&self) -> Option<Place> {
        let at = place_of::audience(self.scene, &self.config.tenant, self.identifier()?)?;
        let mut audiences = self.scene.folder.world.audiences.iter();
        let grants = &audiences.find(|audience| audience.at == at)?.grants;
        let own = Grantee::Application(self.application.at.clone());
        let index = grants.iter().position(|grant| grant.to == own)?;
        self.in_audience(&format!("spec.grants[{index}]"))
    }
}
