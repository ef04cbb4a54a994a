//! Users whom a provider knows, and what may come once.

use anyhow::Result;
use mintage_sidecar::endpoint::store::{About, Digest, Person, Profile, Replaced};

use crate::records::{DAY, MANY, NOW, client, domain, family, id, session, tenant, user};
use crate::stores::on_both;

const ISSUER: &str = "https://id.test";

fn profile(name: &str) -> Profile {
    Profile::parse(format!(r#"{{"name":"{name}"}}"#)).unwrap()
}

#[tokio::test]
async fn a_user_is_kept_as_the_provider_last_said() -> Result<()> {
    let name = "people::a_user_is_kept_as_the_provider_last_said";
    on_both(name, async |opened| {
        let (store, ada) = (&opened.store, user("ada"));
        assert_eq!(store.find_person(&tenant(), &ada).await?, None);
        for (name, now) in [("Ada", NOW), ("Ada Lovelace", NOW + DAY)] {
            let profile = profile(name);
            store
                .keep_person(&tenant(), &ada, ISSUER, &profile, now)
                .await?;
            let expected = Person {
                issuer: ISSUER.to_owned(),
                profile,
                known_since: NOW,
            };
            assert_eq!(store.find_person(&tenant(), &ada).await?, Some(expected));
        }
        assert_eq!(store.find_person(&tenant(), &user("eve")).await?, None);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_was_anothers_of_the_same_name_ends() -> Result<()> {
    let name = "people::what_was_anothers_of_the_same_name_ends";
    on_both(name, async |opened| {
        let (store, ada, shop) = (&opened.store, user("ada"), client("shop"));
        let (cookie, token) = (Digest::of("cookie"), Digest::of("token"));
        let about = About {
            user: &ada,
            client: &shop,
            audience: None,
        };
        let scopes = ["openid".parse()?].into();
        let ada_is = async |issuer: &str, now| {
            let profile = profile("Ada");
            store
                .keep_person(&tenant(), &ada, issuer, &profile, now)
                .await
        };
        assert_eq!(ada_is(ISSUER, NOW).await?, None);
        store
            .begin_session(&tenant(), &cookie, &session("ada"))
            .await?;
        store
            .begin_family(&tenant(), &family(id(1)), &token, MANY)
            .await?;
        store.record_consent(&tenant(), about, &scopes, NOW).await?;
        assert_eq!(ada_is(ISSUER, NOW + 1).await?, None);
        let session_of = async || store.find_session(&tenant(), &cookie, &domain(), NOW).await;
        let family_of = async || store.find_family(&tenant(), &id(1), &token, NOW).await;
        assert!(session_of().await?.is_some());
        assert!(family_of().await?.is_some());
        assert_eq!(store.find_consent(&tenant(), about, NOW).await?, scopes);
        let replaced = ada_is("https://another.test", NOW + 2).await?;
        let one_each = Replaced {
            families: 1,
            scopes: 1,
            sessions: 1,
        };
        assert_eq!(replaced, Some(one_each));
        assert_eq!(session_of().await?, None);
        assert!(family_of().await?.is_none());
        assert!(store.find_consent(&tenant(), about, NOW).await?.is_empty());
        let person = store.find_person(&tenant(), &ada).await?.unwrap();
        assert_eq!(person.known_since, NOW + 2);
        assert_eq!(person.issuer, "https://another.test");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_user_who_has_nothing_here_is_forgotten() -> Result<()> {
    let name = "people::a_user_who_has_nothing_here_is_forgotten";
    on_both(name, async |opened| {
        let store = &opened.store;
        for name in ["ada", "bob"] {
            let profile = profile(name);
            store
                .keep_person(&tenant(), &user(name), ISSUER, &profile, NOW)
                .await?;
        }
        // Ada's refresh tokens live for forty days, and are known for a day more.
        let token = Digest::of("token");
        let mut adas = family(id(1));
        (adas.ends_at, adas.idle_until) = (NOW + 40 * DAY, None);
        store.begin_family(&tenant(), &adas, &token, MANY).await?;
        assert_eq!(store.sweep(NOW + 31 * DAY - 1, MANY).await?.people, 0);
        assert_eq!(store.sweep(NOW + 31 * DAY, MANY).await?.people, 1);
        assert_eq!(store.find_person(&tenant(), &user("bob")).await?, None);
        let swept = store.sweep(NOW + 41 * DAY - 1, MANY).await?;
        assert_eq!((swept.families, swept.people), (0, 0));
        let swept = store.sweep(NOW + 41 * DAY, MANY).await?;
        assert_eq!((swept.families, swept.people), (1, 1));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_may_come_once_comes_once() -> Result<()> {
    let name = "people::what_may_come_once_comes_once";
    on_both(name, async |opened| {
        let (store, state) = (&opened.store, Digest::of("state"));
        let ends_at = NOW + 900;
        assert!(store.use_once(&tenant(), &state, ends_at).await?);
        assert!(!store.use_once(&tenant(), &state, ends_at).await?);
        let again = opened.again().await?;
        assert!(!again.use_once(&tenant(), &state, ends_at).await?);
        again.close().await;
        assert!(
            store
                .use_once(&tenant(), &Digest::of("other"), ends_at)
                .await?
        );
        // A clock that steps back a little finds it still.
        assert_eq!(store.sweep(ends_at + DAY - 1, MANY).await?.used, 0);
        assert_eq!(store.sweep(ends_at + DAY, MANY).await?.used, 2);
        Ok(())
    })
    .await
}
