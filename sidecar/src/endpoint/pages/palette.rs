//! The colours of a page, light and dark, around the tenant's own.

use super::colour::Colour;

/// The least contrast of text (WCAG 2.2, 1.4.3).
const TEXT: f64 = 4.5;

/// The least contrast of what marks a control (WCAG 2.2, 1.4.11).
const MARK: f64 = 3.0;

/// The tenant that chose no colour.
const DEFAULT_BRAND: Colour = Colour::new(0x0b, 0x6e, 0x4f);

/// What does not depend on the tenant.
struct Palette {
    alarm: Colour,
    alarm_ground: Colour,
    card: Colour,
    field: Colour,
    ground: Colour,
    ink: Colour,
    line: Colour,
    muted: Colour,
    note_ground: Colour,
}

const LIGHT: Palette = Palette {
    alarm: Colour::new(0x9b, 0x1c, 0x1c),
    alarm_ground: Colour::new(0xfd, 0xf0, 0xef),
    card: Colour::WHITE,
    field: Colour::new(0x80, 0x8b, 0x86),
    ground: Colour::new(0xf3, 0xf5, 0xf4),
    ink: Colour::new(0x17, 0x1c, 0x1a),
    line: Colour::new(0xdd, 0xe2, 0xdf),
    muted: Colour::new(0x55, 0x60, 0x5b),
    note_ground: Colour::new(0xf6, 0xf8, 0xf7),
};

const DARK: Palette = Palette {
    alarm: Colour::new(0xff, 0xb9, 0xb1),
    alarm_ground: Colour::new(0x3b, 0x1b, 0x19),
    card: Colour::new(0x1a, 0x20, 0x1e),
    field: Colour::new(0x7b, 0x88, 0x82),
    ground: Colour::new(0x0f, 0x13, 0x12),
    ink: Colour::new(0xe9, 0xee, 0xec),
    line: Colour::new(0x31, 0x3a, 0x37),
    muted: Colour::new(0xa7, 0xb3, 0xad),
    note_ground: Colour::new(0x22, 0x29, 0x27),
};

/// The tenant's colour among the others.
struct Brand {
    /// Of links, and around what has the focus.
    accent: Colour,
    fill: Colour,
    /// Around what is filled with the brand, so that it is seen on a card of nearly the same colour.
    edge: Colour,
    /// Under the pointer; further from its text than the brand.
    hover: Colour,
    text: Colour,
}

impl Brand {
    fn on(palette: &Palette, brand: Colour) -> Self {
        let text = brand.text();
        let away = if text == Colour::WHITE {
            Colour::BLACK
        } else {
            Colour::WHITE
        };
        Self {
            // It is read on both.
            accent: brand
                .readable_on(palette.card, TEXT)
                .readable_on(palette.ground, TEXT)
                .readable_on(palette.note_ground, TEXT),
            fill: brand,
            edge: brand.readable_on(palette.card, MARK),
            hover: brand.mixed(away, 5),
            text,
        }
    }
}

/// The colours as custom properties of CSS.
pub fn css(brand: Option<Colour>) -> String {
    let brand = brand.unwrap_or(DEFAULT_BRAND);
    format!(
        ":root{{{}}}@media(prefers-color-scheme:dark){{:root{{{}}}}}",
        properties(&LIGHT, brand),
        properties(&DARK, brand)
    )
}

fn properties(palette: &Palette, brand: Colour) -> String {
    let brand = Brand::on(palette, brand);
    [
        ("accent", brand.accent),
        ("alarm", palette.alarm),
        ("alarm-ground", palette.alarm_ground),
        ("brand", brand.fill),
        ("brand-edge", brand.edge),
        ("brand-hover", brand.hover),
        ("brand-text", brand.text),
        ("card", palette.card),
        ("field", palette.field),
        ("ground", palette.ground),
        ("ink", palette.ink),
        ("line", palette.line),
        ("muted", palette.muted),
        ("note-ground", palette.note_ground),
    ]
    .map(|(name, colour)| format!("--{name}:{colour};"))
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_contrast(what: &str, one: Colour, two: Colour, least: f64) {
        let found = one.contrast(two);
        assert!(found >= least, "{what}: {one} on {two} has {found:.2}");
    }

    #[test]
    fn all_that_is_written_is_read() {
        for palette in [LIGHT, DARK] {
            for ground in [palette.card, palette.ground, palette.note_ground] {
                assert_contrast("ink", palette.ink, ground, 7.0);
                assert_contrast("muted", palette.muted, ground, TEXT);
            }
            assert_contrast("alarm", palette.alarm, palette.alarm_ground, TEXT);
            assert_contrast("ink in alarm", palette.ink, palette.alarm_ground, TEXT);
            assert_contrast("field", palette.field, palette.card, MARK);
            assert_contrast("alarm on card", palette.alarm, palette.card, TEXT);
        }
    }

    #[test]
    fn any_colour_of_a_tenant_is_read() {
        // A step of 15 on each channel, which black, white and all pure colours are among.
        let channel = || (0..=255).step_by(15);
        let colours = channel().flat_map(|red| {
            channel()
                .flat_map(move |green| channel().map(move |blue| Colour::new(red, green, blue)))
        });
        for colour in colours {
            for palette in [LIGHT, DARK] {
                let brand = Brand::on(&palette, colour);
                assert_contrast("button", brand.text, brand.fill, TEXT);
                assert_contrast("button under the pointer", brand.text, brand.hover, TEXT);
                assert_contrast("edge", brand.edge, palette.card, MARK);
                for ground in [palette.card, palette.ground, palette.note_ground] {
                    assert_contrast("accent", brand.accent, ground, TEXT);
                }
            }
        }
    }

    #[test]
    fn both_schemes_name_the_same_properties() {
        let css = css(None);
        let (light, dark) = css.split_once("@media").unwrap();
        let names = |half: &str| -> Vec<String> {
            half.split("--")
                .skip(1)
                .map(|it| it[..it.find(':').unwrap()].into())
                .collect()
        };
        assert_eq!(names(light), names(dark));
        assert_eq!(names(light).len(), 14);
    }
}
