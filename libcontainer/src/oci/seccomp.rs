//! `linux.seccomp`, read value by value: a profile that isn't what its author thinks protects nobody.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::invalid;
use crate::config::{Action, Arch, Comparison, FilterFlags, Listener, Op, Rule, Seccomp};
use crate::error::{Error, Result};

/// EPERM, what a call fails with unless the profile says otherwise.
const EPERM: u16 = 1;

/// Reads the object at `linux.seccomp`.
pub(super) fn seccomp(value: &Value) -> Result<Seccomp> {
    let profile = Object::new(value, "linux.seccomp".to_owned())?;
    let default = profile.action("defaultAction", "defaultErrnoRet")?;
    let mut seccomp = Seccomp::new(default);
    for (at, value) in profile.list("architectures")?.iter().enumerate() {
        seccomp.architectures.push(architecture(value, &profile.element("architectures", at))?);
    }
    if let Some(flags) = profile.flags()? {
        seccomp.flags = flags;
    }
    seccomp.listener = profile.listener()?;
    for (at, value) in profile.list("syscalls")?.iter().enumerate() {
        seccomp.rules.push(rule(value, profile.element("syscalls", at))?);
    }
    Ok(seccomp)
}

fn rule(value: &Value, at: String) -> Result<Rule> {
    let object = Object::new(value, at)?;
    let values = object.list("names")?;
    let mut names = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        // There are hundreds: where they stand is said only of those that are wrong.
        match value.as_str() {
            None => return Err(wrong(&object.element("names", at), "isn't a string")),
            Some("") => return Err(wrong(&object.element("names", at), "is empty")),
            Some(name) => names.push(name.to_owned()),
        }
    }
    if names.is_empty() {
        return Err(wrong(&object.field("names"), "is missing or empty"));
    }
    let mut rule = Rule::new(names, object.action("action", "errnoRet")?);
    for (at, value) in object.list("args")?.iter().enumerate() {
        rule.args.push(comparison(value, object.element("args", at))?);
    }
    Ok(rule)
}

fn comparison(value: &Value, at: String) -> Result<Comparison> {
    let object = Object::new(value, at)?;
    let index = object.number("index")?.ok_or_else(|| wrong(&object.field("index"), "is missing"))?;
    let index = u32::try_from(index).ok().filter(|index| *index < 6);
    let index = index.ok_or_else(|| wrong(&object.field("index"), "calls have arguments 0 to 5"))?;
    let op = match object.text("op")? {
        "SCMP_CMP_NE" => Op::NotEqual,
        "SCMP_CMP_LT" => Op::Less,
        "SCMP_CMP_LE" => Op::LessOrEqual,
        "SCMP_CMP_EQ" => Op::Equal,
        "SCMP_CMP_GE" => Op::GreaterOrEqual,
        "SCMP_CMP_GT" => Op::Greater,
        "SCMP_CMP_MASKED_EQ" => Op::MaskedEqual,
        other => return Err(unknown(&object.field("op"), other)),
    };
    let value = object.number("value")?.ok_or_else(|| wrong(&object.field("value"), "is missing"))?;
    let mut comparison = Comparison::new(index, op, value);
    comparison.value_two = object.number("valueTwo")?.unwrap_or(0);
    Ok(comparison)
}

fn architecture(value: &Value, at: &str) -> Result<Arch> {
    let name = text(value, at)?;
    let known = |arch: &&Arch| name.strip_prefix("SCMP_ARCH_") == Some(word(**arch));
    Arch::ALL.iter().find(known).copied().ok_or_else(|| unknown(at, name))
}

/// Returns what stands behind `SCMP_ARCH_`.
fn word(arch: Arch) -> &'static str {
    match arch {
        Arch::X86 => "X86",
        Arch::X86_64 => "X86_64",
        Arch::X32 => "X32",
        Arch::Arm => "ARM",
        Arch::Aarch64 => "AARCH64",
        Arch::Mips => "MIPS",
        Arch::Mips64 => "MIPS64",
        Arch::Mips64N32 => "MIPS64N32",
        Arch::Mipsel => "MIPSEL",
        Arch::Mipsel64 => "MIPSEL64",
        Arch::Mipsel64N32 => "MIPSEL64N32",
        Arch::Ppc => "PPC",
        Arch::Ppc64 => "PPC64",
        Arch::Ppc64le => "PPC64LE",
        Arch::S390 => "S390",
        Arch::S390x => "S390X",
        Arch::Parisc => "PARISC",
        Arch::Parisc64 => "PARISC64",
        Arch::Riscv64 => "RISCV64",
        Arch::Loongarch64 => "LOONGARCH64",
        Arch::M68k => "M68K",
        Arch::Sh => "SH",
        Arch::Sheb => "SHEB",
    }
}

