//! A program written from its end to its beginning: where a jump leads is known when it is written.

use super::bpf::{self, Instruction};

/// What comes after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The program ends with this value.
    Return(u32),
    /// It goes on at a place of [`Assembler::here`].
    Place(usize),
}

/// How far a condition jumps at most. The field takes 255; the rest is for what is put between.
const REACH: usize = 250;

/// The instructions so far, the last one first.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    written: Vec<Instruction>,
    /// The return that was written last, for each value that was ever returned.
    returns: Vec<(u32, usize)>,
}

impl Assembler {
    pub(super) fn new() -> Self {
        Assembler { written: Vec::with_capacity(1024), returns: Vec::with_capacity(8) }
    }

    /// Returns where the instruction is that was written last.
    fn here(&self) -> Next {
        Next::Place(self.written.len() - 1)
    }

    /// Writes a load or a calculation, which goes on with what was written last.
    pub(super) fn plain(&mut self, code: u16, k: u32) -> Next {
        self.written.push(Instruction::new(code, k));
        self.here()
    }

    /// Writes a condition on the accumulator.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Next, no: Next) -> Next {
        let (yes, no) = (self.near(yes), self.near(no));
        let at = self.written.len();
        let distance = |to: usize| (at - to - 1) as u8;
        self.written.push(Instruction { code, jt: distance(yes), jf: distance(no), k });
        self.here()
    }

    /// Writes what makes the next instruction go there, where it isn't what was written last.
    pub(super) fn enter(&mut self, next: Next) {
        match next {
            Next::Return(value) => {
                self.write_return(value);
            }
            Next::Place(place) if place + 1 != self.written.len() => {
                self.jump(place);
            }
            Next::Place(_) => {}
        }
    }

    /// Whether it is longer than the kernel takes: whoever writes a lot may stop then.
    pub(super) fn is_too_long(&self) -> bool {
        self.written.len() > bpf::LONGEST
    }

    /// Returns the program, unless it is too long.
    pub(super) fn finish(mut self) -> Option<Vec<Instruction>> {
        if self.is_too_long() {
            return None;
        }
        self.written.reverse();
        Some(self.written)
    }

    /// Returns a place that a condition written now, or after one more jump, can reach.
    fn near(&mut self, next: Next) -> usize {
        let reachable = |place: usize| self.written.len() - place <= REACH;
        match next {
            Next::Place(place) if reachable(place) => place,
            Next::Place(place) => self.jump(place),
            Next::Return(value) => match self.returns.iter().find(|(known, _)| *known == value) {
                Some((_, place)) if reachable(*place) => *place,
                _ => self.write_return(value),
            },
        }
    }

    fn jump(&mut self, place: usize) -> usize {
        let at = self.written.len();
        self.written.push(Instruction::new(bpf::JUMP, (at - place - 1) as u32));
        at
    }

    fn write_return(&mut self, value: u32) -> usize {
        let at = self.written.len();
        self.written.push(Instruction::new(bpf::RETURN, value));
        match self.returns.iter_mut().find(|(known, _)| *known == value) {
            Some((_, place)) => *place = at,
            None => self.returns.push((value, at)),
        }
        at
    }
}
