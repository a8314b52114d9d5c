//! The clients of one simulated host, stepped between its ticks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use delivery_broker::{ClientSpec, Consumer, Observation, Producer, SimulatedNode};
use delivery_history::{Event, EventKind, Recorder};
use delivery_workloads::{
    ConsumePlan, ConsumerLoop, ProducePlan, ProducerLoop, SentinelLoop, WorkloadError, observation_event,
};

/// What a worker of a simulated host does.
#[derive(Clone, Debug)]
pub(crate) enum SimulatedJob {
    /// Sends at a fixed rate.
    Produce(ProducePlan),
    /// Reads all that its topic is sent.
    Consume(ConsumePlan),
    /// Writes sentinels once it is asked to.
    Sentinel {
        /// Payload bytes.
        size_bytes: u32,
        /// Where.
        destinations: Vec<u16>,
    },
}

/// A worker as planned.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedWorker {
    /// Its number.
    pub(crate) worker: u16,
    /// How it connects.
    pub(crate) client: ClientSpec,
    /// What it does.
    pub(crate) job: SimulatedJob,
}

/// What driver and clients share. Hosts of one simulation take turns on one thread.
#[derive(Default)]
pub(crate) struct Shared {
    /// Producers send.
    pub(crate) load: bool,
    /// Producers flush, and purge at this time.
    pub(crate) flush_until_ns: Option<u64>,
    /// Sentinels are wanted.
    pub(crate) sentinels: bool,
    /// Streams, one a worker; the driver closes them.
    pub(crate) recorders: BTreeMap<u16, Recorder>,
    /// Destinations whose position each consumer knows.
    pub(crate) positioned: BTreeMap<u16, BTreeSet<u16>>,
    /// Producers without a send in flight after the load.
    pub(crate) flushed: BTreeSet<u16>,
    /// Sentinel writers that are done.
    pub(crate) sentinels_written: BTreeSet<u16>,
    /// Destinations each consumer has read past the sentinels.
    pub(crate) drained: BTreeMap<u16, BTreeSet<u16>>,
    /// What nodes said since the driver's last look.
    pub(crate) observations: Vec<Observation>,
    /// Workers that run now.
    pub(crate) alive: BTreeSet<u16>,
    /// Which life each host is in, from 0.
    pub(crate) lives: BTreeMap<u32, usize>,
    /// Hosts that were killed since the driver's last look.
    pub(crate) crashed: Vec<u32>,
    /// Workers whose stream has begun.
    pub(crate) begun: BTreeSet<u16>,
    /// The observer's stream.
    pub(crate) observer: u16,
}

/// Between two observations of a node, nanoseconds.
const OBSERVE_INTERVAL_NS: u64 = 250_000_000;

/// A client and the behaviour that drives it.
enum Client {
    Producer { worker: u16, producer: Box<dyn Producer>, sending: ProducerLoop, started: bool },
    Consumer { worker: u16, consumer: Box<dyn Consumer>, reading: ConsumerLoop },
    Sentinel { worker: u16, producer: Box<dyn Producer>, writing: SentinelLoop },
}

impl Client {
    fn worker(&self) -> u16 {
        match self {
            Self::Producer { worker, .. } | Self::Consumer { worker, .. } | Self::Sentinel { worker, .. } => *worker,
        }
    }
}

impl Shared {
    /// First event of the stream of `worker`, once.
    pub(crate) fn begin(&mut self, worker: u16) -> Result<(), delivery_history::RecordError> {
        match self.recorders.get_mut(&worker) {
            Some(recorder) if self.begun.insert(worker) => recorder.record(Event::new(EventKind::WorkerStarted)),
            _ => Ok(()),
        }
    }
}

/// All clients of one host.
pub(crate) struct HostClients {
    node: Rc<dyn SimulatedNode>,
    shared: Rc<RefCell<Shared>>,
    clients: Vec<Client>,
    next_observation_ns: u64,
}

