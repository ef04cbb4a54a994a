use serde_json::{Map, Value};

use crate::endpoint::Profile;

/// The longest name, in bytes.
const MAX_NAME: usize = 200;

/// The longest email address, in bytes (RFC 5321 section 4.5.3.1.3).
const MAX_EMAIL: usize = 254;

/// The longest address of a picture, in bytes.
const MAX_PICTURE: usize = 1000;

/// What an ID token says of the user, as far as it is of use here. What is too long or has control characters is left out:
/// nobody is kept from signing in by a picture.
pub(super) fn read(claims: &Map<String, Value>) -> Profile {
    let text = |name: &str, most: usize| {
        let text = claims.get(name)?.as_str()?;
        let fits = (1..=most).contains(&text.len()) && !text.chars().any(char::is_control);
        fits.then(|| text.to_owned())
    };
    let plain = |text: &String| {
        text.starts_with("https://")
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
    };
    let email = text("email", MAX_EMAIL);
    Profile {
        // Some providers write a text.
        email_verified: match claims.get("email_verified") {
            _ if email.is_none() => None,
            Some(Value::Bool(verified)) => Some(*verified),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        },
        email,
        name: text("name", MAX_NAME),
        given_name: text("given_name", MAX_NAME),
        family_name: text("family_name", MAX_NAME),
        nickname: text("nickname", MAX_NAME),
        picture: text("picture", MAX_PICTURE).filter(plain),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: Value) -> Profile {
        let Value::Object(claims) = claims else {
            panic!("{claims}")
        };
        read(&claims)
    }

    #[test]
    fn standard_claims_are_kept_and_nothing_else() {
        let profile = of(json!({
            "sub": "1", "name": "Ada", "given_name": "Ada", "family_name": "Lovelace", "nickname": "ada",
            "picture": "https://pictures.test/ada.png", "email": "ada@corp.test", "email_verified": true,
            "groups": ["admins"], "permissions": ["*"],
        }));
        let kept = serde_json::to_value(&profile).unwrap();
        let expected = json!({
            "name": "Ada", "given_name": "Ada", "family_name": "Lovelace", "nickname": "ada",
            "picture": "https://pictures.test/ada.png", "email": "ada@corp.test", "email_verified": true,
        });
        assert_eq!(kept, expected);
    }

    #[test]
    fn what_is_strange_is_left_out() {
        let profile = of(json!({
            "name": "a".repeat(201), "given_name": "a\nb", "family_name": 7, "nickname": "",
            "picture": "javascript:alert(1)", "email": ["a@b.test"], "email_verified": true,
        }));
        assert_eq!(profile, Profile::default());
        let verified = |value: Value| {
            let claims = json!({ "email": "a@b.test", "email_verified": value });
            of(claims).email_verified
        };
        assert_eq!(verified(json!("true")), Some(true));
        assert_eq!(verified(json!("false")), Some(false));
        assert_eq!(verified(json!("yes")), None);
        assert_eq!(verified(json!(1)), None);
    }

    /// The store keeps a profile of at most 4 KiB.
    #[test]
    fn the_longest_profile_is_kept() {
        let quotes = |length: usize| "\"".repeat(length);
        let picture = format!("https://{}", "a".repeat(MAX_PICTURE - 8));
        let profile = of(json!({
            "name": quotes(200), "given_name": quotes(200), "family_name": quotes(200), "nickname": quotes(200),
            "email": quotes(254), "email_verified": false, "picture": picture,
        }));
        assert_eq!(profile.picture, Some(picture));
        assert!(serde_json::to_string(&profile).unwrap().len() <= 4096);
    }
}
