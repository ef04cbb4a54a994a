//! `mintage why token`: whether a workload's sidecar would accept a token.

use mintage_core::bundle::{Body, TrustedKey};
use mintage_core::code::Coded as _;
use mintage_core::ident::{parse_scopes, write_scopes};
use mintage_core::inject::{ACCEPT_AUDIENCES, PodWishes};
use mintage_core::jose::Compact;
use mintage_core::keyring::Owner;
use mintage_core::verify::{Authentic, Expected, Rejection, Rule, Verifier, accepted};
use mintage_core::{Identifier, ObjectName, TenantRef, WorkloadId};
use mintage_crds::observe::REVOKE_KEY;
use mintage_sidecar::rule;

use super::place_of;
use super::scene::{Keys, Scene, View};
use super::step::{Answer, Found, Refused};
use crate::Failure;
use crate::ask::token_argument;
use crate::dev::folder::Folder;
use crate::output;
use crate::place::{self, Place};

/// Say whether the sidecar of a workload would accept a token: each step, and the line of the manifests that decides.
///
/// Exits with 0 if it would and with 1 if it would not. The keys are those of the state folder.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  mintage token -a https://orders.example.com | mintage why token examples/quickstart - --at orders/api"
)]
pub struct Args {
    #[command(flatten)]
    view: View,
    #[command(flatten)]
    asked: Asked,
}

/// What is asked of whom.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// The token, or `-` to read it from standard input.
    token: String,
    /// The workload that is asked to accept it, `<namespace>/<serviceaccount>`.
    #[arg(long, value_name = "WORKLOAD")]
    pub at: WorkloadId,
    /// The ApiAudiences of its namespace that the workload accepts tokens for. Default: as its annotation says, or the only one.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    accept: Vec<ObjectName>,
    /// Scopes that the token must have, with spaces between them.
    #[arg(long, short, value_name = "SCOPES")]
    scope: Option<String>,
}

const TENANT: &str = "tenant";
const ACCEPTS: &str = "accepts";
const FORM: &str = "form";
const KEY: &str = "key";
const SIGNATURE: &str = "signature";
const CLAIMS: &str = "claims";
const TIMES: &str = "times";
const ISSUER: &str = "issuer";
const AUDIENCE: &str = "audience";
const BOUNDS: &str = "bounds";
const SCOPES: &str = "scopes";

/// In the order in which the verifier looks.
const STEPS: [&str; 11] = [
    TENANT, ACCEPTS, FORM, KEY, SIGNATURE, CLAIMS, TIMES, ISSUER, AUDIENCE, BOUNDS, SCOPES,
];

/// The step at which a rule refuses.
fn step_of(rule: Rule) -> &'static str {
    match rule {
        Rule::AlgNotAccepted | Rule::HeaderParameter | Rule::Malformed | Rule::Type => FORM,
        Rule::AlgOfKey
        | Rule::KeyNotActive
        | Rule::KeyRemoved
        | Rule::KeyRevoked
        | Rule::KeyUnknown => KEY,
        Rule::Signature => SIGNATURE,
        Rule::Claim | Rule::Constrained => CLAIMS,
        Rule::Expired | Rule::IssuedInFuture | Rule::Lifetime | Rule::NotYetValid => TIMES,
        Rule::Issuer => ISSUER,
        Rule::AlgNotOfAudience | Rule::Audience => AUDIENCE,
        Rule::OutOfBoundsAudience
        | Rule::OutOfBoundsClaims
        | Rule::OutOfBoundsClient
        | Rule::OutOfBoundsScope
        | Rule::OutOfBoundsSubject => BOUNDS,
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let scene = Scene::open(&args.view, &args.asked.at)?;
    let tenant = args.view.tenant.as_ref();
    let answer = args.asked.answer(&scene, tenant)?;
    answer.report("accepted", &args.asked.what(), args.view.output)
}

impl Asked {
    /// What is asked, in words.
    pub fn what(&self) -> String {
        format!("a token at {}", self.at)
    }

    /// What the workload accepts, with what its pods say.
    pub fn wishes(&self, folder: &Folder, tenant: Option<&TenantRef>) -> PodWishes {
        let said = PodWishes {
            tenant: tenant.cloned(),
            accept: self.accept.clone(),
            domain: None,
        };
        folder.wishes(&self.at, said)
    }