/// An object, and where it stands.
struct Object<'a> {
    fields: &'a Map<String, Value>,
    at: String,
}

impl<'a> Object<'a> {
    fn new(value: &'a Value, at: String) -> Result<Self> {
        let fields = value.as_object().ok_or_else(|| wrong(&at, "isn't an object"))?;
        Ok(Object { fields, at })
    }

    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }

    fn element(&self, list: &str, at: usize) -> String {
        format!("{}.{list}[{at}]", self.at)
    }

    /// Returns a field that is there: `null` is what Go writes for what isn't.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        let value = self.get(name).ok_or_else(|| wrong(&self.field(name), "is missing"))?;
        text(value, &self.field(name))
    }

    fn number(&self, name: &str) -> Result<Option<u64>> {
        let number = |value: &Value| {
            value.as_u64().ok_or_else(|| wrong(&self.field(name), "isn't a number from 0 to 2^64-1"))
        };
        self.get(name).map(number).transpose()
    }

    /// Returns the elements of a list; one that isn't there has none.
    fn list(&self, name: &str) -> Result<&'a [Value]> {
        match self.get(name) {
            Some(Value::Array(values)) => Ok(values),
            Some(_) => Err(wrong(&self.field(name), "isn't a list")),
            None => Ok(&[]),
        }
    }

    /// Reads an action, with the number that belongs to some of them.
    fn action(&self, name: &str, errno: &str) -> Result<Action> {
        let number = self.number(errno)?;
        let with = |most: u16| match u16::try_from(number.unwrap_or(EPERM.into())) {
            Ok(number) if number <= most => Ok(number),
            _ => Err(wrong(&self.field(errno), format_args!("is beyond {most}"))),
        };
        let action = match self.text(name)? {
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action::KillThread,
            "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
            "SCMP_ACT_TRAP" => Action::Trap,
            "SCMP_ACT_ERRNO" => return with(4095).map(Action::Errno),
            "SCMP_ACT_TRACE" => return with(u16::MAX).map(Action::Trace),
            "SCMP_ACT_ALLOW" => Action::Allow,
            "SCMP_ACT_LOG" => Action::Log,
            "SCMP_ACT_NOTIFY" => Action::Notify,
            other => return Err(unknown(&self.field(name), other)),
        };
        match number {
            Some(_) => Err(wrong(&self.field(errno), format_args!("{action:?} takes no number"))),
            None => Ok(action),
        }
    }

    /// Reads the flags; a list without any says that there are none, not even the usual one.
    fn flags(&self) -> Result<Option<FilterFlags>> {
        if self.get("flags").is_none() {
            return Ok(None);
        }
        let mut flags = FilterFlags::empty();
        for (at, value) in self.list("flags")?.iter().enumerate() {
            let at = self.element("flags", at);
            let name = text(value, &at)?;
            let known = name.strip_prefix("SECCOMP_FILTER_FLAG_").and_then(FilterFlags::from_name);
            flags |= known.ok_or_else(|| unknown(&at, name))?;
        }
        Ok(Some(flags))
    }

    fn listener(&self) -> Result<Option<Listener>> {
        let optional = |name| self.get(name).map_or(Ok(""), |value| text(value, &self.field(name)));
        let (path, metadata) = (optional("listenerPath")?, optional("listenerMetadata")?);
        match (path, metadata) {
            ("", "") => Ok(None),
            ("", _) => Err(wrong(&self.field("listenerMetadata"), "is there without a listenerPath")),
            _ if !path.starts_with('/') || path.contains('\0') => {
                Err(wrong(&self.field("listenerPath"), "must be an absolute path"))
            }
            _ => {
                let mut listener = Listener::new(path);
                metadata.clone_into(&mut listener.metadata);
                Ok(Some(listener))
            }
        }
    }
}

