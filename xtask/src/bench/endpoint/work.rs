//! What is asked, and what each server does for one request: so that figures are compared for what they are.

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A token for an application itself, which sends its secret.
    ClientCredentials,
    /// A code of the authorization code flow with PKCE, exchanged for tokens.
    Code,
    /// A refresh token, exchanged for tokens and the next refresh token.
    Refresh,
    /// `/userinfo` with a token that tells nothing to others.
    UserInfoOpaque,
    /// `/userinfo` with a JWT.
    UserInfoJwt,
}

impl Operation {
    /// In the order of the table.
    pub const ALL: [Self; 5] = [
        Self::ClientCredentials,
        Self::Code,
        Self::Refresh,
        Self::UserInfoOpaque,
        Self::UserInfoJwt,
    ];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Code => "code with PKCE",
            Self::Refresh => "refresh token",
            Self::UserInfoOpaque => "/userinfo, opaque token",
            Self::UserInfoJwt => "/userinfo, JWT",
        }
    }

    /// What no server can do without.
    fn limit(self) -> Limit {
        match self {
            Self::ClientCredentials => Limit::Signatures(1),
            Self::Code | Self::Refresh => Limit::Signatures(2),
            Self::UserInfoOpaque => Limit::Discovery,
            Self::UserInfoJwt => Limit::Verification,
        }
    }
}

/// The limit of the same run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// The server's own discovery document: HTTP and TLS, and nothing to do.
    Discovery,
    /// So many bare RS256 signatures.
    Signatures(u32),
    /// A bare RS256 verification.
    Verification,
}

impl Limit {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovery => "its discovery document",
            Self::Signatures(1) => "1 RS256 signature",
            Self::Signatures(_) => "2 RS256 signatures",
            Self::Verification => "1 RS256 verification",
        }
    }
}

/// What a server does for one request.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// What it is compared with.
    pub limit: Limit,
    /// How often something has to be on the disk before the answer.
    pub commits: u32,
    /// In words.
    pub says: &'static str,
}

/// What a server does, or why it does not do that.
pub type Answer = Result<Work, &'static str>;

fn work(operation: Operation, commits: u32, says: &'static str) -> Work {
    let limit = operation.limit();
    Work {
        limit,
        commits,
        says,
    }
}

/// The endpoint with SQLite in a file, as it is installed.
pub fn mintage(operation: Operation) -> Work {
    let (commits, says) = match operation {
        Operation::ClientCredentials => (
            0,
            "secret derived anew (HKDF-SHA256) and compared; 1 signature; nothing stored; an audit line",
        ),
        Operation::Code => (
            2,
            "secret as above; code looked up by its SHA-256 and used up, 1 commit; refresh family begun with the token's SHA-256, 1 commit; 2 signatures; an audit line",
        ),
        Operation::Refresh => (
            1,
            "secret as above; family read, then token replaced if its SHA-256 is the current one, 1 commit; 2 signatures; an audit line",
        ),
        Operation::UserInfoOpaque => (
            0,
            "token opened (AES-256-GCM, key derived anew by HKDF); user from memory; store not asked",
        ),
        Operation::UserInfoJwt => (0, "signature verified; user from memory; store not asked"),
    };
    work(operation, commits, says)
}

/// The same with SQLite in memory, as the others have their stores here.
pub fn mintage_in_memory(operation: Operation) -> Work {
    let says = match operation {
        Operation::Code | Operation::Refresh => "the same statements, and no disk",
        _ => "the same: nothing is stored",
    };
    work(operation, 0, says)
}

/// oidc-provider.
pub fn oidc_provider(operation: Operation) -> Answer {
    let says = match operation {
        Operation::ClientCredentials => {
            "secret compared as it is; 1 signature; nothing stored; no log"
        }
        Operation::Code => {
            "secret compared as it is; code and grant looked up, code marked, refresh token stored as it is, in a map; 2 signatures; no log"
        }
        Operation::Refresh => {
            "secret compared as it is; token and grant looked up, token marked, the next one stored as it is, in a map; 2 signatures; no log"
        }
        Operation::UserInfoOpaque => "token and grant looked up in a map; no log",
        Operation::UserInfoJwt => return Err("it takes no JWT there"),
    };
    Ok(work(operation, 0, says))
}

/// Keycloak.
pub fn keycloak(operation: Operation) -> Answer {
    let says = match operation {
        Operation::ClientCredentials => {
            "secret compared as it is; 1 signature; a session that is not kept; events off"
        }
        Operation::Code => {
            "secret compared as it is; code used up and sessions kept in its cache and database, both in memory; 2 signatures, and an HMAC-SHA512: its refresh token is a JWT; events off"
        }
        Operation::Refresh => {
            "secret compared as it is; HMAC-SHA512 verified and made; sessions as above, with revokeRefreshToken; 2 signatures; events off"
        }
        Operation::UserInfoOpaque => return Err("its access tokens are JWTs"),
        Operation::UserInfoJwt => "signature verified; session and user from its cache; events off",
    };
    Ok(work(operation, 0, says))
}
