//! Texts of others that people read: what of them is seen, and what is not and acts on the text around it.

use std::ops::RangeInclusive;

/// Characters that stand in no such text: controls, line separators, what turns the direction of writing (UAX #9), and what has no
/// width and no use in a name. U+200C and U+200D are not among them, with which Persian and many emoji are written.
const HIDDEN: [RangeInclusive<char>; 11] = [
    '\0'..='\u{1f}',
    '\u{7f}'..='\u{9f}',
    '\u{61c}'..='\u{61c}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200b}',
    '\u{200e}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
    '\u{e0000}'..='\u{e007f}',
];

/// Characters that may stand in a text, and of which nothing is seen where nothing else stands: spaces, fillers, joiners, variation
/// selectors.
const BLANK: [RangeInclusive<char>; 17] = [
    ' '..=' ',
    '\u{a0}'..='\u{a0}',
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{1680}'..='\u{1680}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2000}'..='\u{200a}',
    '\u{200c}'..='\u{200d}',
    '\u{202f}'..='\u{202f}',
    '\u{205f}'..='\u{205f}',
    '\u{2800}'..='\u{2800}',
    '\u{3000}'..='\u{3000}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
];

/// Marks that stand above or below any letter.
const MARKS: [RangeInclusive<char>; 5] = [
    '\u{300}'..='\u{36f}',
    '\u{1ab0}'..='\u{1aff}',
    '\u{1dc0}'..='\u{1dff}',
    '\u{20d0}'..='\u{20ff}',
    '\u{fe20}'..='\u{fe2f}',
];

/// The most such marks on one letter; languages have three at most.
const MOST_MARKS: u32 = 3;

/// Whether a character has no place in a text for people: it acts on what stands around it, or hides in it.
pub fn is_hidden(letter: char) -> bool {
    HIDDEN.iter().any(|range| range.contains(&letter))
}

/// Whether something is seen of a character that stands alone.
pub fn is_seen(letter: char) -> bool {
    !is_hidden(letter) && !BLANK.iter().any(|range| range.contains(&letter))
}

/// Whether anything is seen of a text.
pub fn shows(text: &str) -> bool {
    text.chars().any(is_seen)
}

/// A text without what is hidden in it, and without marks heaped on a letter, which would cover the lines around it. What would break a
/// line is a space.
pub fn legible(text: &str) -> impl Iterator<Item = char> {
    let mut heap = 0;
    text.chars().filter_map(move |letter| {
        if MARKS.iter().any(|range| range.contains(&letter)) {
            heap += 1;
            return (heap <= MOST_MARKS).then_some(letter);
        }
        match letter {
            '\u{2028}' | '\u{2029}' => Some(' '),
            control if control.is_control() => Some(' '),
            hidden if is_hidden(hidden) => None,
            seen => {
                heap = 0;
                Some(seen)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_no_name() {
        for text in [
            "",
            " ",
            "\u{85}",
            "\u{200b}",
            "\u{3164}\u{ad}\u{fe0f}",
            "\u{202e}\u{202c}",
        ] {
            assert!(!shows(text), "{text:?}");
        }
        for text in [
            "a",
            " é ",
            "\u{202e}x",
            "שלום",
            "می\u{200c}خواهم",
            "👩\u{200d}🚀",
            "❤\u{fe0f}",
        ] {
            assert!(shows(text), "{text:?}");
        }
    }

    #[test]
    fn nothing_turns_hides_or_breaks() {
        let read = |text: &str| legible(text).collect::<String>();
        assert_eq!(read("\u{202e}elgooG\u{202c} \u{202e}evil"), "elgooG evil");
        assert_eq!(read("a\r\nb\u{85}c\u{2028}d"), "a  b c d");
        assert_eq!(read("a\u{200b}\u{feff}\u{2066}b\u{e0041}"), "ab");
        let heap = "\u{301}".repeat(40);
        assert_eq!(
            read(&format!("e{heap}v{heap}")),
            "e\u{301}\u{301}\u{301}v\u{301}\u{301}\u{301}"
        );
        assert_eq!(
            read(&format!("e\u{301}\u{200b}{heap}")),
            "e\u{301}\u{301}\u{301}"
        );
        assert_eq!(read("e\u{302}\u{323}"), "e\u{302}\u{323}");
        for text in [
            "می\u{200c}خواهم",
            "👩\u{200d}🚀",
            "❤\u{fe0f}",
            "Fuß\u{ad}ball",
        ] {
            assert_eq!(read(text), text);
        }
    }
}
