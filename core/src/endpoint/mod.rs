//! The rules of a tenant's endpoint: what applications and users may ask for, and what they get.
//!
//! ```text
//!  /authorize ─► Request::read ─► (session, consent) ─► Decision ─► code
//!  /oauth/token ─► client, grant ─► Target (S3, S4) ─► Claims ─► sign | seal
//! ```
//!
//! Nothing here does I/O; what must be remembered is the store's.

mod access;
mod config;
mod opaque;
mod pkce;
mod redirect;
mod request;
mod secrets;
mod signers;
mod target;
mod tokens;
mod users;

pub use access::{Allowed, Asked, ClientRefusal, IDENTITY_SCOPES, Step, Visitor};
pub use config::{Api, Application, Central, Config, client_id};
pub use opaque::{OPAQUE_LIFETIME, OpaqueClaims};
pub use pkce::Challenge;
pub use redirect::{Origin, RedirectUri};
pub use request::{Misuse, Prompt, ReadHint, Request, ResponseMode, Unanswerable};
pub use secrets::{InvalidMasterFile, Master, MasterFile, Purpose, SealNonce};
pub use signers::Signers;
pub use target::{Target, UnknownAudience};
pub use tokens::{IdToken, UserToken};
pub use users::{HashText, InvalidUser, LONGEST_PASSWORD, NoUser, Profile, Unread, User, Users};
