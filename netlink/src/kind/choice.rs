//! Choices among a few, each with the kernel's number and the word that iproute2 has for it.

/// Makes an enum of it; numbers without a word are kept.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident: $number:ident { $($(#[$about:meta])* $choice:ident = $value:literal $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $choice,)+
            /// Another, by the kernel's number.
            Other($number),
        }

        impl From<$number> for $name {
            fn from(number: $number) -> $name {
                match number {
                    $($value => $name::$choice,)+
                    other => $name::Other(other),
                }
            }
        }

        impl From<$name> for $number {
            fn from(choice: $name) -> $number {
                match choice {
                    $($name::$choice => $value,)+
                    $name::Other(other) => other,
                }
            }
        }

        /// Read as iproute2 writes it, or as a number.
        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<$name> {
                const WORDS: &[&str] = &[$($word),+];
                match text {
                    $($word => Ok($name::$choice),)+
                    other => other.parse::<$number>().map(Into::into).map_err(|_| {
                        let why = format!("it is none of {}", WORDS.join(", "));
                        $crate::error::Failure::Input(why)
                            .when(format_args!("read {} {other:?}", stringify!($name)), &[])
                    }),
                }
            }
        }

        /// Written as iproute2 writes it.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $($name::$choice => f.pad($word),)+
                    $name::Other(other) => other.fmt(f),
                }
            }
        }
    };
}
pub(crate) use choice;

#[cfg(test)]
mod tests {
    use crate::kind::MacvlanMode;

    #[test]
    fn a_choice_is_its_number_and_its_word_and_an_unknown_one_is_kept() {
        assert_eq!(MacvlanMode::from(4), MacvlanMode::Bridge);
        assert_eq!(u32::from(MacvlanMode::Passthru), 8);
        assert_eq!(MacvlanMode::Source.to_string(), "source");
        assert_eq!((MacvlanMode::from(77), u32::from(MacvlanMode::Other(77))), (MacvlanMode::Other(77), 77));
        assert_eq!(MacvlanMode::Other(77).to_string(), "77");
        assert_eq!("passthru".parse::<MacvlanMode>().unwrap(), MacvlanMode::Passthru);
        assert_eq!("77".parse::<MacvlanMode>().unwrap(), MacvlanMode::Other(77));
        assert_eq!(
            "bridged".parse::<MacvlanMode>().unwrap_err().to_string(),
            "read MacvlanMode \"bridged\": it is none of private, vepa, bridge, passthru, source"
        );
    }
}
