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
    }
}
