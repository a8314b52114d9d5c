//! A node on its host: the bus, its socket, and the rhythm of its turns.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use delivery_broker::{ClientSpec, Consumer, LinkLedger, NodeAddress, Observation, Producer, SimulatedNode};
use turmoil::net::UdpSocket;

use crate::bus::Bus;
use crate::clients::{BusConsumer, BusProducer};
use crate::frame::{self, MAX_FRAME_BYTES};
use crate::late::LateFrames;
use crate::outbox::Waiting;

/// Port the nodes talk on.
pub(crate) const PORT: u16 = 7_400;
/// A node reads its socket, does what is due and sends, this often.
const TURN: Duration = Duration::from_millis(5);

/// One node of the embedded PubSub.
pub(crate) struct Node {
    me: u32,
    addresses: Vec<NodeAddress>,
    ledger: LinkLedger,
    bus: Rc<RefCell<Bus>>,
    late: RefCell<LateFrames>,
    /// Why it cannot run.
    refused: Option<String>,
}

impl Node {
    pub(crate) fn new(
        me: u32,
        addresses: Vec<NodeAddress>,
        ledger: LinkLedger,
        bus: Bus,
        refused: Option<String>,
    ) -> Self {
        Self { me, addresses, ledger, bus: Rc::new(RefCell::new(bus)), late: RefCell::default(), refused }
    }

    async fn serve(&self) -> io::Result<()> {
        if let Some(refused) = &self.refused {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, refused.clone()));
        }
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
        let peers = self.peers();
        let mut datagram = vec![0; MAX_FRAME_BYTES];
        self.bus.borrow_mut().start(now_ns());
        let mut turn = tokio::time::interval(TURN);
        loop {
            turn.tick().await;
            self.bus.borrow_mut().advance(now_ns());
            self.read(&socket, &mut datagram)?;
            self.send(&socket, &peers)?;
        }
    }

    fn peers(&self) -> BTreeMap<u32, IpAddr> {
        let peers = self.addresses.iter().filter(|node| node.id != self.me);
        peers.map(|node| (node.id, turmoil::lookup(node.address.as_str()))).collect()
    }

    fn read(&self, socket: &UdpSocket, datagram: &mut [u8]) -> io::Result<()> {
        let malformed = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        loop {
            let length = match socket.try_recv_from(datagram) {
                Ok((length, _)) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let frame = frame::read(Bytes::copy_from_slice(&datagram[..length])).map_err(malformed)?;
            self.ledger.arrived(frame.from.node, self.me, frame.number);
            self.bus.borrow_mut().receive(frame).map_err(malformed)?;
        }
    }

    /// Sends what is due: what waited first, then what is new.
    fn send(&self, socket: &UdpSocket, peers: &BTreeMap<u32, IpAddr>) -> io::Result<()> {
        let now_ns = now_ns();
        let mut late = self.late.borrow_mut();
        for (peer, mut frame) in late.take(&self.ledger, self.me, now_ns) {
            if let Some(address) = peers.get(&peer) {
                self.transmit(socket, peer, *address, &mut frame)?;
            }
        }
        let mut send = |frame: &mut [u8], peer: u32, address: IpAddr| match late.keep(
            &self.ledger,
            (self.me, peer),
            now_ns,
            frame,
        ) {
            true => Ok(()),
            false => self.transmit(socket, peer, address, frame),
        };
        let Waiting { to_all, to_one } = self.bus.borrow_mut().outbox.take();
        for mut frame in to_all {
            for (peer, address) in peers {
                send(&mut frame, *peer, *address)?;
            }
        }
        for (peer, mut frame) in to_one {
            if let Some(address) = peers.get(&peer) {
                send(&mut frame, peer, *address)?;
            }
        }
        Ok(())
    }

    fn transmit(&self, socket: &UdpSocket, peer: u32, address: IpAddr, frame: &mut [u8]) -> io::Result<()> {
        frame::set_number(frame, self.ledger.sent(self.me, peer));
        if self.ledger.is_lost(self.me, peer) {
            return Ok(());
        }
        socket.try_send_to(frame, (address, PORT)).map(|_| ())
    }
}

/// Simulated time; a node only ever runs inside a host.
fn now_ns() -> u64 {
    turmoil::sim_elapsed().map_or(0, |elapsed| elapsed.as_nanos() as u64)
}

impl SimulatedNode for Node {
    fn run(self: Rc<Self>) -> Pin<Box<dyn Future<Output = io::Result<()>>>> {
        Box::pin(async move { self.serve().await })
    }

    fn producer(&self, _spec: &ClientSpec) -> Box<dyn Producer> {
        Box::new(BusProducer::new(self.bus.clone()))
    }

    fn consumer(&self, spec: &ClientSpec) -> Box<dyn Consumer> {
        Box::new(BusConsumer::new(self.bus.clone(), spec))
    }

    fn observe(&self, seen: &mut dyn FnMut(Observation)) {
        seen(Observation::Members { node: self.me, members_bits: self.bus.borrow().members_bits() });
    }
}