impl HostClients {
    /// Connects every client of the host to its node.
    pub(crate) fn connect(
        node: Rc<dyn SimulatedNode>,
        workers: &[SimulatedWorker],
        shared: Rc<RefCell<Shared>>,
    ) -> Self {
        let clients = workers.iter().map(|worker| connect(node.as_ref(), worker)).collect();
        shared.borrow_mut().alive.extend(workers.iter().map(|worker| worker.worker));
        Self { node, shared, clients, next_observation_ns: 0 }
    }

    /// One turn of every client.
    pub(crate) fn step(&mut self, now_ns: u64) -> Result<(), WorkloadError> {
        let shared = &mut *self.shared.borrow_mut();
        for client in &mut self.clients {
            shared.begin(client.worker())?;
            step_client(client, shared, now_ns)?;
        }
        if now_ns < self.next_observation_ns {
            return Ok(());
        }
        self.next_observation_ns = now_ns + OBSERVE_INTERVAL_NS;
        let first = shared.observations.len();
        self.node.observe(&mut |observation| shared.observations.push(observation));
        if let Some(recorder) = shared.recorders.get_mut(&shared.observer) {
            for observation in &shared.observations[first..] {
                recorder.record(observation_event(observation))?;
            }
        }
        Ok(())
    }
}

fn connect(node: &dyn SimulatedNode, worker: &SimulatedWorker) -> Client {
    let number = worker.worker;
    match &worker.job {
        SimulatedJob::Produce(plan) => Client::Producer {
            worker: number,
            producer: node.producer(&worker.client),
            sending: ProducerLoop::new(plan.clone()),
            started: false,
        },
        SimulatedJob::Consume(plan) => Client::Consumer {
            worker: number,
            consumer: node.consumer(&worker.client),
            reading: ConsumerLoop::new(plan.clone()),
        },
        SimulatedJob::Sentinel { size_bytes, destinations } => Client::Sentinel {
            worker: number,
            producer: node.producer(&worker.client),
            writing: SentinelLoop::new(number, worker.client.run_tag, *size_bytes as usize, destinations),
        },
    }
}

fn step_client(client: &mut Client, shared: &mut Shared, now_ns: u64) -> Result<(), WorkloadError> {
    match client {
        Client::Producer { worker, producer, sending, started } => {
            let Some(recorder) = shared.recorders.get_mut(worker) else { return Ok(()) };
            if shared.load != *started {
                *started = shared.load;
                if shared.load { sending.start(now_ns) } else { sending.stop() }
            }
            sending.step(producer.as_mut(), recorder)?;
            if let Some(until_ns) = shared.flush_until_ns
                && !shared.flushed.contains(worker)
                && (producer.in_flight() == 0 || now_ns >= until_ns)
            {
                sending.purge(producer.as_mut(), recorder)?;
                shared.flushed.insert(*worker);
            }
            Ok(())
        }
        Client::Consumer { worker, consumer, reading } => {
            let Some(recorder) = shared.recorders.get_mut(worker) else { return Ok(()) };
            reading.step(consumer.as_mut(), recorder, Duration::ZERO)?;
            note(&mut shared.positioned, *worker, reading.positioned());
            note(&mut shared.drained, *worker, reading.drained());
            Ok(())
        }
        Client::Sentinel { worker, producer, writing } => {
            if !shared.sentinels || shared.sentinels_written.contains(worker) {
                return Ok(());
            }
            let Some(recorder) = shared.recorders.get_mut(worker) else { return Ok(()) };
            writing.step(producer.as_mut(), recorder, Duration::ZERO)?;
            if writing.done() {
                shared.sentinels_written.insert(*worker);
            }
            Ok(())
        }
    }
}

fn note(known: &mut BTreeMap<u16, BTreeSet<u16>>, worker: u16, reached: &BTreeSet<u16>) {
    let known = known.entry(worker).or_default();
    if known != reached {
        known.clone_from(reached);
    }
}
