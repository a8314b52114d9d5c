//! What is written is what was recorded.
#![allow(clippy::unwrap_used)]

#[path = "../examples/run/mod.rs"]
mod run;

use bytes::Bytes;
use delivery_history::{Event, EventKind, HistoryView, StreamView};
use delivery_parquet::{MANIFEST_KEY, write_parquet};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;

/// The file's rows, a field each.
fn read(bytes: Vec<u8>) -> (Vec<Vec<Field>>, String) {
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let metadata = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    let manifest = metadata.into_iter().find(|entry| entry.key == MANIFEST_KEY).unwrap().value.unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    (rows.map(|row| row.unwrap().get_column_iter().map(|(_, field)| field.clone()).collect()).collect(), manifest)
}

fn written(events: &[Event]) -> (Vec<Vec<Field>>, String) {
    let manifest = run::manifest("run", 1);
    let view = HistoryView {
        manifest: &manifest,
        streams: vec![StreamView { worker: run::PRODUCER, events }, StreamView { worker: run::CONSUMER, events }],
        damage: Vec::new(),
    };
    let mut bytes = Vec::new();
    assert_eq!(write_parquet(&view, &mut bytes).unwrap(), 2 * events.len() as u64);
    read(bytes)
}

#[test]
fn a_row_says_who_recorded_what_where() {
    let acked = Event::new(EventKind::SendAcked).message(7, 9).destination(0).offset(5).detail(2).at(11);
    let (rows, manifest) = written(&[acked]);
    let text = |text: &str| Field::Str(text.to_owned());
    let number = Field::Long;
    let expected = |worker: &str, group: Field| {
        let mut row = vec![number(11), text(worker), text("orders"), group, text("send-acked"), text("orders")];
        row.extend([number(0), number(7), number(9), number(5), number(2)]);
        row.extend([false; 4].map(Field::Bool));
        row
    };
    assert_eq!(rows, [expected("producer", Field::Null), expected("consumer", text("readers"))]);
    assert!(manifest.contains("\"run_id\":\"run\""), "{manifest}");
}

#[test]
fn what_is_not_said_is_null_and_what_is_not_known_keeps_its_number() {
    let strange = Event { kind: 250, destination: 40, ..Event::new(EventKind::WorkerStarted).at(1) };
    let (rows, _) = written(&[Event::new(EventKind::WorkerStarted).at(1), strange]);
    assert_eq!(rows[0][5..11], vec![Field::Null; 6]);
    assert_eq!((&rows[1][4], &rows[1][5]), (&Field::Str("unknown-250".into()), &Field::Str("40".into())));
}

proptest! {
    #[test]
    fn numbers_come_back(
        numbers in prop::collection::vec((1_u64..u64::MAX, 0_u64..u64::MAX, any::<u32>(), any::<u32>(), 0_u8..16), 0..60),
    ) {
        let events: Vec<Event> = numbers.iter().map(|(time_ns, offset, session, detail, flags)| {
            Event::new(EventKind::Delivered).message(*session, *detail).offset(*offset).detail(*detail).flags(*flags).at(*time_ns)
        }).collect();
        let (rows, _) = written(&events);
        for (row, event) in rows.iter().zip(&events) {
            let long = |field: &Field| if let Field::Long(number) = field { Some(*number) } else { None };
            prop_assert_eq!(long(&row[0]), Some(event.time_ns.cast_signed()));
            prop_assert_eq!(long(&row[9]), Some(event.offset.cast_signed()));
            prop_assert_eq!(long(&row[7]), (event.session != u32::MAX).then(|| i64::from(event.session)));
            let flags = row[11..].iter().enumerate().filter(|(_, flag)| **flag == Field::Bool(true));
            prop_assert_eq!(flags.map(|(bit, _)| 1_u8 << bit).sum::<u8>(), event.flags);
        }
    }
}
