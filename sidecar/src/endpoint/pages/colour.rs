//! Colours, and how well one is read on another (WCAG 2.2, "contrast ratio").

use std::fmt;
use std::str::FromStr;

/// A colour, `#rrggbb`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Colour([u8; 3]);

/// A text that is no colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a colour is written `#rrggbb`, such as `#0b6e4f`")]
pub struct NoColour;

impl Colour {
    pub(super) const BLACK: Self = Self([0; 3]);
    pub(super) const WHITE: Self = Self([255; 3]);

    pub(super) const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self([red, green, blue])
    }

    /// Black or white, whichever is read better on this colour: at least 4.58 to 1 on any.
    #[must_use]
    pub fn text(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) {
            Self::WHITE
        } else {
            Self::BLACK
        }
    }

    /// From 1 (the same) to 21 (black and white).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// The nearest colour on the way to black or white that has at least this contrast to the ground.
    #[must_use]
    pub(super) fn readable_on(self, ground: Self, least: f64) -> Self {
        let end = ground.text();
        (0..=32)
            .map(|step| self.mixed(end, step))
            .find(|colour| colour.contrast(ground) >= least)
            .unwrap_or(end)
    }

    /// With so many parts of 32 of another colour.
    #[must_use]
    pub(super) fn mixed(self, other: Self, parts: u16) -> Self {
        let parts = parts.min(32);
        let mut mixed = self;
        for (channel, other) in mixed.0.iter_mut().zip(other.0) {
            let sum = u16::from(*channel) * (32 - parts) + u16::from(other) * parts;
            *channel = u8::try_from(sum / 32).unwrap_or(u8::MAX);
        }
        mixed
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 {
                share / 12.92
            } else {
                ((share + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl FromStr for Colour {
    type Err = NoColour;

    fn from_str(text: &str) -> Result<Self, NoColour> {
        let digits = text.strip_prefix('#').ok_or(NoColour)?;
        // `from_str_radix` takes a sign.
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NoColour);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| NoColour)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_has_one_shape() {
        assert_eq!("#0B6e4f".parse::<Colour>().unwrap().to_string(), "#0b6e4f");
        for text in [
            "",
            "#",
            "0b6e4f",
            "#fff",
            "#0b6e4f0",
            "#+b6e4f",
            "#0b6e4g",
            "#äöü",
            "red",
            "#0b6e4f;}body{",
            " #0b6e4f",
            "rgb(0,0,0)",
        ] {
            assert_eq!(text.parse::<Colour>(), Err(NoColour), "{text}");
        }
    }

    #[test]
    fn contrast_is_that_of_the_guidelines() {
        assert!((Colour::BLACK.contrast(Colour::WHITE) - 21.0).abs() < 1e-9);
        // Known by many tools: this grey is the lightest that passes on white.
        let grey = Colour::new(0x76, 0x76, 0x76);
        assert!((grey.contrast(Colour::WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn a_colour_that_is_read_well_stays() {
        let green = Colour::new(0x0b, 0x6e, 0x4f);
        assert_eq!(green.readable_on(Colour::WHITE, 4.5), green);
        assert_ne!(green.readable_on(Colour::BLACK, 4.5), green);
    }
}
