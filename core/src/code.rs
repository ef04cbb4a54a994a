//! Reasons by name: closed sets, so that whoever explains them can be held to explain all.

/// One of a closed set of reasons.
pub trait Coded: Copy + Send + Sync + 'static {
    /// The whole set.
    const ALL: &'static [Self];

    /// The name: stable, for logs, metrics and scripts.
    fn code(self) -> &'static str;
}

/// Declares a set of reasons with their names, and [`Coded`] for it.
#[macro_export]
macro_rules! coded {
    ($(#[$of_enum:meta])* pub enum $name:ident { $($(#[$of_variant:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$of_enum])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $name { $($(#[$of_variant])* $variant,)+ }

        impl $crate::code::Coded for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }
        }
    };
}
