//! Operation histories of others, in both of their formats, and text that is neither.
#![allow(clippy::unwrap_used)]

use delivery_history::import::read_operations;
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

#[test]
fn both_formats_say_the_same() {
    let (edn, json) = (read_operations(EDN.as_bytes()).unwrap(), read_operations(JSON.as_bytes()).unwrap());
    assert_eq!(edn.operations().len(), 4);
    assert_eq!(edn.operations().len(), json.operations().len());
}

#[test]
fn what_is_no_operation_is_named_with_its_line() {
    let broken = JSON.replace(r#""type":"ok","process":1"#, r#""type":"okay","process":1"#);
    let error = read_operations(broken.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("line 5"), "{error}");
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
