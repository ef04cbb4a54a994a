use anyhow::Result;
use mintage_sidecar::endpoint::store::{
    Begun, Code, Digest, Family, Redeemed, Rotated, Standing, Whose,
};

use crate::records::{MANY, NOW, by, client, code, family, id, leniently_to, tenant, user};
use crate::stores::{Opened, on_both};

/// 1 and 2: Ada's at the shop, of two sessions; 3: hers elsewhere, of the first session; 4: Bob's at the shop.
async fn four(opened: &Opened) -> Result<()> {
    let of = |number, name, at, session| Family {
        user: user(name),
        client: client(at),
        session,
        ..family(id(number))
    };
    let session = Some(Digest::of("cookie"));
    for family in [
        of(1, "ada", "shop", session),
        of(2, "ada", "shop", None),
        of(3, "ada", "other", session),
        of(4, "bob", "shop", None),
    ] {
        opened
            .store
            .begin_family(&tenant(), &family, &Digest::of("r1"), MANY)
            .await?;
        let found = opened
            .store
            .find_family(&tenant(), &family.id, &Digest::of("r1"), NOW)
            .await?;
        assert_eq!(found, Some((family, Standing::Live)));
    }
    Ok(())
}

/// Revokes, and looks which of the four cannot refresh any more.
async fn revokes(opened: &Opened, whose: Whose<'_>, revoked: &[u8]) -> Result<()> {
    four(opened).await?;
    let store = &opened.store;
    assert_eq!(
        store.revoke_families(&tenant(), whose, NOW).await?,
        revoked.len()
    );
    assert_eq!(store.revoke_families(&tenant(), whose, NOW).await?, 0);
    for number in 1..=4 {
        let at = client(if number == 3 { "other" } else { "shop" });
        let (family, token) = (id(number), Digest::of("r1"));
        let rotated = store
            .rotate(&tenant(), by(&at, &family, &token), leniently_to("r2"), NOW)
            .await?;
        match rotated {
            Rotated::Good(_) => assert!(!revoked.contains(&number), "{number}"),
            Rotated::Revoked(_) => assert!(revoked.contains(&number), "{number}"),
            other => panic!("{number}: {other:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn attack_26_no_refresh_after_a_user_is_disabled() -> Result<()> {
    on_both(
        "revocation::attack_26_no_refresh_after_a_user_is_disabled",
        async |opened| revokes(opened, Whose::User(&user("ada")), &[1, 2, 3]).await,
    )
    .await
}

#[tokio::test]
async fn attack_26_no_refresh_after_an_application_is_disabled() -> Result<()> {
    on_both(
        "revocation::attack_26_no_refresh_after_an_application_is_disabled",
        async |opened| revokes(opened, Whose::Client(&client("shop")), &[1, 2, 4]).await,
    )
    .await
}

#[tokio::test]
async fn attack_26_no_refresh_after_a_consent_is_withdrawn() -> Result<()> {
    on_both(
        "revocation::attack_26_no_refresh_after_a_consent_is_withdrawn",
        async |opened| {
            revokes(
                opened,
                Whose::UserAndClient(&user("ada"), &client("shop")),
                &[1, 2],
            )
            .await
        },
    )
    .await
}

#[tokio::test]
async fn attack_26_no_refresh_after_signing_out() -> Result<()> {
    on_both(
        "revocation::attack_26_no_refresh_after_signing_out",
        async |opened| revokes(opened, Whose::Session(&Digest::of("cookie")), &[1, 3]).await,
    )
    .await
}

#[tokio::test]
async fn attack_26_no_refresh_after_a_family_is_revoked() -> Result<()> {
    on_both(
        "revocation::attack_26_no_refresh_after_a_family_is_revoked",
        async |opened| {
            four(opened).await?;
            let (store, token, shop) = (&opened.store, Digest::of("r1"), client("shop"));
            assert!(store.revoke_family(&tenant(), &id(1), NOW).await?);
            assert!(!store.revoke_family(&tenant(), &id(1), NOW).await?);
            let found = store.find_family(&tenant(), &id(1), &token, NOW).await?;
            assert_eq!(found.map(|(_, standing)| standing), Some(Standing::Revoked));
            let rotated = store
                .rotate(
                    &tenant(),
                    by(&shop, &id(1), &token),
                    leniently_to("r2"),
                    NOW,
                )
                .await?;
            assert!(matches!(rotated, Rotated::Revoked(_)), "{rotated:?}");
            let rotated = store
                .rotate(
                    &tenant(),
                    by(&shop, &id(2), &token),
                    leniently_to("r2"),
                    NOW,
                )
                .await?;
            assert!(matches!(rotated, Rotated::Good(_)), "{rotated:?}");
            Ok(())
        },
    )
    .await
}

/// 1 and 2: Ada's for the shop, the second of which was redeemed a moment ago; 3: hers for another; 4: Bob's.
async fn takes_back(opened: &Opened, whose: Whose<'_>, taken: &[u8]) -> Result<()> {
    let (store, tenant) = (&opened.store, tenant());
    let digest = |number: u8| Digest::of(&format!("code {number}"));
    let redeem = async |number| {
        let client = client(if number == 3 { "other" } else { "shop" });
        store
            .redeem_code(&tenant, &digest(number), &client, NOW)
            .await
    };
    for (number, name, at) in [
        (1, "ada", "shop"),
        (2, "ada", "shop"),
        (3, "ada", "other"),
        (4, "bob", "shop"),
    ] {
        let code = Code {
            user: user(name),
            client: client(at),
            ..code(id(number))
        };
        store.add_code(&tenant, &digest(number), &code).await?;
    }
    let good = |redeemed: &Redeemed| matches!(redeemed, Redeemed::Good { .. });
    assert!(good(&redeem(2).await?));
    assert_eq!(store.revoke_families(&tenant, whose, NOW).await?, 0);
    for number in [1, 3, 4] {
        let redeemed = redeem(number).await?;
        if taken.contains(&number) {
            assert_eq!(redeemed, Redeemed::Unknown, "{number}");
        } else {
            assert!(good(&redeemed), "{number}: {redeemed:?}");
        }
    }
    for number in 1..=4 {
        let begun = store
            .begin_family(&tenant, &family(id(number)), &Digest::of("r1"), MANY)
            .await?;
        let spoilt = begun == Begun::CodeSpoilt;
        assert_eq!(spoilt, taken.contains(&number), "{number}: {begun:?}");
    }
    // It is the user who took it back, and nobody who uses it twice.
    assert_eq!(redeem(2).await?, Redeemed::Unknown);
    Ok(())
}

#[tokio::test]
async fn attack_26_no_code_is_good_after_its_user_signed_out_everywhere() -> Result<()> {
    let name = "revocation::attack_26_no_code_is_good_after_its_user_signed_out_everywhere";
    on_both(name, async |opened| {
        takes_back(opened, Whose::User(&user("ada")), &[1, 2, 3]).await
    })
    .await
}

#[tokio::test]
async fn attack_26_no_code_is_good_after_its_consent_is_withdrawn() -> Result<()> {
    let name = "revocation::attack_26_no_code_is_good_after_its_consent_is_withdrawn";
    on_both(name, async |opened| {
        let whose = Whose::UserAndClient(&user("ada"), &client("shop"));
        takes_back(opened, whose, &[1, 2]).await
    })
    .await
}
