//! Kinds that are plain values and little more: one table reads and writes them.

/// Reads an optional attribute into the field of its name, and writes it. A second table is of what is read only.
///
/// An attribute that differs by an address's family is given as `FOUR | SIX`.
macro_rules! numbers {
    (@write $request:ident $value:ident $method:ident $attribute:ident) => {
        $request.$method($attribute, $value.into())
    };
    (@write $request:ident $value:ident $method:ident $four:ident $six:ident) => {
        $request.$method(if $value.is_ipv6() { $six } else { $four }, $value)
    };
    (
        $kind:ident { $($attribute:ident $(| $six:ident)? $method:ident $field:ident),* $(,)? }
        $(reads { $($told:ident $how:ident $place:ident),+ $(,)? })?
    ) => {
        impl $kind {
            /// Reads one of the plain values, if it is one.
            fn read_number(&mut self, attribute: $crate::wire::attribute::Attribute<'_>) {
                match attribute.kind {
                    $($attribute $(| $six)? => self.$field = attribute.$method().map(Into::into),)*
                    $($($told => self.$place = attribute.$how().map(Into::into),)+)?
                    _ => {}
                }
            }

            $crate::kind::numbers!(@writer $($attribute $(| $six)? $method $field,)*);
        }
    };
    (@writer) => {};
    (@writer $($attribute:ident $(| $six:ident)? $method:ident $field:ident,)+) => {
        fn write_numbers(&self, request: &mut $crate::wire::Request) {
            $(if let Some(value) = self.$field {
                $crate::kind::numbers!(@write request value $method $attribute $($six)?);
            })+
        }
    };
}
pub(crate) use numbers;

/// The same for kinds of which the kernel forgets at a change what isn't said.
macro_rules! forgotten {
    ($kind:ident { $($attribute:ident $method:ident $field:ident),+ $(,)? }) => {
        $crate::kind::numbers!($kind { $($attribute $method $field),+ });

        impl $kind {
            /// Takes what isn't said from the link as it is.
            fn keep_numbers(&mut self, present: &$kind) {
                $(self.$field = self.$field.or(present.$field);)+
            }
        }
    };
}
pub(crate) use forgotten;
