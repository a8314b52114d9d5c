//! Operation histories of others, in both of their formats, and text that is neither.
#![allow(clippy::unwrap_used)]

use delivery_history::import::{Function, Operation, OperationHistory, OperationKind, Problem, read_operations};
use proptest::prelude::*;

const EDN: &str = r#"
#jepsen.history.Op{:index 0, :time 10, :type :invoke, :process 0, :f :send, :value [[:send 3 7]]}
#jepsen.history.Op{:index 1, :time 20, :type :ok, :process 0, :f :send, :value [[:send 3 [0 7]]]}
{:index 2, :time 30, :type :invoke, :process 1, :f :poll, :value [[:poll]]}
{:index 3, :time 40, :type :ok, :process 1, :f :poll, :value [[:poll {3 [[0 7]]}]]}
"#;
const JSON: &str = r#"
{"index":0,"time":10,"type":"invoke","process":0,"f":"send","value":[["send",3,7]]}
{"index":1,"time":20,"type":"ok","process":0,"f":"send","value":[["send",3,[0,7]]]}
{"index":2,"time":30,"type":"invoke","process":1,"f":"poll","value":[["poll"]]}
{"index":3,"time":40,"type":"ok","process":1,"f":"poll","value":[["poll",{"3":[[0,7]]}]]}
"#;

fn read(text: &str) -> OperationHistory {
    read_operations(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn error(text: &str) -> String {
    read_operations(text.as_bytes()).unwrap_err().to_string()
}

/// Everything a history says, in words that do not depend on its format.
fn told(history: &OperationHistory) -> Vec<String> {
    let tell = |operation: &Operation| {
        let keys = |ids: &[u32]| ids.iter().map(|key| history.key(*key)).collect::<Vec<_>>();
        let micro: Vec<_> = history
            .micro_operations(operation)
            .iter()
            .map(|micro| (micro.action, history.key(micro.key), micro.offset, history.text(micro.value)))
            .collect();
        let Operation { index, time_ns, process, kind, function, .. } = operation;
        let lists = (keys(history.keys_of(operation)), keys(history.rebalanced(operation)));
        format!("{index} {time_ns} {process} {kind:?} {function:?} {micro:?} {lists:?}")
    };
    history.operations().iter().map(tell).collect()
}

/// An operation of client 0 that sends `value` (as EDN) to `key`.
fn sends(key: &str, value: &str) -> (String, String) {
    let history = read(&format!("{{:type :invoke, :process 0, :f :send, :value [[:send {key} {value}]]}}"));
    let micro = history.micro_operations(&history.operations()[0])[0];
    (history.key(micro.key), history.text(micro.value))
}

#[test]
fn both_formats_say_the_same() {
    assert_eq!(told(&read(EDN)), told(&read(JSON)));
    assert_eq!(read(EDN).operations().len(), 4);
}

#[test]
fn one_array_or_vector_says_the_same_as_its_lines() {
    let lines: Vec<&str> = JSON.trim().lines().collect();
    assert_eq!(told(&read(&format!("[{}]", lines.join(",\n ")))), told(&read(JSON)));
    assert_eq!(told(&read(&format!(" [ {} ]\n", lines.join(",")))), told(&read(JSON)));
    assert_eq!(told(&read(&format!("[{EDN}]"))), told(&read(EDN)));
    assert_eq!(told(&read(&format!("({EDN})"))), told(&read(EDN)));
    assert_eq!(told(&read(&format!("\u{feff}{JSON}"))), told(&read(JSON)));
    assert_eq!(told(&read(&format!("\u{feff}{EDN}"))), told(&read(EDN)));
    assert!(read("[]").operations().is_empty() && read("").operations().is_empty());
}

#[test]
fn every_form_of_edn_is_understood_or_passed_over() {
    let forms = r#"
; a comment with ] } ) in it
#_ {:index 99, :type :ok} #_ #_ :two :forms
#jepsen.history.Op {
  :time 10, :index 0 :type :invoke,,, :process 0 :f :send
  :error [:unknown "a \"quoted\" ] \\ text" \] \newline \u0041 1/3 -0.5e10 1.5M 2N nil true ##NaN ##-Inf]
  :at #inst "2026-01-01T00:00:00Z", :id #uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
  :jepsen.kafka/note #:jepsen{:a #{1 2}, :b (1 2)}, "text" 1, [1 2] 3, nil 4
  :value ^{:line 7} [[:send 3 7]] #_ :discarded}
