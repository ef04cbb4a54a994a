//! Who the database is.

use anyhow::Result;
use mintage_sidecar::endpoint::store::{Error, open};

use crate::server;
use crate::skip::skip;

#[tokio::test]
async fn a_database_that_cannot_show_who_it_is_is_not_used() -> Result<()> {
    let server = match server::shared().await? {
        Ok(server) => server,
        Err(reason) => {
            return skip(
                "trust::a_database_that_cannot_show_who_it_is_is_not_used",
                &reason,
            );
        }
    };
    let full = format!("sslmode=verify-full&sslrootcert={}", server.authority());
    let place = server.remote("localhost", &full).parse()?;
    let store = open(&place).await?;
    store.check().await?;
    store.close().await;

    let dir = tempfile::tempdir()?;
    let stranger = dir.path().join("stranger.pem");
    let key = rcgen::KeyPair::generate()?;
    let stranger_text = rcgen::CertificateParams::new(Vec::new())?
        .self_signed(&key)?
        .pem();
    std::fs::write(&stranger, stranger_text)?;
    let by_stranger = format!("sslmode=verify-full&sslrootcert={}", stranger.display());
    for (host, parameters) in [
        // Its certificate is for another name.
        ("127.0.0.1", &*full),
        ("localhost", &*by_stranger),
        // No authority is trusted unasked.
        ("localhost", "sslmode=verify-full"),
    ] {
        let place = server.remote(host, parameters).parse()?;
        let refused = open(&place).await.err().unwrap();
        assert!(
            matches!(refused, Error::Untrusted(_)),
            "{host} {parameters}: {refused:?}"
        );
        assert!(refused.to_string().contains("sslrootcert"), "{refused}");
    }
    Ok(())
}
