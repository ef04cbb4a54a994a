//! Reading an `Application`.

use std::collections::BTreeSet;

use mintage_core::world::{self, ApplicationKind, ClientAuth};
use mintage_core::{Namespace, ObjectName, TenantRef};

use super::{Meta, Unobservable, seconds};
use crate::application::{
    Application, ApplicationSpec, ApplicationType, AuthMethod, GrantType, Rotation,
};

/// Reads an `Application`.
pub fn application(object: &Application) -> Result<world::Application, Unobservable> {
    let meta = Meta::of(&object.metadata)?;
    let spec = &object.spec;
    let refresh = &spec.refresh_tokens;
    Ok(world::Application {
        at: meta.at,
        auth: auth(spec),
        first_party: spec.first_party,
        grant_types: grant_types(spec),
        kind: match spec.type_ {
            ApplicationType::Machine => ApplicationKind::Machine,
            ApplicationType::Native => ApplicationKind::Native,
            ApplicationType::SinglePage => ApplicationKind::SinglePage,
            ApplicationType::Web => ApplicationKind::Web,
        },
        logout_uris: spec.logout_uris.clone(),
        name: spec.display_name.clone(),
        redirect_uris: spec.redirect_uris.clone(),
        refresh: world::RefreshRules {
            idle: seconds(refresh.idle_lifetime),
            leeway: seconds(refresh.leeway),
            lifetime: seconds(refresh.lifetime),
            rotates: refresh.rotation == Rotation::Rotating,
        },
        tenant: TenantRef::new(
            Namespace::parse(&spec.tenant_ref.namespace)?,
            ObjectName::parse(&spec.tenant_ref.name)?,
        ),
        uid: meta.uid,
        web_origins: spec.web_origins.clone(),
    })
}

fn auth(spec: &ApplicationSpec) -> ClientAuth {
    match (spec.token_endpoint_auth_method, spec.type_) {
        (Some(AuthMethod::ClientSecretBasic), _) => ClientAuth::Basic,
        (Some(AuthMethod::ClientSecretPost), _) => ClientAuth::Post,
        (Some(AuthMethod::None), _)
        | (None, ApplicationType::Native | ApplicationType::SinglePage) => ClientAuth::None,
        (None, ApplicationType::Machine | ApplicationType::Web) => ClientAuth::Either,
    }
}

fn grant_types(spec: &ApplicationSpec) -> BTreeSet<world::GrantType> {
    if spec.grant_types.is_empty() {
        return match spec.type_ {
            ApplicationType::Machine => BTreeSet::from([world::GrantType::ClientCredentials]),
            ApplicationType::Native | ApplicationType::SinglePage | ApplicationType::Web => {
                BTreeSet::from([
                    world::GrantType::AuthorizationCode,
                    world::GrantType::RefreshToken,
                ])
            }
        };
    }
    let read = spec.grant_types.iter().map(|grant| match grant {
        GrantType::AuthorizationCode => world::GrantType::AuthorizationCode,
        GrantType::ClientCredentials => world::GrantType::ClientCredentials,
        GrantType::RefreshToken => world::GrantType::RefreshToken,
    });
    read.collect()
}