#jepsen.history.Op{:index 1, :time 20, :type :ok, :process 0, :f :send, :value #jepsen/v ([:send 3 #t [0N 7]])}
{:index 2, :time 30, :type :invoke, :process 1, :f :poll, :value nil}
{:index 3, :time 40, :type :ok, :process 1, :f :poll, :value [[:poll {3 ([0 7])}]]}"#;
    assert_eq!(told(&read(forms)), told(&read(EDN)));
}

#[test]
fn keys_and_values_are_numbers_or_names() {
    let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(sends("-3", "9223372036854775807"), own("-3", "9223372036854775807"));
    assert_eq!(sends(":k/a", ":v.b/c"), own(":k/a", ":v.b/c"));
    assert_eq!(sends("orders", "sym"), own("orders", "sym"));
    assert_eq!(sends("\"7\"", "\"7\""), own("7", "7"));
    assert_eq!(sends("\"a b\"", r#""tab\t quote\" é \u00e9 \\""#), own("a b", "tab\t quote\" é é \\"));
    assert_eq!(sends(r"\a", r"\newline"), own(r"\a", r"\newline"));
    assert_eq!(sends("1/3", "0.25"), own("1/3", "0.25"));
    assert_eq!(sends("true", "1e3"), own("true", "1e3"));
    // A key in quotes is the number it names, since maps in JSON have no other keys.
    let text = "{:type :invoke, :process 0, :f :txn, :value [[:send \"7\" 1] [:send 7 2] [:send \"07\" 3]]}";
    assert_eq!(read(text).key_count(), 2);
}

#[test]
fn numbers_out_of_range_are_refused_where_they_stand() {
    for number in ["9223372036854775808", "99999999999999999999", "-9223372036854775809"] {
        let edn = EDN.replace("[0 7]", &format!("[0 {number}]"));
        assert!(error(&edn).starts_with("line 3, byte "), "{}", error(&edn));
        let json = JSON.replace("[0,7]", &format!("[0,{number}]"));
        assert!(error(&json).starts_with("line 3, byte "), "{}", error(&json));
    }
    assert!(error(&EDN.replace("[0 7]", "[-1 7]")).contains("`offset` is -1"));
    assert!(error(&JSON.replace("[0,7]", "[-1,7]")).contains("`offset` is -1"));
    assert!(error(&EDN.replace(":index 1", ":index -1")).contains("`index` is -1"));
    let far = read(&EDN.replace("[0 7]", "[4611686018427387904 7]"));
    assert_eq!(far.micro_operations(&far.operations()[1])[0].offset, Some(1 << 62));
}

#[test]
fn only_clients_take_part() {
    let nemesis = "{:type :info, :process :nemesis, :f :partition, :value {:grudge {\"n1\" #{\"n2\"}}}}\n";
    let history = read(&format!("{nemesis}{EDN}{nemesis}"));
    assert_eq!((history.operations().len(), history.not_judged), (4, 2));
    let json = r#"{"type":"info","process":"nemesis","f":"kill","value":["n1"]}"#;
    let history = read(&format!("{json}\n{JSON}"));
    assert_eq!((history.operations().len(), history.not_judged), (4, 1));
    // What clients do beside sending and polling is known of and not judged.
    let other = "{:index 9, :type :invoke, :process 5, :f :debug-topic-partitions, :value [0]}\n";
    let history = read(&format!("{EDN}{other}"));
    assert_eq!((history.operations()[4].function, history.not_judged), (Function::Other, 1));
}

#[test]
fn processes_are_any_number() {
    for process in ["1000003", "-1", "9223372036854775807"] {
        let history = read(&EDN.replace(":process 1,", &format!(":process {process},")));
        assert_eq!(history.operations()[2].process.to_string(), process);
    }
}

#[test]
fn an_operation_that_never_ended_stays_open() {
    let open = JSON.lines().take(4).collect::<Vec<_>>().join("\n");
    let history = read(&open);
    let last = history.operations().last().unwrap();
    assert_eq!((last.kind, history.partner(last)), (OperationKind::Invoke, None));
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_byte() {
    let cases = [
        (
            JSON.replace(r#""type":"ok","process":1"#, r#""type":"okay","process":1"#),
            "line 5, byte 249: `type` is `okay`",
        ),
        (
            JSON.replace(r#","process":1,"f":"poll","value":[["poll"]]"#, ""),
            "line 4, byte 169: an operation without `process`",
        ),
        (JSON.replace(r#""index":3"#, r#""index":2"#), "operation 2 stands after operation 2"),
        (JSON.replace(r#""index":3"#, r#""index":1"#), "operation 1 stands after operation 2"),
        (
            JSON.replace(r#""ok","process":1"#, r#""ok","process":4"#),
            "process 4 completes operation 3, but has invoked none",
        ),
        (
            JSON.replace(r#""ok","process":1"#, r#""invoke","process":1"#),
            "process 1 invokes operation 3 while its operation 2",
        ),
        (
            JSON.replace(r#""ok","process":1,"f":"poll""#, r#""ok","process":1,"f":"txn""#),
            "ends as `txn` what began as `poll`",
        ),
        (EDN.replace(":f :poll, :value [[:poll]]", ":value [[:poll]]"), "an operation without `f`"),
        (EDN.replace("[[:poll]]", "[[:peek]]"), "`micro-operation` is `peek`"),
        (EDN.replace("[[:poll {3 [[0 7]]}]]", "[[:poll {3 [[0 7 8]]}]]"), "complete: nothing more belongs here"),
        (format!("{EDN}]"), "line 6, byte"),
        (EDN.replace(":index 1, ", ":f :assign, "), "`:f` stands twice in one operation"),
    ];
    for (text, wanted) in cases {
        let error = error(&text);
        assert!(error.starts_with("line ") && error.contains(wanted), "{wanted}: {error}");
    }
}

#[test]
fn a_file_that_was_cut_off_says_so() {
    for text in [EDN, JSON] {
        let cut = &text[..text.trim_end().len() - 5];
        let error = read_operations(cut.as_bytes()).unwrap_err();
        assert_eq!((error.line, error.byte, error.problem), (5, cut.len() as u64, Problem::CutOff));
    }
    assert!(error(&format!("[{}", JSON.trim().lines().next().unwrap())).contains("cut off"));
    assert!(error(&format!("[{EDN}")).contains("cut off"));
}

#[test]
fn nesting_is_bounded() {
    for open in ["[", "{:a ", "#{", "{:value ["] {
        let deep = format!("{{:index 0, :x {}", open.repeat(100_000));
        assert!(error(&deep).contains("nested more than"), "{open}");
    }
    assert!(read_operations("[".repeat(100_000).as_bytes()).is_err());
    assert!(read_operations(format!(r#"{{"a":{}"#, "[".repeat(100_000)).as_bytes()).is_err());
    assert!(read_operations("#a ".repeat(100_000).as_bytes()).is_err());
    assert!(read_operations("#_ ".repeat(100_000).as_bytes()).is_err());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in ".{0,200}") {
        let _ = read_operations(text.as_bytes());
    }

    #[test]
    fn a_history_cut_off_anywhere_is_read_or_refused(at in 0usize..400, edn: bool) {
        let text = if edn { EDN } else { JSON };
        let _ = read_operations(&text.as_bytes()[..at.min(text.len())]);
    }
}
