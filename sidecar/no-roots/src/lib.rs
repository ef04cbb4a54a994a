//! No authority at all, where sqlx looks for those of the Web.
//!
//! A database is no web site: its certificate is judged by the authority that the administrator named (`sslrootcert`) and
//! by no other, and a list of authorities would be as old as the release that holds it.

use rustls_pki_types::TrustAnchor;

/// The authorities that are trusted unasked: none.
pub const TLS_SERVER_ROOTS: &[TrustAnchor<'static>] = &[];

#[cfg(test)]
mod tests {
    #[test]
    fn nobody_is_trusted_unasked() {
        assert!(super::TLS_SERVER_ROOTS.is_empty());
    }
}
