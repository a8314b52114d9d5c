//! Measures the local backend: `cargo run --release -p delivery-cluster --example local_times`.

use std::time::{Duration, Instant};

use delivery_cluster::enclosure::enclose;
use delivery_cluster::local::{LocalCluster, LocalHost, LocalNetwork};
use delivery_cluster::network::{Cut, Network, NetworkError};

/// Three nodes, two client hosts, the observer's.
const HOSTS: u32 = 6;
/// Repetitions of everything measured.
const TIMES: usize = 10;

fn main() {
    let enclosing = measure(|| enclose(|| 0).map(drop));
    report("enclose and leave", enclosing);
    match enclose(inside) {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(4);
        }
    }
}

fn inside() -> i32 {
    let host = |id: u32| LocalHost { id, name: format!("host-{id}"), address: format!("198.18.0.{id}") };
    let hosts: Vec<LocalHost> = (1..=HOSTS).map(host).collect();
    report("create 6 hosts", measure(|| LocalCluster::create(&hosts, vec![9092, 9093]).map(drop)));
    let cluster = match LocalCluster::create(&hosts, vec![9092, 9093]) {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("{error}");
            return 4;
        }
    };
    let mut network = cluster.network();
    let sides = [[1, 4], [2, 5], [3, 6]];
    let pairs =
        sides[1..].iter().flatten().flat_map(|far| sides[0].iter().flat_map(|near| [(*near, *far), (*far, *near)]));
    let cut = Cut::all(pairs.collect());
    let mut last = None;
    report("cut (16 directions)", measure(|| network.cut(&cut).map(|id| last = Some(id))));
    let read = |network: &mut LocalNetwork| last.map_or(Ok(()), |id| network.counters(id).map(drop));
    report("read the counters", measure(|| read(&mut network)));
    let healed = measure(|| -> Result<(), NetworkError> {
        let id = network.cut(&cut)?;
        network.heal(id)
    });
    report("cut and heal", healed);
    0
}

/// Times of every repetition, in order of length.
fn measure<E: std::fmt::Display>(mut action: impl FnMut() -> Result<(), E>) -> Vec<Duration> {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let start = Instant::now();
        if let Err(error) = action() {
            eprintln!("{error}");
            std::process::exit(4);
        }
        times.push(start.elapsed());
    }
    times.sort();
    times
}

fn report(what: &str, times: Vec<Duration>) {
    let ms = |time: Option<&Duration>| time.map_or(0.0, Duration::as_secs_f64) * 1e3;
    println!("{what}: median {:.1} ms, longest {:.1} ms", ms(times.get(times.len() / 2)), ms(times.last()));
}
