//! libseccomp, where it is installed: what runc and crun make of a profile.
#![allow(unsafe_code)]
// The type of a function is said once, at the field that it is for.
#![allow(clippy::missing_transmute_annotations)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd};

use libcontainer::seccomp::{Action, Arch, Comparison, Instruction, Op, Rule, Seccomp};

use super::machine::Data;
use super::reference::{is_little, value};

/// A comparison as the library takes it (`struct scmp_arg_cmp`).
#[repr(C)]
struct Argument {
    index: c_uint,
    op: c_int,
    value: u64,
    value_two: u64,
}

type Context = *mut c_void;

/// The functions that are used of it.
pub(crate) struct Library {
    init: unsafe extern "C" fn(u32) -> Context,
    release: unsafe extern "C" fn(Context),
    arch_add: unsafe extern "C" fn(Context, u32) -> c_int,
    arch_remove: unsafe extern "C" fn(Context, u32) -> c_int,
    attr_set: unsafe extern "C" fn(Context, c_int, u32) -> c_int,
    rule_add: unsafe extern "C" fn(Context, u32, c_int, c_uint, *const Argument) -> c_int,
    number: unsafe extern "C" fn(u32, *const c_char) -> c_int,
    arch: unsafe extern "C" fn(*const c_char) -> u32,
    export: unsafe extern "C" fn(Context, c_int) -> c_int,
}

/// How the library finds a call: one after another, or by halves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Search {
    Linear = 1,
    Tree = 2,
}

/// `SCMP_FLTATR_CTL_OPTIMIZE`
const OPTIMIZE: c_int = 8;

