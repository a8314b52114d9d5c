//! Small histories of operations, in both formats.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "every test file uses its own part")]

use std::fmt::Write as _;

use delivery_checks::jepsen::{LogJudgement, LogOptions, judge_operations};
use delivery_history::import::{read_operations_edn, read_operations_json};
use serde_json::{Value, json};

/// Operations as they are recorded, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Operations(pub Vec<Value>);

impl Operations {
    /// One that begins and ends before anything else happens.
    pub fn op(self, process: i64, kind: &str, function: &str, value: Value) -> Self {
        self.begin(process, function).end(process, kind, function, value)
    }

    /// Its first half.
    pub fn begin(self, process: i64, function: &str) -> Self {
        self.end(process, "invoke", function, Value::Null)
    }

    /// One line.
    pub fn end(mut self, process: i64, kind: &str, function: &str, value: Value) -> Self {
        let index = self.0.len();
        self.0.push(json!({
            "index": index, "time": index * 10, "process": process, "type": kind, "f": function, "value": value
        }));
        self
    }

    /// An acknowledged send.
    pub fn sent(self, process: i64, key: i64, offset: u64, value: i64) -> Self {
        self.op(process, "ok", "send", json!([["send", key, [offset, value]]]))
    }

    /// A poll that ended well and read this of one key.
    pub fn polled(self, process: i64, key: i64, read: &[(u64, i64)]) -> Self {
        let read: Vec<Value> = read.iter().map(|(offset, value)| json!([offset, value])).collect();
        self.op(process, "ok", "poll", json!([["poll", { key.to_string(): read }]]))
    }

    /// Adds a field to the last line.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.0.last_mut().unwrap()[field] = value;
        self
    }

    pub fn json(&self) -> String {
        self.0.iter().map(|line| format!("{line}\n")).collect()
    }

    pub fn edn(&self) -> String {
        self.0.iter().map(|line| format!("#jepsen.history.Op{}\n", edn(line))).collect()
    }

    /// What both formats are found to say.
    pub fn judge(&self, ww_deps: bool) -> LogJudgement {
        let options = LogOptions { ww_deps };
        let from_json = judge_operations(&read_operations_json(self.json().as_bytes()).unwrap(), options);
        let from_edn = judge_operations(&read_operations_edn(self.edn().as_bytes()).unwrap(), options);
        assert_eq!(from_json, from_edn, "the formats differ:\n{}\n{}", self.json(), self.edn());
        from_json
    }

    /// Kinds of findings, in the order of the output, with their counts.
    pub fn found(&self, ww_deps: bool) -> Vec<(&'static str, u64)> {
        let findings = self.judge(ww_deps).findings;
        findings.iter().map(|finding| (finding.kind.label(), finding.count)).collect()
    }
}

/// A JSON value as Jepsen would have written it: names are keywords, the keys of a poll are numbers.
pub fn edn(value: &Value) -> String {
    match value {
        Value::Null => String::from("nil"),
        Value::String(name) => format!(":{name}"),
        Value::Array(list) => format!("[{}]", list.iter().map(edn).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut text = String::from("{");
            for (key, value) in map {
                let key = if key.parse::<i64>().is_ok() { key.clone() } else { format!(":{key}") };
                let _ = write!(text, "{key} {}, ", edn(value));
            }
            text + "}"
        }
        other => other.to_string(),
    }
}
