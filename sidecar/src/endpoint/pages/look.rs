//! How a tenant's pages look.

use mintage_core::text;

use super::address::Link;
use super::colour::Colour;
use super::name::Name;

/// The tenant's name, logo, colour and where its users get help.
#[derive(Clone, Debug)]
pub struct Look {
    /// The name that people know the tenant by.
    pub name: String,
    /// An image, shown at most 48 pixels high. Without one, the first letter of the name stands there.
    pub logo: Option<Link>,
    /// The colour of buttons, links and of what has the focus.
    pub colour: Option<Colour>,
    /// A page that helps those who cannot sign in.
    pub support: Option<Link>,
}

impl Look {
    /// With nothing but a name.
    pub fn plain(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            logo: None,
            colour: None,
            support: None,
        }
    }

    /// The name, for a sentence.
    pub(super) fn name(&self) -> Name<'_> {
        Name::new(&self.name)
    }

    /// The first letter of the name, for where there is no logo.
    pub(super) fn initial(&self) -> String {
        let mut seen = self.name.chars().filter(|letter| text::is_seen(*letter));
        let first = seen.find(|letter| letter.is_alphanumeric());
        first.map_or_else(String::new, |letter| letter.to_uppercase().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Look;

    #[test]
    fn the_initial_is_a_letter() {
        for (name, expected) in [
            ("acme", "A"),
            ("»öl«", "Ö"),
            ("(7) seven", "7"),
            ("\u{3164}x", "X"),
            ("–", ""),
        ] {
            assert_eq!(Look::plain(name).initial(), expected);
        }
    }
}