impl Library {
    /// Loads it; the error says why not.
    pub(crate) fn load() -> Result<Library, String> {
        // SAFETY: a library without constructors that do anything.
        let handle = unsafe { libc::dlopen(c"libseccomp.so.2".as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            return Err("libseccomp isn't installed".to_owned());
        }
        macro_rules! function {
            ($name:literal) => {{
                let name: &CStr = $name;
                // SAFETY: `handle` is of dlopen and is never closed.
                let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
                if address.is_null() {
                    return Err(format!("libseccomp has no {name:?}"));
                }
                // SAFETY: the field's type is the function's, by the library's header.
                unsafe { std::mem::transmute(address) }
            }};
        }
        Ok(Library {
            init: function!(c"seccomp_init"),
            release: function!(c"seccomp_release"),
            arch_add: function!(c"seccomp_arch_add"),
            arch_remove: function!(c"seccomp_arch_remove"),
            attr_set: function!(c"seccomp_attr_set"),
            rule_add: function!(c"seccomp_rule_add_array"),
            number: function!(c"seccomp_syscall_resolve_name_arch"),
            arch: function!(c"seccomp_arch_resolve_name"),
            export: function!(c"seccomp_export_bpf"),
        })
    }

    /// Returns a call's number: negative where the architecture doesn't have it, -1 for names that it doesn't know.
    pub(crate) fn number(&self, name: &str, arch: Arch) -> i32 {
        let name = CString::new(name).expect("a name");
        // SAFETY: a string that ends.
        unsafe { (self.number)(self.token(arch), name.as_ptr()) }
    }

    /// Returns the library's number for an architecture, 0 for one that it doesn't know.
    pub(crate) fn token(&self, arch: Arch) -> u32 {
        let name = format!("{arch:?}").to_lowercase();
        let name = CString::new(name).expect("a name");
        // SAFETY: a string that ends.
        unsafe { (self.arch)(name.as_ptr()) }
    }

    /// Makes the program as runc does on a machine, before what runc puts in front of it; the error is the library's.
    pub(crate) fn compile(
        &self,
        seccomp: &Seccomp,
        machine: Arch,
        search: Search,
    ) -> Result<Vec<Instruction>, i32> {
        // SAFETY: no pointers.
        let context = unsafe { (self.init)(value(seccomp.default_action)) };
        assert!(!context.is_null(), "seccomp_init");
        let program = self.fill(context, seccomp, machine, search);
        // SAFETY: of seccomp_init, and not used after this.
        unsafe { (self.release)(context) };
        program
    }

    fn fill(
        &self,
        context: Context,
        seccomp: &Seccomp,
        machine: Arch,
        search: Search,
    ) -> Result<Vec<Instruction>, i32> {
        // Rules are told to the library by the numbers of the machine that it runs on, whatever it compiles for.
        let native = Arch::native().expect("the library runs");
        if machine != native {
            // SAFETY: `context` is of seccomp_init.
            let error = unsafe { (self.arch_remove)(context, self.token(native)) };
            assert_eq!(error, 0, "seccomp_arch_remove");
            // SAFETY: as above.
            let error = unsafe { (self.arch_add)(context, self.token(machine)) };
            assert_eq!(error, 0, "seccomp_arch_add {machine:?}");
        }
        for arch in &seccomp.architectures {
            // SAFETY: `context` is of seccomp_init.
            let error = unsafe { (self.arch_add)(context, self.token(*arch)) };
            assert!([0, -libc::EEXIST].contains(&error), "seccomp_arch_add {arch:?}: {error}");
        }
        // SAFETY: as above.
        let error = unsafe { (self.attr_set)(context, OPTIMIZE, search as u32) };
        assert_eq!(error, 0, "seccomp_attr_set");
        let rules = seccomp.rules.iter().filter(|rule| value(rule.action) != value(seccomp.default_action));
        for rule in rules {
            for name in &rule.names {
                match self.number(name, native) {
                    -1 => {}
                    number => self.add(context, rule, number)?,
                }
            }
        }
        // SAFETY: a name and flags.
        let file = unsafe { libc::memfd_create(c"program".as_ptr(), libc::MFD_CLOEXEC) };
        assert!(file >= 0, "memfd_create");
        // SAFETY: just made, and nobody else's.
        let mut file = unsafe { File::from_raw_fd(file) };
        // SAFETY: a context and an open file.
        let error = unsafe { (self.export)(context, file.as_raw_fd()) };
        if error != 0 {
            return Err(error);
        }
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a file in memory");
        let instructions = bytes.as_chunks().0.iter().map(|bytes| Instruction::from_bytes(*bytes));
        // It writes the other machine's order of bytes.
        let swapped = is_little(machine) != is_little(native);
        Ok(instructions.map(|one| if swapped { swap(one) } else { one }).collect())
    }

    fn add(&self, context: Context, rule: &Rule, number: i32) -> Result<(), i32> {
        let args: Vec<Argument> = rule.args.iter().map(argument).collect();
        let twice = (0..6).any(|index| args.iter().filter(|one| one.index == index).count() > 1);
        let parts: Vec<&[Argument]> = if twice { args.chunks(1).collect() } else { vec![&args] };
        for part in parts {
            // SAFETY: `part` outlives the call, and its length goes with it.
            let error = unsafe {
                (self.rule_add)(context, value(rule.action), number, part.len() as c_uint, part.as_ptr())
            };
            if error != 0 {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Returns the largest number on an architecture that a profile is about, as runc finds it; 0 for none.
    pub(crate) fn last(&self, seccomp: &Seccomp, arch: Arch) -> u32 {
        let names = seccomp.rules.iter().flat_map(|rule| &rule.names);
        let numbers = names.filter_map(|name| u32::try_from(self.number(name, arch)).ok());
        numbers.max().unwrap_or(0)
    }
}

/// What runc puts in front of the library's program: ENOSYS for calls that are newer than the profile.
pub(crate) struct Newer(Vec<(Arch, u32)>);

impl Newer {
    pub(crate) fn new(library: &Library, seccomp: &Seccomp, native: Arch) -> Newer {
        if matches!(seccomp.default_action, Action::Allow | Action::Log | Action::Trace(_)) {
            return Newer(Vec::new());
        }
        let archs = [native].into_iter().chain(seccomp.architectures.iter().copied());
        Newer(archs.map(|arch| (arch, library.last(seccomp, arch))).collect())
    }

    /// Whether it answers a call.
    pub(crate) fn answers(&self, data: &Data) -> bool {
        let is_x32 = data.number & 0x4000_0000 != 0;
        let of_call = |arch: Arch| {
            let other_half = if is_x32 { Arch::X86_64 } else { Arch::X32 };
            arch.audit() == data.audit && arch != other_half
        };
        let is_setup = |arch| matches!(arch, Arch::S390 | Arch::S390x) && data.number == 0;
        self.0
            .iter()
            .any(|(arch, last)| of_call(*arch) && *last > 0 && (data.number > *last || is_setup(*arch)))
    }
}

fn swap(mut instruction: Instruction) -> Instruction {
    instruction.code = instruction.code.swap_bytes();
    instruction.k = instruction.k.swap_bytes();
    instruction
}

fn argument(comparison: &Comparison) -> Argument {
    let op = match comparison.op {
        Op::NotEqual => 1,
        Op::Less => 2,
        Op::LessOrEqual => 3,
        Op::Equal => 4,
        Op::GreaterOrEqual => 5,
        Op::Greater => 6,
        _ => 7,
    };
    Argument { index: comparison.index, op, value: comparison.value, value_two: comparison.value_two }
}