    /// Whether it would be accepted, step by step.
    pub fn answer(&self, scene: &Scene, tenant: Option<&TenantRef>) -> Result<Answer, Failure> {
        let token = token_argument(&self.token)?;
        let needed =
            parse_scopes(self.scope.as_deref().unwrap_or_default()).map_err(Failure::input)?;
        let wishes = self.wishes(&scene.folder, tenant);
        let (tenant, body) = match scene.tenant(&self.at, &wishes) {
            Ok(told) => told,
            Err(reason) => {
                let refused = place_of::no_body(scene, &self.at, &reason);
                let refused = Some((TENANT, refused));
                return Ok(Answer::new(&STEPS, refused, |_| Found::default()));
            }
        };
        let mut judgement = Judgement {
            scene,
            at: &self.at,
            tenant: &tenant,
            body,
            kid: Compact::parse(&token)
                .ok()
                .and_then(|compact| Some(compact.header.get("kid")?.as_str()?.to_owned())),
            authentic: None,
        };
        let refused = judgement.judge(&token, &wishes.accept, &needed)?;
        let code = refused.as_ref().map(|(_, refused)| refused.code);
        let mut answer = Answer::new(&STEPS, refused, |step| {
            judgement.found(step, &wishes.accept)
        });
        if code == Some(Rule::KeyUnknown.code()) {
            answer.notes.push(judgement.whose_key());
        }
        Ok(answer)
    }
}

struct Judgement<'a> {
    scene: &'a Scene,
    at: &'a WorkloadId,
    tenant: &'a TenantRef,
    body: &'a Body,
    /// As the header says.
    kid: Option<String>,
    /// Once the signature is good.
    authentic: Option<Authentic>,
}

