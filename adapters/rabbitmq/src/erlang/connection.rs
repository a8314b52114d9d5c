//! A connection to one node in Erlang's own distribution protocol, as a hidden node: it is no member of the
//! cluster, takes part in no election, and what it asks is answered by the very node that is asked.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use delivery_broker::Reason;
use erl_dist::DistributionFlags;
use erl_dist::handshake::{ClientSideHandshake, HandshakeError, HandshakeStatus};
use erl_dist::message::{self, Message, RecvError, SendError};
use erl_dist::node::{Creation, LocalNode, NodeName};
use erl_dist::term::{Atom, FixInteger, List, Mfa, Pid, Reference, Term};
use futures::executor::block_on;
use futures::io::AllowStdIo;

/// Shortest time limit a socket takes.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// A question that was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ErlangError {
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The call failed on the node.
    #[error("the node says {0}")]
    Failed(String),
}

impl ErlangError {
    /// The word events have for it.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Transport(_) => Reason::Transport,
            Self::TimedOut => Reason::TimedOut,
            Self::Failed(_) => Reason::Other,
        }
    }
}

impl From<io::Error> for ErlangError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::Transport(error.to_string()),
        }
    }
}

impl From<SendError> for ErlangError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Io(error) => error.into(),
            other => Self::Transport(other.to_string()),
        }
    }
}

impl From<RecvError> for ErlangError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Io(error) => error.into(),
            other => Self::Transport(other.to_string()),
        }
    }
}

impl From<HandshakeError> for ErlangError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Io(error) => error.into(),
            other => Self::Transport(other.to_string()),
        }
    }
}

/// A socket both halves of a channel share.
#[derive(Clone, Debug)]
struct Socket(Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

/// A connection that has shaken hands.
struct Link {
    socket: Socket,
    to_node: message::Sender<AllowStdIo<Socket>>,
    from_node: message::Receiver<AllowStdIo<Socket>>,
    own_name: Atom,
    creation: u32,
    calls: u32,
}

/// One node, connected to when it is needed.
pub(crate) struct Connection {
    address: SocketAddr,
    cookie: String,
    link: Option<Link>,
}

impl Connection {
    /// A node whose distribution listens at `address`:`port`.
    pub(crate) fn new(address: IpAddr, port: u16, cookie: &str) -> Self {
        Self { address: SocketAddr::new(address, port), cookie: cookie.to_owned(), link: None }
    }

    /// Calls a function on the node. A call that fails in transit costs the connection: the next
    /// one begins with a new one.
    ///
    /// # Errors
    /// Nobody answered until `deadline`, or the call failed.
    pub(crate) fn call(
        &mut self,
        module: &str,
        function: &str,
        arguments: Vec<Term>,
        deadline: Instant,
    ) -> Result<Term, ErlangError> {
        let answer = self.linked(deadline).and_then(|link| link.call(module, function, arguments, deadline));
        if matches!(answer, Err(ErlangError::Transport(_) | ErlangError::TimedOut)) {
            self.link = None;
        }
        answer
    }

    fn linked(&mut self, deadline: Instant) -> Result<&mut Link, ErlangError> {
        match self.link.take() {
            Some(link) => Ok(self.link.insert(link)),
            None => {
                let link = Link::new(self.address, &self.cookie, deadline)?;
                Ok(self.link.insert(link))
            }
        }
    }
}

fn left_until(deadline: Instant) -> Result<Duration, ErlangError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left < LEAST_WAIT { Err(ErlangError::TimedOut) } else { Ok(left) }
}

impl Link {
    fn new(address: SocketAddr, cookie: &str, deadline: Instant) -> Result<Self, ErlangError> {
        let stream = TcpStream::connect_timeout(&address, left_until(deadline)?)?;
        stream.set_nodelay(true)?;
        let socket = Socket(Arc::new(stream));
        socket.limit(deadline)?;
        // The node gives us a name, so that no two of us ever have the same.
        let unnamed: NodeName =
            "nonode@localhost".parse().map_err(|_| ErlangError::Transport(String::from("no node name")))?;
        let mut local = LocalNode::new(unnamed, Creation::random());
        local.flags |= DistributionFlags::NAME_ME;
        local.flags |= DistributionFlags::SPAWN;
        local.flags |= DistributionFlags::DIST_MONITOR;
        local.flags |= DistributionFlags::DIST_MONITOR_NAME;
        let mut handshake = ClientSideHandshake::new(AllowStdIo::new(socket.clone()), local.clone(), cookie);
        block_on(async {
            let status = handshake.execute_send_name(6).await?;
            let HandshakeStatus::Named { name, creation } = status else {
                return Err(ErlangError::Transport(format!("the node does not take us in: {status:?}")));
            };
            let (connection, peer) = handshake.execute_rest(true).await?;
            let (to_node, from_node) = message::channel(connection, local.flags & peer.flags);
            let own_name = Atom::from(format!("{name}@localhost"));
            Ok(Self { socket, to_node, from_node, own_name, creation: creation.get(), calls: 0 })
        })
    }

    fn call(
        &mut self,
        module: &str,
        function: &str,
        arguments: Vec<Term>,
        deadline: Instant,
    ) -> Result<Term, ErlangError> {
        let request = self.next_reference();
        let inner = self.next_reference();
        let spawn = Message::spawn_request(
            request.clone(),
            self.pid(),
            self.pid(),
            Mfa { module: "erpc".into(), function: "execute_call".into(), arity: FixInteger::from(4) },
            List::from(vec![Atom::from("monitor").into()]),
            List::from(vec![
                inner.into(),
                Atom::from(module).into(),
                Atom::from(function).into(),
                List::from(arguments).into(),
            ]),
        );
        self.socket.limit(deadline)?;
        block_on(self.to_node.send(spawn))?;
        loop {
            self.socket.limit(deadline)?;
            match block_on(self.from_node.recv())? {
                Message::Tick => block_on(self.to_node.send(Message::Tick))?,
                Message::MonitorPExit(exit) if exit.reference == request => return outcome(exit.reason),
                _ => {}
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::new(self.own_name.clone(), 0, 0, self.creation)
    }

    fn next_reference(&mut self) -> Reference {
        self.calls = self.calls.wrapping_add(1);
        Reference { node: self.own_name.clone(), id: vec![self.calls, 0, 0], creation: self.creation }
    }
}

impl Socket {
    /// No read or write lasts beyond `deadline`.
    fn limit(&self, deadline: Instant) -> Result<(), ErlangError> {
        let left = left_until(deadline)?;
        self.0.set_read_timeout(Some(left))?;
        self.0.set_write_timeout(Some(left))?;
        Ok(())
    }
}

/// `erpc` tells a call's outcome in the exit of the process that made it: `{Ref, return, Value}`.
fn outcome(reason: Term) -> Result<Term, ErlangError> {
    match reason {
        Term::Tuple(mut told)
            if told.elements.len() == 3 && matches!(&told.elements[1], Term::Atom(kind) if kind.name == "return") =>
        {
            Ok(told.elements.swap_remove(2))
        }
        other => Err(ErlangError::Failed(other.to_string())),
    }
}
