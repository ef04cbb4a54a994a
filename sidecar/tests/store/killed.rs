//! A `PostgreSQL` that is killed in mid-traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use mintage_sidecar::endpoint::store::{
    Begun, Digest, Error, FamilyId, Redeemed, Rotated, Store, open,
};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::records::{MANY, NOW, by, client, code, family, tenant, to};
use crate::server::Server;
use crate::skip::skip;

/// What a client did with the store, and what it was told.
#[derive(Default)]
struct Told {
    /// Codes that it was told are used up.
    used: Vec<Digest>,
    /// A code that it never got an answer about.
    unclear_code: Option<Digest>,
    /// Refresh tokens that it was told made room, with their families.
    replaced: Vec<(FamilyId, Digest)>,
    /// A token that it never got an answer about.
    unclear_token: Option<(FamilyId, Digest)>,
}

/// Signs in and refreshes, over and over, until the store does not answer.
async fn traffic(store: Arc<dyn Store>, number: u8, done: Arc<AtomicUsize>) -> Told {
    let (mut told, shop) = (Told::default(), client("shop"));
    for round in 0_u32.. {
        let mut bytes = [number; 16];
        bytes[..4].copy_from_slice(&round.to_be_bytes());
        let id = FamilyId::from(bytes);
        let text = |what: &str| Digest::of(&format!("{number} {round} {what}"));
        let secret = text("code");
        if store.add_code(&tenant(), &secret, &code(id)).await.is_err() {
            return told;
        }
        match store.redeem_code(&tenant(), &secret, &shop, NOW).await {
            Ok(Redeemed::Good { .. }) => told.used.push(secret),
            Ok(other) => panic!("{other:?}"),
            Err(_) => {
                told.unclear_code = Some(secret);
                return told;
            }
        }
        match store
            .begin_family(&tenant(), &family(id), &text("0"), MANY)
            .await
        {
            Ok(Begun::Kept { .. }) => {}
            Ok(Begun::CodeSpoilt) => panic!("the code was used once"),
            Err(_) => return told,
        }
        for turn in 0..5 {
            let token = text(&turn.to_string());
            let next = to(&format!("{number} {round} {}", turn + 1));
            match store
                .rotate(&tenant(), by(&shop, &id, &token), next, NOW)
                .await
            {
                Ok(Rotated::Good(_)) => told.replaced.push((id, token)),
                Ok(other) => panic!("{other:?}"),
                Err(_) => {
                    told.unclear_token = Some((id, token));
                    return told;
                }
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    told
}

/// What was used stays so, and what is unclear is good for once at the most.
async fn check(store: &dyn Store, told: &Told) -> Result<()> {
    let shop = client("shop");
    if let Some((id, token)) = &told.unclear_token {
        let first = store
            .rotate(&tenant(), by(&shop, id, token), to("first"), NOW)
            .await?;
        assert!(
            matches!(first, Rotated::Good(_) | Rotated::Reused(_)),
            "{first:?}"
        );
        let second = store
            .rotate(&tenant(), by(&shop, id, token), to("second"), NOW)
            .await?;
        assert!(
            matches!(second, Rotated::Reused(_) | Rotated::Revoked(_)),
            "{second:?}"
        );
    }
    for (id, token) in &told.replaced {
        let again = store
            .rotate(&tenant(), by(&shop, id, token), to("again"), NOW)
            .await?;
        assert!(
            matches!(again, Rotated::Reused(_) | Rotated::Revoked(_)),
            "{again:?}"
        );
    }
    if let Some(secret) = &told.unclear_code {
        let first = store.redeem_code(&tenant(), secret, &shop, NOW).await?;
        assert!(
            matches!(first, Redeemed::Good { .. } | Redeemed::Replayed { .. }),
            "{first:?}"
        );
        let second = store.redeem_code(&tenant(), secret, &shop, NOW).await?;
        assert!(matches!(second, Redeemed::Replayed { .. }), "{second:?}");
    }
    for secret in &told.used {
        let again = store.redeem_code(&tenant(), secret, &shop, NOW).await?;
        assert!(matches!(again, Redeemed::Replayed { .. }), "{again:?}");
    }
    Ok(())
}

#[tokio::test]
async fn f11_what_was_used_before_a_database_was_killed_is_used_afterwards() -> Result<()> {
    let mut server = match Server::own().await? {
        Ok(server) => server,
        Err(reason) => {
            let name = "killed::f11_what_was_used_before_a_database_was_killed_is_used_afterwards";
            return skip(name, &reason);
        }
    };
    let store = open(&server.database().await?.parse()?).await?;
    let done = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for number in 1..=8 {
        clients.spawn(traffic(Arc::clone(&store), number, Arc::clone(&done)));
    }
    let busy = async {
        while done.load(Ordering::Relaxed) < 40 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_mins(2), busy).await?;
    server.kill().await?;
    let told = timeout(Duration::from_mins(1), clients.join_all()).await?;
    let refused = store
        .redeem_code(&tenant(), &Digest::of("any"), &client("shop"), NOW)
        .await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    ensure!(store.check().await.is_err());

    server.run().await?;
    // The same store, which connects again by itself.
    let back = async {
        while store.check().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_mins(1), back).await?;
    for told in &told {
        ensure!(
            !told.used.is_empty() && !told.replaced.is_empty(),
            "no traffic"
        );
        check(&*store, told).await?;
    }
    store.close().await;
    Ok(())
}
