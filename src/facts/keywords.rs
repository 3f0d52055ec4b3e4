//! Closed sets of words, each an enum.
//!
//! In: the words with their variants. Out: an enum that prints as its word and
//! whose error for any other text lists the words. It knows no word itself.

/// The words as a person lists them: `a, b or c`.
macro_rules! choices {
    ($a:literal $b:literal) => { concat!($a, " or ", $b) };
    ($a:literal $($rest:literal)+) => { concat!($a, ", ", $crate::facts::keywords::choices!($($rest)+)) };
}

/// A closed set of words, each with its variant.
macro_rules! keywords {
    ($(#[$meta:meta])* $name:ident is $what:literal {
        $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl std::str::FromStr for $name {
            type Err = $crate::net::ValueError;

            fn from_str(text: &str) -> Result<Self, $crate::net::ValueError> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::net::ValueError::new($what, text, $crate::facts::keywords::choices!($($word)+))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(match self {
                    $(Self::$variant => $word,)+
                })
            }
        }

        $crate::net::serde_as_text!($name);
    };
}

pub(super) use choices;
pub(super) use keywords;
