//! Attack 32, a name that reads as something else: whatever others call themselves, our own words stay as they are.

use super::*;

/// The positions of texts of others. `request` is ours; addresses and what is carried unseen are looked at as markup alone.
const NAMES: [&str; 10] = [
    "api",
    "application",
    "back",
    "connection-label",
    "description",
    "detail",
    "failure-label",
    "problem-label",
    "tenant",
    "user",
];

/// Characters that turn the direction of writing, break lines, or are not seen, and are none of ours.
const FOREIGN: [char; 15] = [
    '\u{85}', '\u{9b}', '\u{61c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}',
    '\u{202c}', '\u{202d}', '\u{202e}', '\u{2060}', '\u{2066}', '\u{2067}', '\u{feff}',
];

#[test]
fn attack_32_a_name_turns_no_word_of_a_page_around() {
    for position in NAMES {
        let hostile = format!("\u{2069}</bdi>{}evil", String::from_iter(FOREIGN));
        let text = |at: &'static str| if at == position { &hostile } else { at }.to_owned();
        for (name, page) in pages(Language::English, Window::Own, &text) {
            let body = page.body;
            assert!(!body.contains(FOREIGN), "{name}, {position}: {body}");
            // Each isolate that begins also ends, before whatever holds the sentence does.
            for (begins, ends) in [("<bdi>", "</bdi>"), ("\u{2068}", "\u{2069}")] {
                let opened: Vec<&str> = body.split(begins).skip(1).collect();
                for rest in &opened {
                    let inside = rest.split(ends).next().unwrap_or_default();
                    assert!(!inside.contains('<'), "{name}, {position}: {inside}");
                }
                assert_eq!(
                    opened.len(),
                    body.matches(ends).count(),
                    "{name}, {position}"
                );
            }
        }
    }
}

#[test]
fn attack_32_every_name_stands_for_itself() {
    let text = |at: &'static str| {
        let mark = if NAMES.contains(&at) { "⟦" } else { "" };
        format!("{mark}{at}")
    };
    let mut places = 0;
    for (name, page) in pages(Language::German, Window::Own, &text) {
        for (at, _) in page.body.match_indices('⟦') {
            // In an element, in the title, or as the whole value of a field.
            let before = &page.body[..at];
            let starts = ["<bdi>", "\u{2068}", "value=\""];
            let isolated = starts.iter().any(|start| before.ends_with(start));
            assert!(isolated, "{name}: {}", page.body);
            places += 1;
        }
    }
    assert!(places > 60, "{places} places");
}

#[test]
fn attack_32_a_field_says_what_it_seems_to_say() {
    let text = |at: &'static str| match at {
        "user" => "\u{202e}ada\u{200b}\n".to_owned(),
        other => other.to_owned(),
    };
    let pages = pages(Language::English, Window::Own, &text);
    let (_, page) = &pages[0];
    assert!(
        page.body.contains(" dir=\"auto\" value=\"ada \""),
        "{}",
        page.body
    );
}

#[test]
fn a_scope_that_says_nothing_is_shown_by_its_name() {
    let text = |at: &'static str| match at {
        "description" => "\u{3164}\u{200b} ".to_owned(),
        other => other.to_owned(),
    };
    let pages = pages(Language::English, Window::Own, &text);
    let (_, page) = pages.iter().find(|(name, _)| *name == "consent").unwrap();
    let shown = "<code><bdi>write:orders</bdi></code>";
    assert!(page.body.contains(shown), "{}", page.body);
}
