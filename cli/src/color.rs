//! When output has colours: on a terminal, unless `NO_COLOR` is set, or as `--color` says.

use std::ffi::OsString;

use clap::{ColorChoice, ValueEnum as _};

/// What `--color` says among the arguments. It counts for clap's own help and errors, too, and those are printed while
/// the arguments are parsed; so it is looked for before.
pub fn asked(arguments: impl Iterator<Item = OsString>) -> ColorChoice {
    let mut arguments = arguments.take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        let Some(rest) = argument
            .to_str()
            .and_then(|text| text.strip_prefix("--color"))
        else {
            continue;
        };
        let value = match rest.strip_prefix('=') {
            Some(value) => value.to_owned(),
            None if rest.is_empty() => arguments
                .next()
                .and_then(|value| value.into_string().ok())
                .unwrap_or_default(),
            None => continue,
        };
        // clap itself says what is wrong with another value.
        return ColorChoice::from_str(&value, false).unwrap_or_default();
    }
    ColorChoice::Auto
}

/// Lets all output of this process follow a choice.
pub fn follow(choice: ColorChoice) {
    let choice = match choice {
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

#[cfg(test)]
mod tests {
    use clap::ColorChoice;

    use super::asked;

    #[test]
    fn the_choice_is_found_wherever_it_stands() {
        for (arguments, choice) in [
            ("mintage lint --color never x", ColorChoice::Never),
            ("mintage --color=always lint", ColorChoice::Always),
            ("mintage lint --colors=always", ColorChoice::Auto),
            ("mintage lint --color sometimes", ColorChoice::Auto),
            ("mintage lint --color", ColorChoice::Auto),
            ("mintage decode -- --color=always", ColorChoice::Auto),
        ] {
            let found = asked(arguments.split(' ').map(Into::into));
            assert_eq!(found, choice, "{arguments}");
        }
    }
}
