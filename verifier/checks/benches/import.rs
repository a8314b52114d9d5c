//! Operations of others' histories read and judged a second: `cargo bench -p delivery-checks --bench import`.
//!
//! `read`: from text, by format. `judge`: all anomalies, with write-write dependencies. `far`: a small history with one
//! message at a small and at a large offset, which must cost the same.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use delivery_checks::jepsen::{LogOptions, judge_operations};
use delivery_checks::judge_named;
use delivery_history::import::read_operations;
use delivery_history::plain::read_plain;

const OPERATIONS: u64 = 400_000;
const KEYS: u64 = 8;

/// Every message is sent by one operation and polled by another: four lines a message. The last one sits at `last`.
fn history(messages: u64, edn: bool, last: Option<u64>) -> String {
    let mut text = String::new();
    let mut line = |index: u64, process: u64, kind: &str, function: &str, value: String| {
        let time = index * 1_000;
        let _ = if edn {
            writeln!(
                text,
                "#jepsen.history.Op{{:index {index}, :time {time}, :type :{kind}, :process {process}, :f :{function}, :value {value}}}"
            )
        } else {
            writeln!(
                text,
                r#"{{"index":{index},"time":{time},"type":"{kind}","process":{process},"f":"{function}","value":{value}}}"#
            )
        };
    };
    for message in 0..messages {
        let (key, index) = (message % KEYS, message * 4);
        let offset = last.filter(|_| message + 1 == messages).unwrap_or(message / KEYS);
        let (sender, reader) = (key, 100 + key);
        if edn {
            line(index, sender, "invoke", "send", format!("[[:send {key} {message}]]"));
            line(index + 1, sender, "ok", "send", format!("[[:send {key} [{offset} {message}]]]"));
            line(index + 2, reader, "invoke", "poll", String::from("[[:poll]]"));
            line(index + 3, reader, "ok", "poll", format!("[[:poll {{{key} [[{offset} {message}]]}}]]"));
        } else {
            line(index, sender, "invoke", "send", format!(r#"[["send",{key},{message}]]"#));
            line(index + 1, sender, "ok", "send", format!(r#"[["send",{key},[{offset},{message}]]]"#));
            line(index + 2, reader, "invoke", "poll", String::from(r#"[["poll"]]"#));
            line(index + 3, reader, "ok", "poll", format!(r#"[["poll",{{"{key}":[[{offset},{message}]]}}]]"#));
        }
    }
    text
}

/// A person's log: sent, acked, processed.
fn plain(messages: u64) -> String {
    let mut text = String::new();
    for message in 0..messages {
        let at_ms = message * 3;
        let _ = writeln!(
            text,
            r#"{{"time_ms":{at_ms},"worker":"p","event":"send-invoked","message":"m{message}","destination":"q"}}"#
        );
        let _ =
            writeln!(text, r#"{{"time_ms":{},"worker":"p","event":"send-acked","message":"m{message}"}}"#, at_ms + 1);
        let _ =
            writeln!(text, r#"{{"time_ms":{},"worker":"c","event":"processed","message":"m{message}"}}"#, at_ms + 2);
    }
    text
}

fn bench(criterion: &mut Criterion) {
    let ww = LogOptions { ww_deps: true };
    let mut group = criterion.benchmark_group("operations");
    group.sample_size(10).throughput(Throughput::Elements(OPERATIONS));
    for (format, edn) in [("json", false), ("edn", true)] {
        let text = history(OPERATIONS / 4, edn, None);
        group.bench_function(BenchmarkId::new("read", format), |bencher| {
            bencher.iter(|| read_operations(black_box(text.as_bytes())));
        });
    }
    let read = read_operations(history(OPERATIONS / 4, true, None).as_bytes()).expect("the history is well formed");
    assert!(judge_operations(&read, ww).findings.is_empty(), "what is measured is a healthy history");
    group.bench_function("judge", |bencher| bencher.iter(|| judge_operations(black_box(&read), ww)));
    group.finish();

    let mut group = criterion.benchmark_group("far");
    for last in [2_u64, 200_000_000] {
        let text = history(20, true, Some(last));
        group.bench_function(BenchmarkId::from_parameter(last), |bencher| {
            bencher.iter(|| read_operations(black_box(text.as_bytes())).map(|read| judge_operations(&read, ww)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("plain");
    group.sample_size(10).throughput(Throughput::Elements(OPERATIONS / 4 * 3));
    let text = plain(OPERATIONS / 4);
    group.bench_function("read", |bencher| bencher.iter(|| read_plain(black_box(text.as_bytes()), "log.jsonl")));
    let read = read_plain(text.as_bytes(), "log.jsonl").expect("the log is well formed");
    group.bench_function("judge", |bencher| {
        bencher
            .iter(|| judge_named(black_box(&read.view()), &delivery_checks::Options::default(), read.names.as_ref()));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
