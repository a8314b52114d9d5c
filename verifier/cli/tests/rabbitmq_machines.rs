//! RabbitMQ clusters whose machines fail.
#![cfg(feature = "rabbitmq")]
#![allow(clippy::unwrap_used)]

mod common;

use common::{CLOCKS, can_have, can_run, clocks_went_wrong, count, document, guarantee, lane, one_cluster, run, told};

#[test]
fn a_clock_that_goes_wrong_in_any_shape_is_read_back_and_set_right() {
    if !can_run("rabbitmq") || !can_have("clock", "clock") {
        return;
    }
    let _turn = one_cluster();
    let out = tempfile::tempdir().unwrap();
    let output = run(&["rabbitmq", "--preset=quorum", CLOCKS, "--rate=100", "--timings=short", "--json"], out.path());
    let document = document(&output);
    clocks_went_wrong(&document);
    let quorum = lane(&document, "quorum");
    assert_eq!((count(quorum, "lost"), count(quorum, "undelivered")), (0, 0), "{quorum:#}");
    assert_eq!(guarantee(quorum, "durability").0, "holds", "{quorum:#}");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
}
