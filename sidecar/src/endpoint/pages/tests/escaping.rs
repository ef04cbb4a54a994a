//! Attack "XSS on error pages" (CVE-2019-8400), on every page and at every position.

use super::*;

/// Without blanks, so that it fits the path of a URL as well.
const HOSTILE: [&str; 6] = [
    "</title></style><script>alert(1)</script>",
    "\"autofocus/onfocus=\"alert(1)",
    "'onclick='alert(1)",
    "-->]]><svg/onload=alert(1)>",
    "{{nonce}}{%raw%}{#x#}",
    "&quot;&lt;script&gt;&#x22;",
];

/// How often the characters are there that HTML is made of.
fn marks(page: &Page, letters: &[char]) -> Vec<usize> {
    letters
        .iter()
        .map(|letter| page.body.matches(*letter).count())
        .collect()
}

#[test]
fn attack_32_nothing_that_is_shown_becomes_markup() {
    let harmless = plain(Language::German, Window::Own);
    for position in POSITIONS {
        for hostile in HOSTILE {
            let text = |at: &'static str| if at == position { hostile } else { at }.to_owned();
            let mut shown = 0;
            for ((name, page), (_, plain)) in pages(Language::German, Window::Own, &text)
                .iter()
                .zip(&harmless)
            {
                // A message is JSON: its own quotes are escaped as JSON has it, and are looked at below.
                let letters: &[char] = match *name {
                    "web message" => &['<', '>', '\''],
                    _ => &['<', '>', '\'', '"'],
                };
                assert_eq!(
                    marks(page, letters),
                    marks(plain, letters),
                    "{name}, {position}: {hostile}\n{}",
                    page.body
                );
                assert_eq!(page.status, plain.status, "{name}");
                assert_eq!(page.headers, plain.headers, "{name}, {position}: {hostile}");
                shown += usize::from(page.body != plain.body);
            }
            assert!(shown > 0, "{position} stands in no page");
        }
    }
}

#[test]
fn a_template_in_a_text_is_text() {
    let text = |_: &'static str| "{{tenant}}{{7*7}}".to_owned();
    for (name, page) in pages(Language::English, Window::Own, &text) {
        assert!(page.body.contains("{{7*7}}"), "{name}: {}", page.body);
    }
}

#[test]
fn a_message_carries_what_it_was_given() {
    let hostile = HOSTILE.concat() + "\u{2028}\\ ä";
    let text = |at: &'static str| {
        if at.starts_with("answer") {
            hostile.clone()
        } else {
            at.into()
        }
    };
    let pages = pages(Language::English, Window::Own, &text);
    let (_, page) = pages
        .iter()
        .find(|(name, _)| *name == "web message")
        .unwrap();
    let start = "<script type=\"application/json\" id=\"answer\">";
    let (_, json) = page.body.split_once(start).unwrap();
    let (json, _) = json.split_once("</script>").unwrap();
    let message: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(message["target"], "https://app.example.com");
    assert_eq!(message["message"]["type"], "authorization_response");
    assert_eq!(message["message"]["response"][&hostile], hostile.as_str());
}