fn text<'a>(value: &'a Value, at: &str) -> Result<&'a str> {
    value.as_str().ok_or_else(|| wrong(at, "isn't a string"))
}

fn unknown(at: &str, word: &str) -> Error {
    invalid(format_args!("{at} {word:?}: unknown"))
}

fn wrong(at: &str, why: impl Display) -> Error {
    invalid(format_args!("{at}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        seccomp(&serde_json::from_str(json).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn a_profile_is_read_whole() {
        let json = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "unknown": 1,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_SHEB"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "/run/l", "listenerMetadata": "m",
            "syscalls": [{"names": ["a", "b"], "action": "SCMP_ACT_NOTIFY", "errnoRet": null, "args": [
                {"index": 5, "value": 18446744073709551615, "valueTwo": 7, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#;
        let read = seccomp(&serde_json::from_str(json).unwrap()).unwrap();
        let mut expected = Seccomp::new(Action::Errno(38));
        expected.architectures = vec![Arch::X86_64, Arch::Sheb];
        expected.flags = FilterFlags::LOG;
        expected.listener = Some(Listener { path: "/run/l".into(), metadata: "m".to_owned() });
        let mut rule = Rule::new(["a", "b"], Action::Notify);
        rule.args.push(Comparison::masked(5, u64::MAX, 7));
        expected.rules.push(rule);
        assert_eq!(read, expected);
        assert_eq!(serde_json::from_str::<Seccomp>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
    }

    /// As runc has it: `[]` turns off what is on by default.
    #[test]
    fn no_flags_are_not_the_usual_flags() {
        let flags =
            |json: &str| seccomp(&serde_json::from_str(json).unwrap()).map(|profile| profile.flags).unwrap();
        assert_eq!(flags(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#), FilterFlags::SPEC_ALLOW);
        assert_eq!(flags(r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": []}"#), FilterFlags::empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let rule = |rest: &str| {
            error(&format!(
                r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{"names": ["a"], "action": {rest}}}]}}"#
            ))
        };
        let argument = |rest: &str| rule(&format!(r#""SCMP_ACT_LOG", "args": [{{{rest}}}]"#));
        for (error, text) in [
            (error("[]"), "linux.seccomp: isn't an object"),
            (error("{}"), "linux.seccomp.defaultAction: is missing"),
            (error(r#"{"defaultAction": "ALLOW"}"#), r#"linux.seccomp.defaultAction "ALLOW": unknown"#),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}"#),
                "linux.seccomp.defaultErrnoRet: Allow takes no number",
            ),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}"#),
                "linux.seccomp.defaultErrnoRet: is beyond 4095",
            ),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]}"#),
                r#"linux.seccomp.architectures[0] "SCMP_ARCH_PDP11": unknown"#,
            ),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_X"]}"#),
                r#"linux.seccomp.flags[0] "SECCOMP_FILTER_FLAG_X": unknown"#,
            ),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"}"#),
                "linux.seccomp.listenerMetadata: is there without a listenerPath",
            ),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_LOG"}]}"#),
                "linux.seccomp.syscalls[0].names: is missing or empty",
            ),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a", ""]}]}"#),
                "linux.seccomp.syscalls[0].names[1]: is empty",
            ),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [7]}]}"#),
                "linux.seccomp.syscalls[0].names[0]: isn't a string",
            ),
            (
                error(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}"#),
                "linux.seccomp.syscalls: isn't a list",
            ),
            (rule("5"), "linux.seccomp.syscalls[0].action: isn't a string"),
            (
                rule(r#""SCMP_ACT_ERRNO", "errnoRet": -1"#),
                "linux.seccomp.syscalls[0].errnoRet: isn't a number from 0 to 2^64-1",
            ),
            (
                argument(r#""index": 6"#),
                "linux.seccomp.syscalls[0].args[0].index: calls have arguments 0 to 5",
            ),
            (argument(r#""index": 0"#), "linux.seccomp.syscalls[0].args[0].op: is missing"),
            (
                argument(r#""index": 0, "op": "SCMP_CMP_EQ""#),
                "linux.seccomp.syscalls[0].args[0].value: is missing",
            ),
        ] {
            assert_eq!(error, text);
        }
    }
}
