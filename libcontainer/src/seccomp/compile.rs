//! From a profile to a program.

use super::assembler::{Assembler, Next};
use super::bpf::{self, Instruction};
use super::calls::Call;
use super::ranges::{self, Defaults};
use super::table::{Known, Table};
use super::value;
use crate::config::{Action, Arch, FilterFlags, Listener, Rule, Seccomp};
use crate::error::{Error, ErrorKind, Result};

/// The largest error number (`MAX_ERRNO`).
const MAX_ERRNO: u16 = 4095;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`
const NEW_LISTENER: u32 = 1 << 3;

/// A filter as the kernel takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    instructions: Vec<Instruction>,
    flags: u32,
    listener: Option<Listener>,
}

impl Filter {
    /// Makes the filter for this machine.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`](ErrorKind::InvalidConfig) for what contradicts itself or can't be said to the kernel,
    /// [`Unsupported`](ErrorKind::Unsupported) on architectures that the OCI specification doesn't name.
    pub fn compile(seccomp: &Seccomp) -> Result<Filter> {
        let unknown =
            || Error::new(ErrorKind::Unsupported, "seccomp: no filter can be made for this architecture");
        Filter::compile_for(seccomp, Arch::native().ok_or_else(unknown)?)
    }

    /// Makes the filter for another machine.
    ///
    /// # Errors
    ///
    /// As [`Filter::compile`].
    pub fn compile_for(seccomp: &Seccomp, native: Arch) -> Result<Filter> {
        check(seccomp)?;
        let default = value(seccomp.default_action);
        let rules: Vec<_> = seccomp.rules.iter().map(|rule| known(rule, default)).collect();
        let archs = architectures(seccomp, native);
        Ok(Filter {
            instructions: program(&archs, &rules, seccomp.default_action)?,
            flags: flags(seccomp),
            listener: seccomp.listener.clone().filter(|_| notifies(seccomp)),
        })
    }

    /// Checks what can't be compiled, or set by the init image.
    pub(crate) fn check(seccomp: &Seccomp) -> Result<()> {
        check(seccomp)?;
        if !["execve", "execveat"].iter().any(|name| may_pass(seccomp, name)) {
            return Err(wrong("\"execve\" is never allowed: no program could be executed"));
        }
        if notifies(seccomp) && !lets_through(seccomp, "read") {
            return Err(wrong(
                "with a listener \"read\" must be allowed: the process waits until it is taken",
            ));
        }
        Ok(())
    }

    /// Returns the program.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Returns the flags of [`seccomp(2)`](https://man7.org/linux/man-pages/man2/seccomp.2.html).
    ///
    /// `TSYNC` isn't among them: the process that installs the filter has one thread. There is a listener,
    /// and `WAIT_KILLABLE_RECV` may be set, only where some call is told to it.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Returns who gets the descriptor that tells of calls.
    pub fn listener(&self) -> Option<&Listener> {
        self.listener.as_ref()
    }
}

fn wrong(text: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidConfig, format_args!("seccomp: {text}"))
}

/// Checks what can't be compiled.
fn check(seccomp: &Seccomp) -> Result<()> {
    if seccomp.default_action == Action::Notify {
        return Err(wrong("the default can't be to notify: the listener's descriptor could not be sent"));
    }
    check_error(seccomp.default_action).map_err(|why| wrong(format_args!("the default: {why}")))?;
    for (at, rule) in seccomp.rules.iter().enumerate() {
        check_rule(rule).map_err(|why| wrong(format_args!("rule {at}: {why}")))?;
    }
    match &seccomp.listener {
        None if notifies(seccomp) => Err(wrong("a rule notifies, and there is no listener")),
        Some(listener) if !listener.path.is_absolute() => {
            Err(wrong(format_args!("listener {:?}: must be an absolute path", listener.path)))
        }
        Some(listener) if listener.path.as_os_str().as_encoded_bytes().contains(&0) => {
            Err(wrong(format_args!("listener {:?}: has a NUL byte", listener.path)))
        }
        _ => Ok(()),
    }
}

fn check_error(action: Action) -> std::result::Result<(), String> {
    match action {
        Action::Errno(number) if number > MAX_ERRNO => Err(format!("error {number} is beyond {MAX_ERRNO}")),
        _ => Ok(()),
    }
}

