//! What a backend's test program does when a case starts it on a host.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// How long the client waits for an echo before it calls the peer silent.
const SILENCE: Duration = Duration::from_millis(150);

/// The role this process was started in, if it is not the harness.
pub(crate) fn asked_role() -> Option<Vec<String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next().as_deref() == Some("--role")).then(|| arguments.collect())
}

/// Plays it.
pub(crate) fn play(role: &[String]) {
    match role[0].as_str() {
        "echo" => serve_echo(&role[1]),
        "client" => talk_to(&role[1]),
        "tell" => UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"told", &role[1]).map(drop).unwrap(),
        "listen" => listen(&role[1]),
        other => panic!("no role {other}"),
    }
}

/// Echoes what comes over any number of connections, and says so.
fn serve_echo(address: &str) {
    let listener = TcpListener::bind(address).unwrap();
    println!("listening");
    for stream in listener.incoming() {
        std::thread::spawn(move || {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 16];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                println!("got {count}");
                if stream.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
        });
    }
}

/// Connects to a server; every line `ping` sends a byte, and any line waits for all echoes.
fn talk_to(address: &str) {
    let address = address.parse().unwrap();
    let mut stream = None;
    let mut owed = 0_usize;
    for line in io::stdin().lines() {
        let answer = match line.unwrap().as_str() {
            "connect" => connect(&address, &mut stream),
            "ping" => {
                let connected: &mut TcpStream = stream.as_mut().unwrap();
                connected.write_all(b"x").unwrap();
                owed += 1;
                await_echoes(connected, &mut owed)
            }
            "wait" => await_echoes(stream.as_mut().unwrap(), &mut owed),
            other => panic!("no command {other}"),
        };
        println!("{answer}");
    }
}

fn connect(address: &std::net::SocketAddr, stream: &mut Option<TcpStream>) -> &'static str {
    match TcpStream::connect_timeout(address, SILENCE) {
        Ok(connected) => {
            connected.set_read_timeout(Some(SILENCE)).unwrap();
            connected.set_nodelay(true).unwrap();
            *stream = Some(connected);
            "connected"
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => "silent",
        Err(_) => "failed",
    }
}

fn await_echoes(stream: &mut TcpStream, owed: &mut usize) -> &'static str {
    let mut buffer = [0; 16];
    while *owed > 0 {
        match stream.read(&mut buffer) {
            Ok(0) => return "closed",
            Ok(count) => *owed -= count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return "silent",
            Err(_) => return "failed",
        }
    }
    "echoed"
}

/// Says every datagram that comes.
fn listen(address: &str) {
    let socket = UdpSocket::bind(address).unwrap();
    println!("listening");
    let mut buffer = [0; 16];
    loop {
        let count = socket.recv(&mut buffer).unwrap();
        println!("{}", String::from_utf8_lossy(&buffer[..count]));
    }
}
