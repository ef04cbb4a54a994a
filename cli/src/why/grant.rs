//! `mintage why grant`: whether a workload would get a token.

use mintage_core::bundle::Body;
use mintage_core::code::Coded as _;
use mintage_core::ident::parse_scopes;
use mintage_core::inject::{DOMAIN, PodWishes};
use mintage_core::keyring::Owner;
use mintage_core::mint::NoOrder;
use mintage_core::ownership::Kind;
use mintage_core::policy::{Granted, Policy, Request, Rule};
use mintage_core::world::{AudienceAlg, Issuance};
use mintage_core::{Domain, Identifier, TenantRef, WorkloadId};

use super::scene::{Keys, Scene, View};
use super::step::{Answer, Found, Refused};
use super::{application, place_of};
use crate::Failure;
use crate::dev::folder::Folder;
use crate::output;
use crate::place::{self, Place};

/// Say whether a workload would get a token for an API, and which line of the manifests decides.
///
/// The name may also be that of an Application, which asks its tenant's endpoint for itself.
/// Exits with 0 if it would and with 1 if it would not.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  mintage why grant examples/quickstart --as shop/checkout --audience https://orders.example.com"
)]
pub struct Args {
    #[command(flatten)]
    view: View,
    /// The workload that asks, `<namespace>/<serviceaccount>`.
    #[arg(long = "as", value_name = "WORKLOAD")]
    workload: WorkloadId,
    #[command(flatten)]
    wanted: Wanted,
}

/// What is asked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Wanted {
    /// The identifier of the API. Without it, the tenant's default audience.
    #[arg(long, short, value_name = "IDENTIFIER")]
    pub audience: Option<String>,
    #[command(flatten)]
    pub how: How,
}

/// How it is asked for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct How {
    /// The scopes, with spaces between them. Without it, all that are granted.
    #[arg(long, short, value_name = "SCOPES")]
    pub scope: Option<String>,
    /// The tenant's domain that the token names as its issuer. Default: as the pod's annotation says, or the tenant's own.
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<Domain>,
}

const TENANT: &str = "tenant";
const ISSUER: &str = "issuer";
const AUDIENCE: &str = "audience";
const GRANT: &str = "grant";
const SCOPES: &str = "scopes";
const KEY: &str = "key";

/// The step at which a rule refuses.
fn step_of(rule: Rule) -> &'static str {
    match rule {
        Rule::DomainNotServed | Rule::DomainPending => ISSUER,
        Rule::AudienceForUsers | Rule::AudienceMissing | Rule::AudienceUnknown => AUDIENCE,
        Rule::GrantMissing | Rule::GrantPending => GRANT,
        Rule::ScopeMalformed | Rule::ScopeNotGranted => SCOPES,
        Rule::IssuanceCentral | Rule::IssuanceLocal | Rule::KeyUnavailable => KEY,
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let scene = Scene::open(&args.view, &args.workload)?;
    let question = Asked {
        workload: &args.workload,
        tenant: args.view.tenant.as_ref(),
        wanted: &args.wanted,
    };
    let answer = question.answer(&scene);
    answer.report("granted", &question.what(), args.view.output)
}

/// A request for a token, as somebody imagines it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub workload: &'a WorkloadId,
    /// The tenant, where it is not left to the workload's annotations.
    pub tenant: Option<&'a TenantRef>,
    /// What for.
    pub wanted: &'a Wanted,
}

impl Asked<'_> {
    /// What is asked, in words.
    pub fn what(&self) -> String {
        let audience = self.wanted.audience.as_deref();
        let audience = audience.unwrap_or("the default audience");
        format!("{} asks for a token for {audience}", self.workload)
    }

    /// What the workload asks for, with what its pods say.
    pub fn wishes(&self, folder: &Folder) -> PodWishes {
        let said = PodWishes {
            tenant: self.tenant.cloned(),
            domain: self.wanted.how.domain.clone(),
            accept: Vec::new(),
        };
        folder.wishes(self.workload, said)
    }

    /// Whether it would be granted, step by step.
    pub fn answer(&self, scene: &Scene) -> Answer {
        if let Some(at) = application::of_name(scene, self.workload) {
            let mut answer = application::answer(scene, &at, self.wanted);
            answer.notes.push(format!(
                "no workload is {at}, and an Application is: it asks its tenant's endpoint by its client_id, and that is what was decided"
            ));
            return answer;
        }
        let wishes = self.wishes(&scene.folder);
        match scene.tenant(self.workload, &wishes) {
            Err(reason) => {
                let refused = place_of::no_body(scene, self.workload, &reason);
                Answer::new(&STEPS, Some((TENANT, refused)), |_| Found::default())
            }
            Ok((tenant, body)) => Question {
                scene,
                workload: self.workload,
                wanted: self.wanted,
                tenant: &tenant,
                body,
                domain: wishes.domain.as_ref(),
            }
            .answer(),
        }
    }
}

const STEPS: [&str; 6] = [TENANT, ISSUER, AUDIENCE, GRANT, SCOPES, KEY];