fn check_rule(rule: &Rule) -> std::result::Result<(), String> {
    if rule.names.is_empty() || rule.names.iter().any(String::is_empty) {
        return Err("has no name of a call".to_owned());
    }
    check_error(rule.action)?;
    // The process that installs the filter says so by a write.
    if rule.action == Action::Notify && rule.names.iter().any(|name| name == "write") {
        return Err("\"write\" can't notify: the listener's descriptor could not be sent".to_owned());
    }
    match rule.args.iter().find(|comparison| comparison.index > 5) {
        Some(comparison) => Err(format!("argument {}: calls have 0 to 5", comparison.index)),
        None => Ok(()),
    }
}

/// Returns whether a call may be made, with the right arguments or the listener's consent.
fn may_pass(seccomp: &Seccomp, name: &str) -> bool {
    let may =
        |action: Action| matches!(action, Action::Allow | Action::Log | Action::Notify | Action::Trace(_));
    let mut about = seccomp.rules.iter().filter(|rule| rule.names.iter().any(|one| one == name));
    match about.clone().find(|rule| rule.args.is_empty()) {
        Some(rule) => may(rule.action),
        None => may(seccomp.default_action) || about.any(|rule| may(rule.action)),
    }
}

/// Returns whether a call is surely made, whatever its arguments.
fn lets_through(seccomp: &Seccomp, name: &str) -> bool {
    let is_made = |action: Action| matches!(action, Action::Allow | Action::Log);
    let mut about = seccomp.rules.iter().filter(|rule| rule.names.iter().any(|one| one == name));
    match about.clone().find(|rule| rule.args.is_empty()) {
        Some(rule) => is_made(rule.action),
        None => is_made(seccomp.default_action) && about.all(|rule| is_made(rule.action)),
    }
}

fn notifies(seccomp: &Seccomp) -> bool {
    seccomp.rules.iter().any(|rule| rule.action == Action::Notify)
}

fn flags(seccomp: &Seccomp) -> u32 {
    let listens = notifies(seccomp);
    let mut flags = seccomp.flags - FilterFlags::TSYNC;
    if !listens {
        flags -= FilterFlags::WAIT_KILLABLE_RECV;
    }
    flags.bits() | if listens { NEW_LISTENER } else { 0 }
}

/// Finds the calls that a rule is about.
fn known(rule: &Rule, default: u32) -> Known<'_> {
    let mut calls: Vec<_> = rule.names.iter().filter_map(|name| Call::named(name)).collect();
    calls.sort_unstable();
    calls.dedup();
    Known { rule, calls, is_default: value(rule.action) == default }
}

/// Returns the architectures that this machine's kernel can show, its own one first.
fn architectures(seccomp: &Seccomp, native: Arch) -> Vec<Arch> {
    let mut all = vec![native];
    for arch in &seccomp.architectures {
        if !all.contains(arch) && arch.is_little() == native.is_little() {
            all.push(*arch);
        }
    }
    all
}

fn program(archs: &[Arch], rules: &[Known<'_>], default: Action) -> Result<Vec<Instruction>> {
    let action = value(default);
    let is_made = matches!(default, Action::Allow | Action::Log | Action::Trace(_));
    let newer = (!is_made).then_some(value(Action::Errno(libc::ENOSYS as u16)));
    let defaults = Defaults { action, newer, stranger: value(Action::KillThread) };

    let mut kernels: Vec<u32> = Vec::with_capacity(archs.len());
    for audit in archs.iter().map(|arch| arch.audit()) {
        if !kernels.contains(&audit) {
            kernels.push(audit);
        }
    }
    let mut program = Assembler::new();
    let mut next = Next::Return(defaults.stranger);
    // From the last one to the first: the program is written backwards.
    for audit in kernels.into_iter().rev() {
        let sharing = archs.iter().filter(|arch| arch.audit() == audit);
        let tables = sharing.map(|arch| Table::new(*arch, rules)).collect::<Result<Vec<_>>>()?;
        let inside = ranges::write(&mut program, &tables, defaults);
        next = program.branch(bpf::EQUAL, audit, inside, next);
        if program.is_too_long() {
            return Err(too_long());
        }
    }
    program.enter(next);
    program.plain(bpf::LOAD, bpf::ARCH);
    program.finish().ok_or_else(too_long)
}

/// The error for rules that can't be said in so few instructions.
pub(super) fn too_long() -> Error {
    wrong(format_args!(
        "makes a program of more than {} instructions: the kernel takes no longer one",
        bpf::LONGEST
    ))
}
