//! The language of a page: the first one asked for that we speak.

use super::words::{Words, english, german};

/// The longest list of languages that is read.
const MAX_LENGTH: usize = 1024;

/// The most languages that are looked at.
const MAX_LANGUAGES: usize = 32;

/// A language that all texts are there in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
}

impl Language {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Chooses by the request's `ui_locales` (`OpenID` Connect Core section 3.1.2.1), then by its `Accept-Language`
    /// (RFC 9110 section 12.5.4); English where neither names a language of ours.
    pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        let wanted = ui_locales.filter(|text| text.len() <= MAX_LENGTH);
        let accepted = accept_language.filter(|text| text.len() <= MAX_LENGTH);
        wanted
            .and_then(first)
            .or_else(|| accepted.and_then(best))
            .unwrap_or(Self::English)
    }

    /// As `lang` and `Content-Language` have it (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    pub(super) fn words(self) -> &'static Words {
        match self {
            Self::English => &english::WORDS,
            Self::German => &german::WORDS,
        }
    }

    /// A tag stands for its language, wherever it is spoken.
    fn spoken(tag: &str) -> Option<Self> {
        let language = tag.split('-').next()?;
        Self::ALL
            .into_iter()
            .find(|known| language.eq_ignore_ascii_case(known.tag()))
    }
}

/// The first of a list in order of preference.
fn first(ui_locales: &str) -> Option<Language> {
    ui_locales
        .split(' ')
        .take(MAX_LANGUAGES)
        .find_map(Language::spoken)
}

/// The best of a weighted list. An entry that is not well formed counts for nothing.
fn best(accept_language: &str) -> Option<Language> {
    let entries: Vec<(&str, u16)> = accept_language
        .split(',')
        .take(MAX_LANGUAGES)
        .filter_map(entry)
        .collect();
    // `*` is any language that is not named: English first.
    let weight = |language: Language| {
        let named = |tag: &str| Language::spoken(tag) == Some(language);
        let named = entries.iter().filter(|(tag, _)| named(tag));
        let any = entries.iter().find(|(tag, _)| *tag == "*");
        named
            .map(|(_, weight)| *weight)
            .max()
            .or(any.map(|(_, weight)| *weight))
    };
    // Of two with the same weight the one that stands first is taken, as readers of the header expect.
    let place = |language: Language| {
        let mut tags = entries.iter().map(|(tag, _)| Language::spoken(tag));
        tags.position(|spoken| spoken == Some(language))
            .unwrap_or(usize::MAX)
    };
    let mut wanted: Vec<_> = Language::ALL
        .into_iter()
        .filter_map(|language| Some((language, weight(language).filter(|weight| *weight > 0)?)))
        .collect();
    wanted.sort_by_key(|(language, weight)| (u16::MAX - weight, place(*language)));
    wanted.first().map(|(language, _)| *language)
}

/// A tag and its weight in thousandths.
fn entry(text: &str) -> Option<(&str, u16)> {
    let blank = [' ', '\t'];
    let mut parts = text.split(';').map(|part| part.trim_matches(blank));
    let tag = parts.next().filter(|tag| is_range(tag))?;
    let weight = match parts.next() {
        None => 1000,
        Some(part) => {
            let value = part.strip_prefix("q=").or(part.strip_prefix("Q="))?;
            thousandths(value)?
        }
    };
    parts.next().is_none().then_some((tag, weight))
}

/// RFC 4647 section 2.1.
fn is_range(tag: &str) -> bool {
    let alphanumeric = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    tag == "*" || tag.split('-').all(alphanumeric)
}

/// `0`, `0.5`, `1.000`: at most three decimals, at most 1 (RFC 9110 section 12.4.2).
fn thousandths(value: &str) -> Option<u16> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match (whole, decimals) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Language::{English, German};
    use super::*;

    #[test]
    fn the_application_may_name_the_language() {
        for (ui_locales, expected) in [
            ("de", German),
            ("de-AT en", German),
            ("fr-CA DE", German),
            ("en de", English),
            ("fr", German),
            ("", German),
            ("deutsch", German),
        ] {
            let chosen = Language::choose(Some(ui_locales), Some("de"));
            assert_eq!(chosen, expected, "{ui_locales}");
        }
    }

    #[test]
    fn else_the_browser_says_which_it_likes_best() {
        for (accepted, expected) in [
            ("de", German),
            ("de-CH-1996, en;q=0.9", German),
            ("en;q=0.3, de ; q=0.7", German),
            ("en-GB,en;q=0.9,de;q=0.8", English),
            ("de;q=0, *", English),
            ("en;q=0, *;q=0.5", German),
            ("*", English),
            ("de;q=0.5,en;q=0.5", German),
            ("fr, es;q=0.2", English),
            ("", English),
            // No entry of these is well formed.
            ("de;q=1.5", English),
            ("de;q=0.1234", English),
            ("de;q=", English),
            ("de;q=-1", English),
            ("de;q=1;x", English),
            ("de;level=1", English),
            ("de_DE", English),
            ("de-", English),
            ("<script>", English),
            ("en;q=2, de;q=0.1", German),
        ] {
            assert_eq!(
                Language::choose(None, Some(accepted)),
                expected,
                "{accepted}"
            );
        }
    }

    #[test]
    fn a_long_list_is_not_read_to_its_end() {
        let many = format!("{}de", "fr,".repeat(MAX_LANGUAGES));
        assert_eq!(Language::choose(None, Some(&many)), English);
        let long = format!("de,{}", "x".repeat(MAX_LENGTH));
        assert_eq!(Language::choose(Some(&long), Some(&long)), English);
    }
}
