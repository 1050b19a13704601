//! Plans as JSON.

use serde_json::{Map, Value as Json, json};

use super::Plan;
use crate::program::{Op, Operations, Value};

impl Plan {
    /// Returns the plan as JSON: an array of its steps in order, each with the operations that the init image runs for
    /// it. Descriptors are told by their places, which are numbers; bytes that are no text by hexadecimal digits.
    ///
    /// ```
    /// # fn main() -> libcontainer::Result<()> {
    /// let plan = libcontainer::Plan::new(&libcontainer::Config::new("/srv/rootfs"))?;
    /// let steps: serde_json::Value = serde_json::from_str(&plan.to_json()).unwrap();
    /// let last = steps.as_array().unwrap().last().unwrap();
    /// assert_eq!(last["step"], "execute \"sh\"");
    /// assert_eq!(last["operations"][0]["operation"], "Exec");
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_json(&self) -> String {
        let steps = self.steps.iter().map(|step| json!({ "step": step, "operations": [] }));
        let mut steps: Vec<Json> = steps.collect();
        for (number, op) in Operations::new(&self.program).into_iter().flatten() {
            let step = steps.get_mut(number as usize).and_then(|step| step["operations"].as_array_mut());
            if let (Some(operations), Some(op)) = (step, op) {
                operations.push(operation(&op));
            }
        }
        Json::from(steps).to_string()
    }
}

/// Shows what is text as such, and the rest as hexadecimal digits.
fn words(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(|letter: char| letter.is_control() && letter != '\n') => text.into(),
        _ => {
            let digits = |digits: String, byte: &u8| digits + &format!("{byte:02x}");
            json!({ "bytes": bytes.iter().fold(String::new(), digits) })
        }
    }
}

fn operation(op: &Op<'_>) -> Json {
    let mut fields = Map::new();
    fields.insert("operation".to_owned(), op.name().into());
    op.fields(&mut |name, value| {
        let value = match value {
            Value::Number(number) => i64::try_from(number).map_or_else(|_| json!(number as u64), Json::from),
            Value::Flag(flag) => flag.into(),
            Value::Slot(slot) => slot.into(),
            Value::Text(text) => text.to_string_lossy().into(),
            Value::Texts(texts) => texts.iter().map(|text| text.to_string_lossy()).collect(),
            Value::Bytes(bytes) => words(bytes),
        };
        fields.insert(name.to_owned(), value);
    });
    fields.into()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::seccomp::{Action, Seccomp};
    use crate::{Plan, User};

    #[test]
    fn every_step_and_operation_is_shown() {
        let mut config = Config::new("/rootfs");
        config.hostname = Some("box".to_owned());
        config.process.user = User::Ids { uid: 7, gid: 8, groups: vec![9], umask: None };
        config.process.seccomp = Some(Seccomp::new(Action::Allow));
        let plan = Plan::new(&config).unwrap();
        let steps: Vec<serde_json::Value> = serde_json::from_str(&plan.to_json()).unwrap();
        let words: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
        assert_eq!(words, plan.to_string().lines().collect::<Vec<_>>());
        let operations: Vec<_> =
            steps.iter().flat_map(|step| step["operations"].as_array().unwrap()).collect();
        let count = crate::program::Operations::new(plan.program()).unwrap().count();
        assert_eq!(operations.len(), count);
        let find = |name: &str| *operations.iter().find(|one| one["operation"] == name).unwrap();
        assert_eq!(find("Hostname")["name"], "box");
        assert_eq!(find("Identity")["groups"], serde_json::json!({ "bytes": "09000000" }));
        assert_eq!(find("Clone")["cgroup"], serde_json::Value::Null);
        assert_eq!(find("Exec")["arguments"], serde_json::json!(["sh"]));
    }
}