struct Question<'a> {
    scene: &'a Scene,
    workload: &'a WorkloadId,
    wanted: &'a Wanted,
    tenant: &'a TenantRef,
    body: &'a Body,
    domain: Option<&'a Domain>,
}

impl Question<'_> {
    fn answer(&self) -> Answer {
        let policy = Policy::new(self.body, self.workload.clone(), self.domain);
        let request = Request {
            audience: self.wanted.audience.as_deref(),
            scope: self.wanted.how.scope.as_deref(),
        };
        let granted = policy
            .decide(self.scene.now, request)
            .map_err(NoOrder::from);
        let checked = match &granted {
            Ok(granted) => self.check_key(granted),
            Err(no_order) => Err(no_order.clone()),
        };
        let refused = checked.err().map(|no_order| {
            let refused = Refused {
                code: no_order.code(),
                text: no_order.to_string(),
                place: self.decider(no_order.rule()),
            };
            (step_of(no_order.rule()), refused)
        });
        let rule = refused.as_ref().map(|(_, refused)| refused.code);
        let mut answer = Answer::new(&STEPS, refused, |step| {
            self.found(step, granted.as_ref().ok())
        });
        answer.notes = self.notes(rule, granted.as_ref().ok());
        answer
    }

    /// The identifier that is asked for, or the default.
    fn identifier(&self) -> Option<&str> {
        let asked = self.wanted.audience.as_deref();
        let default = self.body.default_audience.as_ref();
        asked
            .filter(|asked| !asked.is_empty())
            .or(default.map(Identifier::as_str))
    }

    fn owner(&self, granted: &Granted) -> Owner {
        match granted.terms.issuance {
            Issuance::Central => Owner::tenant(self.tenant.clone()),
            Issuance::Local => {
                Owner::namespace(self.tenant.clone(), self.workload.namespace.clone())
            }
        }
    }

    /// Whether a key may sign: one of the state, or the first one, which signs at once when it is made.
    fn check_key(&self, granted: &Granted) -> Result<(), NoOrder> {
        let is_central = granted.terms.issuance == Issuance::Central;
        // `mintage dev` has the tenant's key itself.
        if is_central && self.is_in_cluster() && self.body.endpoint.is_none() {
            return Err(NoOrder::Central {
                granted: Box::new(granted.clone()),
            });
        }
        let AudienceAlg::Asymmetric(alg) = granted.terms.alg else {
            // The endpoint makes its secret when it needs it.
            return Ok(());
        };
        let owner = self.owner(granted);
        let keyrings = &self.scene.plan.state.keyrings;
        let keyring = keyrings.iter().find(|keyring| keyring.owner == owner);
        let active = keyring.and_then(|keyring| keyring.active(alg, self.scene.now));
        let first = keyring.is_none_or(|keyring| keyring.keys.iter().all(|key| key.alg() != alg));
        let made_at_once =
            (first || self.scene.at_once) && self.scene.plan.wanted.contains(&(owner, alg));
        if active.is_some() || made_at_once {
            Ok(())
        } else {
            Err(NoOrder::KeyUnavailable { alg })
        }
    }

    /// What a step that passed has found.
    fn found(&self, step: &'static str, granted: Option<&Granted>) -> Found {
        let manifests = &self.scene.manifests;
        let identifier = self.identifier().unwrap_or_default();
        let at = place_of::audience(self.scene, self.tenant, identifier);
        let in_audience = |field: &str| place::of_audience(manifests, at.as_ref()?, field);
        match step {
            TENANT => (
                self.tenant.to_string(),
                place::of_tenant(manifests, self.tenant, ""),
            ),
            ISSUER => {
                let domain = self.domain.unwrap_or(&self.body.domain);
                (domain.issuer().to_string(), self.place_of_domain(domain))
            }
            AUDIENCE => (identifier.to_owned(), in_audience("spec.identifier")),
            GRANT => (self.workload.to_string(), self.place_of_grant(granted)),
            SCOPES => {
                let scope = granted.map(|granted| granted.scope.clone());
                let scope = scope.filter(|scope| !scope.is_empty());
                (scope.unwrap_or_else(|| "none".to_owned()), None)
            }
            KEY => granted.map_or_else(Default::default, |granted| {
                let life = output::length(granted.terms.lifetime);
                let text = format!(
                    "{} of {}; the token lives {life}",
                    granted.terms.alg.as_str(),
                    self.owner(granted)
                );
                (text, in_audience("spec.signingAlgorithm"))
            }),
            _ => Default::default(),
        }
    }

    fn place_of_grant(&self, granted: Option<&Granted>) -> Option<Place> {
        let identifier = Identifier::parse(self.identifier()?).ok()?;
        let scope = granted.map(|granted| granted.scope.as_str());
        let asked = self
            .wanted
            .how
            .scope
            .as_deref()
            .or(scope)
            .unwrap_or_default();
        let asked: Vec<&str> = asked.split_whitespace().collect();
        let workload = self.workload;
        place_of::grant(self.scene, self.tenant, &identifier, workload, &asked)
    }

    fn place_of_domain(&self, domain: &Domain) -> Option<Place> {
        let manifests = &self.scene.manifests;
        let custom = self.scene.folder.world.domains.iter();
        let mut custom =
            custom.filter(|custom| custom.tenant == *self.tenant && custom.domain == *domain);
        match custom.next() {
            Some(custom) => place::of_object(
                manifests,
                &mintage_core::ownership::Object {
                    kind: Kind::CustomDomain,
                    at: custom.at.clone(),
                },
                "spec.domain",
            ),
            None if *domain == self.body.domain => {
                place::of_tenant(manifests, self.tenant, "spec.domain")
            }
            None => place::of_annotation(manifests, self.workload, DOMAIN),
        }
    }

    /// The resource that decides when a rule refuses.
    fn decider(&self, rule: Rule) -> Option<Place> {
        let manifests = &self.scene.manifests;
        let in_tenant = |field: &str| place::of_tenant(manifests, self.tenant, field);
        let at = place_of::audience(
            self.scene,
            self.tenant,
            self.identifier().unwrap_or_default(),
        );
        let in_audience = |field: &str| place::of_audience(manifests, at.as_ref()?, field);
        match rule {
            Rule::AudienceForUsers => in_tenant("spec.domain"),
            Rule::AudienceMissing => in_tenant("spec.defaultAudienceRef"),
            Rule::AudienceUnknown => {
                let status = at
                    .as_ref()
                    .and_then(|at| self.scene.status(Kind::ApiAudience, at));
                match status {
                    Some(status) if !status.reason.is_ready() => {
                        place_of::not_served(manifests, status).place
                    }
                    _ => in_audience("spec.grants"),
                }
            }
            Rule::DomainNotServed | Rule::DomainPending => {
                self.place_of_domain(self.domain.unwrap_or(&self.body.domain))
            }
            Rule::GrantMissing => in_audience("spec.grants"),
            Rule::GrantPending | Rule::ScopeNotGranted => self.place_of_grant(None),
            Rule::IssuanceCentral | Rule::IssuanceLocal => in_audience("spec.issuance"),
            Rule::KeyUnavailable => in_tenant("spec.signing"),
            Rule::ScopeMalformed => None,
        }
    }

    /// Whether a cluster is asked about, and no folder.
    fn is_in_cluster(&self) -> bool {
        match self.scene.keys {
            Keys::Bundles | Keys::NoBundle => true,
            Keys::NoState | Keys::State => false,
        }
    }

    /// Who signs a token that the workload's own sidecar does not.
    fn central_note(&self, granted: &Granted) -> Option<String> {
        if granted.terms.issuance == Issuance::Local {
            return None;
        }
        let endpoint = "the sidecar asks the tenant's endpoint for it";
        let in_dev = match granted.terms.alg {
            AudienceAlg::Asymmetric(_) => "`mintage dev` signs it itself",
            AudienceAlg::Hs256 => "`mintage dev` gives workloads no tokens with HS256",
        };
        let text = match (self.is_in_cluster(), &self.body.endpoint) {
            (true, Some(_)) => endpoint.to_owned(),
            (true, None) => return None,
            (false, Some(_)) => format!("in a cluster {endpoint}, and {in_dev}"),
            (false, None) => format!(
                "{in_dev}; in a cluster a sidecar answers {}, since the tenant has no endpoint (spec.endpoint.enabled)",
                Rule::IssuanceCentral.code()
            ),
        };
        Some(format!("issuance is Central: {text}"))
    }

    /// What else is to be known.
    fn notes(&self, refused: Option<&'static str>, granted: Option<&Granted>) -> Vec<String> {
        let world = &self.scene.folder.world;
        let mut notes = Vec::new();
        let identifier = self.identifier().unwrap_or_default();
        let at = place_of::audience(self.scene, self.tenant, identifier);
        if let Some(status) = at.and_then(|at| self.scene.status(Kind::ApiAudience, &at)) {
            if !status.reason.is_ready() {
                let (object, reason) = (&status.object, status.reason);
                notes.push(format!(
                    "{object} is not served ({reason}): {}",
                    status.message
                ));
            }
            notes.extend(status.notes.iter().cloned());
        } else if refused == Some(Rule::AudienceUnknown.code()) {
            let others = world.audiences.iter();
            for other in others.filter(|other| other.identifier.as_str() == identifier) {
                notes.push(format!(
                    "ApiAudience {} has this identifier, under tenant {}",
                    other.at, other.tenant
                ));
            }
            let of_tenant = world.audiences.iter();
            let of_tenant = of_tenant.filter(|audience| audience.tenant == *self.tenant);
            let near = output::nearest(
                identifier,
                of_tenant.map(|audience| audience.identifier.as_str()),
            );
            if !near.is_empty() {
                notes.push(format!("similar identifiers: {}", near.join(", ")));
            }
        }
        let asked = parse_scopes(self.wanted.how.scope.as_deref().unwrap_or_default());
        if asked.is_ok_and(|asked| asked.is_empty()) && self.wanted.how.scope.is_some() {
            notes.push("an empty scope asks for all that is granted".to_owned());
        }
        notes.extend(granted.and_then(|granted| self.central_note(granted)));
        notes
    }
}
