use anyhow::Result;
use mintage_core::Domain;
use mintage_sidecar::endpoint::store::{Digest, Error, Session};

use crate::records::{DAY, NOW, domain, session, tenant, user};
use crate::stores::on_both;

#[tokio::test]
async fn a_session_is_found_by_the_host_whose_cookie_it_is() -> Result<()> {
    on_both(
        "sessions::a_session_is_found_by_the_host_whose_cookie_it_is",
        async |opened| {
            let store = &opened.store;
            let cookie = Digest::of("cookie");
            store
                .begin_session(&tenant(), &cookie, &session("ada"))
                .await?;
            let found = store
                .find_session(&tenant(), &cookie, &domain(), NOW)
                .await?;
            assert_eq!(found, Some(session("ada")));

            let elsewhere = Domain::parse("login.example.org").unwrap();
            let found = store
                .find_session(&tenant(), &cookie, &elsewhere, NOW)
                .await?;
            assert_eq!(found, None);
            let found = store
                .find_session(&tenant(), &Digest::of("cookies"), &domain(), NOW)
                .await?;
            assert_eq!(found, None);
            let again = store
                .begin_session(&tenant(), &cookie, &session("eve"))
                .await;
            assert!(matches!(again, Err(Error::Clash)), "{again:?}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_session_ends_for_want_of_use_and_in_any_case() -> Result<()> {
    on_both(
        "sessions::a_session_ends_for_want_of_use_and_in_any_case",
        async |opened| {
            let store = &opened.store;
            let [idle, old] = ["idle", "old"].map(Digest::of);
            let used = Session {
                idle_until: NOW + 2 * DAY,
                ..session("ada")
            };
            store
                .begin_session(&tenant(), &idle, &session("ada"))
                .await?;
            store.begin_session(&tenant(), &old, &used).await?;
            for (cookie, last) in [(&idle, NOW + 3599), (&old, NOW + DAY - 1)] {
                let found = store
                    .find_session(&tenant(), cookie, &domain(), last)
                    .await?;
                assert!(found.is_some());
                let found = store
                    .find_session(&tenant(), cookie, &domain(), last + 1)
                    .await?;
                assert_eq!(found, None);
                // Not by a clock that steps back, either.
                let found = store
                    .find_session(&tenant(), cookie, &domain(), NOW)
                    .await?;
                assert_eq!(found, None);
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_session_that_is_used_lives_on_and_is_seldom_written_to() -> Result<()> {
    on_both(
        "sessions::a_session_that_is_used_lives_on_and_is_seldom_written_to",
        async |opened| {
            let store = &opened.store;
            let cookie = Digest::of("cookie");
            store
                .begin_session(&tenant(), &cookie, &session("ada"))
                .await?;
            for (after, written) in [
                (59, false),
                (60, true),
                (61, false),
                (119, false),
                (120, true),
            ] {
                let now = NOW + after;
                let touched = store
                    .touch_session(&tenant(), &cookie, now + 3600, now)
                    .await?;
                assert_eq!(touched, written, "after {after} s");
            }
            // An earlier end, as after a clock that stepped back, shortens nothing.
            assert!(
                !store
                    .touch_session(&tenant(), &cookie, NOW + 10, NOW)
                    .await?
            );
            let last = NOW + 120 + 3599;
            let found = store
                .find_session(&tenant(), &cookie, &domain(), last)
                .await?;
            assert_eq!(found.map(|session| session.idle_until), Some(last + 1));
            // What has ended is not revived.
            assert!(
                !store
                    .touch_session(&tenant(), &cookie, last + 3600, last + 1)
                    .await?
            );
            assert!(
                !store
                    .touch_session(&tenant(), &cookie, NOW + 2 * DAY, NOW + DAY)
                    .await?
            );
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn one_session_or_all_of_a_user_are_ended() -> Result<()> {
    on_both(
        "sessions::one_session_or_all_of_a_user_are_ended",
        async |opened| {
            let store = &opened.store;
            for (cookie, name) in [("1", "ada"), ("2", "ada"), ("3", "ada"), ("4", "bob")] {
                store
                    .begin_session(&tenant(), &Digest::of(cookie), &session(name))
                    .await?;
            }
            assert_eq!(
                store.end_session(&tenant(), &Digest::of("1")).await?,
                Some(user("ada"))
            );
            assert_eq!(store.end_session(&tenant(), &Digest::of("1")).await?, None);
            assert_eq!(store.end_sessions(&tenant(), &user("ada")).await?, 2);
            for (cookie, lives) in [("1", false), ("2", false), ("3", false), ("4", true)] {
                let found = store
                    .find_session(&tenant(), &Digest::of(cookie), &domain(), NOW)
                    .await?;
                assert_eq!(found.is_some(), lives, "{cookie}");
            }
            Ok(())
        },
    )
    .await
}