impl Judgement<'_> {
    /// Judges as the sidecar does; the step that refuses, and why.
    fn judge(
        &mut self,
        token: &str,
        accept: &[ObjectName],
        needed: &[mintage_core::Scope],
    ) -> Result<Option<(&'static str, Refused)>, Failure> {
        let audiences = match accepted(self.body, accept) {
            Ok(audiences) => audiences,
            Err(reason) => {
                let refused = Refused {
                    code: rule::Rule::AudienceNotChosen.code(),
                    text: reason.to_string(),
                    place: self.place_of_acceptance(),
                };
                return Ok(Some((ACCEPTS, refused)));
            }
        };
        let verifier = Verifier::new(self.body).map_err(Failure::input)?;
        let now = self.scene.now;
        match verifier.authenticate(token, now) {
            Ok(authentic) => self.authentic = Some(authentic),
            Err(rejection) => return Ok(Some(self.refusal(&rejection))),
        }
        let Some(authentic) = &self.authentic else {
            return Ok(None);
        };
        let good = match verifier.judge(authentic, Expected::Apis(&audiences), now) {
            Ok(good) => good,
            Err(rejection) => return Ok(Some(self.refusal(&rejection))),
        };
        let lacking = good.lacks(needed);
        if lacking.is_empty() {
            return Ok(None);
        }
        let refused = Refused {
            code: rule::Rule::InsufficientScope.code(),
            text: format!("the token does not have {}", write_scopes(lacking)),
            place: self.place_of_grant(),
        };
        Ok(Some((SCOPES, refused)))
    }

    fn refusal(&self, rejection: &Rejection) -> (&'static str, Refused) {
        let refused = Refused {
            code: rejection.code(),
            text: rejection.to_string(),
            place: self.decider(rejection.rule()),
        };
        (step_of(rejection.rule()), refused)
    }

    fn trusted(&self) -> Option<&TrustedKey> {
        let kid = self.kid.as_deref()?;
        let mut keys = self.body.keys.iter();
        keys.find(|trusted| trusted.key.kid().as_str() == kid)
    }

    fn owner(&self, trusted: &TrustedKey) -> Owner {
        match &trusted.namespace {
            Some(namespace) => Owner::namespace(self.tenant.clone(), namespace.clone()),
            None => Owner::tenant(self.tenant.clone()),
        }
    }

    /// What a step that passed has found.
    fn found(&self, step: &'static str, accept: &[ObjectName]) -> Found {
        let manifests = &self.scene.manifests;
        let now = self.scene.now;
        let claims = self.authentic.as_ref().map(|authentic| &authentic.claims);
        match (step, claims) {
            (TENANT, _) => (
                self.tenant.to_string(),
                place::of_tenant(manifests, self.tenant, ""),
            ),
            (ACCEPTS, _) => {
                let audiences = accepted(self.body, accept).unwrap_or_default();
                let names: Vec<&str> = audiences.iter().map(Identifier::as_str).collect();
                (names.join(", "), self.place_of_acceptance())
            }
            (KEY, _) => self.trusted().map_or_else(Found::default, |trusted| {
                let (key, owner) = (&trusted.key, self.owner(trusted));
                let state = format!("{:?}", key.state(now));
                (
                    format!("{} of {owner}, {}, {state}", key.kid(), key.alg()),
                    None,
                )
            }),
            (CLAIMS, Some(claims)) => (format!("client {}", claims.client), None),
            (TIMES, Some(claims)) => {
                let rest = output::length(claims.expires_at - now);
                let issued = output::moment(claims.issued_at);
                (format!("issued {issued}, good for {rest} more"), None)
            }
            (ISSUER, Some(claims)) => (claims.issuer.clone(), None),
            (AUDIENCE, Some(claims)) => (
                claims.audiences.join(", "),
                self.in_audience("spec.identifier"),
            ),
            (BOUNDS, Some(claims)) => match self.trusted().map(|trusted| self.owner(trusted)) {
                Some(owner) if owner.namespace.is_none() => {
                    (format!("none: it is the key of {owner}"), None)
                }
                Some(owner) => (
                    format!("{owner} may speak for {}", claims.client),
                    self.place_of_grant(),
                ),
                None => Found::default(),
            },
            (SCOPES, Some(claims)) if !claims.scopes.is_empty() => {
                (write_scopes(&claims.scopes), None)
            }
            _ => Found::default(),
        }
    }

    /// The resource that decides when a rule refuses.
    fn decider(&self, rule: Rule) -> Option<Place> {
        let manifests = &self.scene.manifests;
        match rule {
            Rule::KeyRevoked => {
                let field = format!("metadata.annotations.{REVOKE_KEY}");
                let tenants = self.scene.folder.world.tenants.iter();
                let mut by_manifest = tenants
                    .flat_map(|tenant| &tenant.revoke_keys)
                    .filter(|kid| Some(kid.as_str()) == self.kid.as_deref());
                by_manifest.next()?;
                place::of_tenant(manifests, self.tenant, &field)
            }
            Rule::Issuer => place::of_tenant(manifests, self.tenant, "spec.domain"),
            Rule::Audience => self.place_of_acceptance(),
            Rule::AlgNotOfAudience => self.in_audience("spec.signingAlgorithm"),
            Rule::Lifetime => self.in_audience("spec.tokenLifetimeSeconds"),
            Rule::OutOfBoundsAudience => self.in_audience("spec.grants"),
            Rule::OutOfBoundsScope => self
                .place_of_grant()
                .or_else(|| self.in_audience("spec.grants")),
            Rule::AlgNotAccepted
            | Rule::AlgOfKey
            | Rule::Claim
            | Rule::Constrained
            | Rule::Expired
            | Rule::HeaderParameter
            | Rule::IssuedInFuture
            | Rule::KeyNotActive
            | Rule::KeyRemoved
            | Rule::KeyUnknown
            | Rule::Malformed
            | Rule::NotYetValid
            | Rule::OutOfBoundsClaims
            | Rule::OutOfBoundsClient
            | Rule::OutOfBoundsSubject
            | Rule::Signature
            | Rule::Type => None,
        }
    }

    /// A field of the ApiAudience that the token is for.
    fn in_audience(&self, field: &str) -> Option<Place> {
        let claims = &self.authentic.as_ref()?.claims;
        let at = claims
            .audiences
            .iter()
            .find_map(|audience| place_of::audience(self.scene, self.tenant, audience))?;
        place::of_audience(&self.scene.manifests, &at, field)
    }

    /// Where it is said which audiences the workload accepts: its annotation, or the only ApiAudience.
    fn place_of_acceptance(&self) -> Option<Place> {
        let manifests = &self.scene.manifests;
        place::of_annotation(manifests, self.at, ACCEPT_AUDIENCES).or_else(|| {
            let [only] = self.body.accept.as_slice() else {
                return None;
            };
            let at = place_of::audience(self.scene, self.tenant, only.identifier.as_str())?;
            place::of_audience(manifests, &at, "spec.identifier")
        })
    }

    /// The grant that the token was made under.
    fn place_of_grant(&self) -> Option<Place> {
        let claims = &self.authentic.as_ref()?.claims;
        let workload = WorkloadId::parse(&claims.client).ok()?;
        let identifier = Identifier::parse(claims.audiences.first()?).ok()?;
        let scopes: Vec<&str> = claims
            .scopes
            .iter()
            .map(mintage_core::Scope::as_str)
            .collect();
        place_of::grant(self.scene, self.tenant, &identifier, &workload, &scopes)
    }

    /// Whose a key is that the namespace has not been told of.
    fn whose_key(&self) -> String {
        let Some(kid) = &self.kid else {
            return "the token's header has no kid".to_owned();
        };
        let namespace = &self.at.namespace;
        match self.scene.keys {
            Keys::State => {}
            Keys::NoState => {
                return "there is no state of `mintage dev`, and so no key; name its folder with --state-dir".to_owned();
            }
            Keys::NoBundle => {
                return format!(
                    "no bundle of namespace {namespace} could be read, and so no key is known"
                );
            }
            Keys::Bundles => {
                return format!(
                    "{kid} is none of the keys that namespace {namespace} is told of: its owner was granted no API of {namespace}, or its last token has ended, or it is another tenant's"
                );
            }
        }
        let mut keyrings = self.scene.plan.state.keyrings.iter();
        let keyring =
            keyrings.find(|keyring| keyring.keys.iter().any(|key| key.kid().as_str() == kid));
        match keyring {
            Some(keyring) => format!(
                "{kid} is a key of {}, which was granted no API of namespace {}",
                keyring.owner, self.at.namespace
            ),
            None => format!("{kid} is none of the keys in the state folder"),
        }
    }
}
