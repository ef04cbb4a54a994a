//! Scripts of edits: how a fuzzer changes something valid.
//!
//! Bytes at random get no further than the first check of a parser. So each target reads its input twice: as the text
//! itself, and as a script that edits a valid one. `docs/fuzzing.md` describes the targets.

/// The bytes of one edit: what, where (two bytes), and how much or which.
const STEP: usize = 4;

/// An input makes at most this many edits: what takes more is rarely understood.
const MAX_STEPS: usize = 8;

/// Edits a text by a script. `words` are what the format has a meaning for.
///
/// Any script is valid, and one that is cut off makes fewer edits, so that a fuzzer may change scripts as it likes.
pub fn edited(text: &[u8], script: &[u8], words: &[&str]) -> Vec<u8> {
    let mut text = text.to_vec();
    for step in script.chunks_exact(STEP).take(MAX_STEPS) {
        let [what, high, low, argument] = *step else {
            unreachable!("chunks are as long as a step");
        };
        // In proportion to the length, so that every place can be reached and most bytes of a script have an effect.
        let place = usize::from(u16::from_be_bytes([high, low]));
        let place = place * (text.len() + 1) / 0x1_0000;
        let amount = usize::from(argument % 32) + 1;
        let end = (place + amount).min(text.len());
        let word = words.get(usize::from(argument) % words.len().max(1));
        let word = word.map_or(&[][..], |word| word.as_bytes());
        match what % 6 {
            0 => drop(text.splice(place..(place + 1).min(text.len()), [argument])),
            1 => text.insert(place, argument),
            2 => drop(text.drain(place..end)),
            3 => drop(text.splice(place..place, word.iter().copied())),
            4 => {
                let end = (place + word.len()).min(text.len());
                drop(text.splice(place..end, word.iter().copied()));
            }
            _ => {
                let again = text[place..end].to_vec();
                drop(text.splice(place..place, again));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::edited;

    #[test]
    fn each_edit_does_what_it_says() {
        let words = ["no", "yes"];
        for (step, expected) in [
            ([0, 0, 0, b'X'], "Xbcdef"),
            ([1, 0, 0, b'X'], "Xabcdef"),
            ([2, 0, 0, 1], "cdef"),
            ([3, 0xff, 0xff, 1], "abcdefyes"),
            ([4, 0, 0, 1], "yesdef"),
            ([5, 0, 0, 2], "abcabcdef"),
            ([0, 0xff, 0xff, b'X'], "abcdefX"),
        ] {
            let text = edited(b"abcdef", &step, &words);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }

    #[test]
    fn any_script_and_any_text() {
        assert_eq!(edited(b"", &[2, 9, 9, 9, 5, 0, 0, 9, 4, 0, 0, 0], &[]), b"");
        assert_eq!(edited(b"ab", &[0, 0, 0], &[]), b"ab", "half a step is none");
        let endless = edited(b"ab", &[1; 4 * 1000], &[]);
        assert_eq!(endless.len(), 2 + super::MAX_STEPS);
    }
}
