//! What happens to a packet next.

use std::fmt;

use crate::error::Failure;

/// What happens to a packet after an action, or by a program's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It goes on to the next filter (`continue`).
    Continue,
    /// It is let through, past all further filters (`pass`).
    Ok,
    /// It begins anew with the first filter.
    Reclassify,
    /// It is dropped (`TC_ACT_SHOT`).
    Drop,
    /// It goes on to the next action.
    #[default]
    Pipe,
    /// The action took it.
    Stolen,
    /// The action keeps it for later.
    Queued,
    /// The action is done again.
    Repeat,
    /// It is sent where the action said.
    Redirect,
    /// It is given to the processor, where a device decides (`trap`).
    Trap,
    /// So many of the next actions are skipped.
    Jump(u32),
    /// It goes on with the filters of this chain.
    GotoChain(u32),
    /// Another `TC_ACT_` number.
    Other(i32),
}

const JUMP: u32 = 1 << 28;
const GOTO_CHAIN: u32 = 2 << 28;
const EXTENDED: u32 = 0xf << 28;
const VALUE: u32 = !EXTENDED;

impl Verdict {
    pub(super) fn to_kernel(self) -> i32 {
        match self {
            Verdict::Continue => -1,
            Verdict::Ok => 0,
            Verdict::Reclassify => 1,
            Verdict::Drop => 2,
            Verdict::Pipe => 3,
            Verdict::Stolen => 4,
            Verdict::Queued => 5,
            Verdict::Repeat => 6,
            Verdict::Redirect => 7,
            Verdict::Trap => 8,
            Verdict::Jump(count) => (JUMP | count & VALUE) as i32,
            Verdict::GotoChain(chain) => (GOTO_CHAIN | chain & VALUE) as i32,
            Verdict::Other(number) => number,
        }
    }

    pub(super) fn from_kernel(number: i32) -> Verdict {
        match number {
            -1 => Verdict::Continue,
            0 => Verdict::Ok,
            1 => Verdict::Reclassify,
            2 => Verdict::Drop,
            3 => Verdict::Pipe,
            4 => Verdict::Stolen,
            5 => Verdict::Queued,
            6 => Verdict::Repeat,
            7 => Verdict::Redirect,
            8 => Verdict::Trap,
            _ => match number as u32 & EXTENDED {
                JUMP => Verdict::Jump(number as u32 & VALUE),
                GOTO_CHAIN => Verdict::GotoChain(number as u32 & VALUE),
                _ => Verdict::Other(number),
            },
        }
    }

    pub(super) fn check(self) -> Result<(), Failure> {
        match self {
            Verdict::Jump(number) | Verdict::GotoChain(number) if number > VALUE => {
                Err(Failure::Input(format!("{self} is more than the {VALUE} that a verdict can say")))
            }
            _ => Ok(()),
        }
    }
}

/// Written as tc(8) writes it.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Continue => "continue",
            Verdict::Ok => "pass",
            Verdict::Reclassify => "reclassify",
            Verdict::Drop => "drop",
            Verdict::Pipe => "pipe",
            Verdict::Stolen => "stolen",
            Verdict::Queued => "queued",
            Verdict::Repeat => "repeat",
            Verdict::Redirect => "redirect",
            Verdict::Trap => "trap",
            Verdict::Jump(count) => return write!(f, "jump {count}"),
            Verdict::GotoChain(chain) => return write!(f, "goto chain {chain}"),
            Verdict::Other(number) => return write!(f, "{number}"),
        })
    }
}

/// How often a [`Gact`](super::Gact) says something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chance {
    /// By chance, one in so many times.
    Random(u16, Verdict),
    /// Each so-many-th time.
    Each(u16, Verdict),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_the_kernels_numbers() {
        for number in (-2..20).chain([(JUMP | 7) as i32, (GOTO_CHAIN | 9) as i32, i32::MIN, i32::MAX]) {
            assert_eq!(Verdict::from_kernel(number).to_kernel(), number);
        }
        assert_eq!(Verdict::from_kernel((GOTO_CHAIN | 9) as i32).to_string(), "goto chain 9");
        assert!(Verdict::GotoChain(VALUE).check().is_ok());
        assert!(Verdict::GotoChain(VALUE + 1).check().is_err());
    }
}
