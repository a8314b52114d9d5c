//! Pulling from registries that break off, lie or refuse.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use delivery_broker::InstallError;
use delivery_images::{parse, unpack};
use sha2::{Digest, Sha256};

/// As much of a registry as pulling takes. Its thread ends with the test's process.
struct Registry {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Well,
    /// It ends the line after half of a layer, the first two times.
    BreaksOff,
    /// It does not know of ranges, and breaks off once.
    NoRanges,
    /// It sends other bytes.
    Lies,
    /// It sends more bytes than the manifest says.
    SendsMore,
    /// It does not know the image.
    Refuses,
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A layer with one file, of a size that does not fit into one packet.
fn layer() -> Vec<u8> {
    let body: Vec<u8> = (0..300_000u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, "opt/file", &body[..]).unwrap();
    archive.into_inner().unwrap()
}

impl Registry {
    fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut times = HashMap::new();
            for stream in listener.incoming() {
                answer(stream.unwrap(), manner, &seen, &mut times);
            }
        });
        Self { port, asked }
    }

    fn pull(&self, cache: &Path) -> Result<(), InstallError> {
        let name = parse(&format!("127.0.0.1:{}/test/broker:1", self.port)).unwrap();
        unpack(&name, cache, &cache.join("tree"), &mut |_| {})
    }

    fn ranges(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, manner: Manner, asked: &Mutex<Vec<String>>, times: &mut HashMap<String, u32>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let range = lines.by_ref().take_while(|line| !line.is_empty()).find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("range: bytes=").map(|range| range.trim_end_matches('-').to_owned())
    });
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let layer = layer();
    let config = b"{}".to_vec();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#,
        digest(&config),
        config.len(),
        digest(&layer),
        layer.len()
    );
    if path.contains("/manifests/") && manner != Manner::Refuses {
        let head = format!(
            "Content-Type: application/vnd.oci.image.manifest.v1+json\r\nDocker-Content-Digest: {}\r\n",
            digest(manifest.as_bytes())
        );
        return send(stream, "200 OK", &head, manifest.as_bytes(), manifest.len());
    }
    if path == "/v2/" {
        return send(stream, "200 OK", "", b"{}", 2);
    }
    if !path.contains("/blobs/") {
        let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        return send(stream, "404 Not Found", "Content-Type: application/json\r\n", body, body.len());
    }
    let from: usize = range.as_deref().and_then(|range| range.parse().ok()).unwrap_or(0);
    asked.lock().unwrap().push(from.to_string());
    let count = times.entry(path).or_default();
    *count += 1;
    let mut body = layer;
    match manner {
        Manner::Lies => body[1_000] ^= 1,
        Manner::SendsMore => body.extend([0; 100]),
        _ => {}
    }
    let (status, from) = if manner == Manner::NoRanges { ("200 OK", 0) } else { ("206 Partial Content", from) };
    let rest = &body[from..];
    let breaks = match manner {
        Manner::BreaksOff => *count <= 2,
        Manner::NoRanges => *count <= 1,
        _ => false,
    };
    let sent = if breaks { &rest[..rest.len() / 2] } else { rest };
    send(stream, status, "", sent, rest.len());
}

/// The line ends with the answer, whole or not.
fn send(mut stream: TcpStream, status: &str, head: &str, body: &[u8], length: usize) {
    let head = format!("HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    // Whoever asked may have had enough.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn is_there(cache: &Path) -> bool {
    fs::metadata(cache.join("tree/opt/file")).is_ok_and(|found| found.len() == 300_000)
}

#[test]
fn an_image_is_unpacked_and_says_where_it_is_from() {
    let cache = tempfile::tempdir().unwrap();
    let registry = Registry::start(Manner::Well);
    registry.pull(cache.path()).unwrap();
    assert!(is_there(cache.path()));
    let from = fs::read_to_string(cache.path().join("tree").join(delivery_images::PROVENANCE_FILE)).unwrap();
    assert!(from.contains("/test/broker:1@sha256:"), "{from}");
    assert_eq!(registry.ranges(), ["0"]);
    registry.pull(cache.path()).unwrap();
    assert_eq!(registry.ranges(), ["0"], "a layer that is in the cache is not asked for again");
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let cache = tempfile::tempdir().unwrap();
    let registry = Registry::start(Manner::BreaksOff);
    registry.pull(cache.path()).unwrap();
    assert!(is_there(cache.path()));
    let ranges: Vec<usize> = registry.ranges().iter().map(|range| range.parse().unwrap()).collect();
    assert!(ranges.len() == 3 && ranges[0] == 0 && ranges[1] > 0 && ranges[2] > ranges[1], "{ranges:?}");
}

#[test]
fn without_ranges_it_begins_anew() {
    let cache = tempfile::tempdir().unwrap();
    let registry = Registry::start(Manner::NoRanges);
    registry.pull(cache.path()).unwrap();
    assert!(is_there(cache.path()));
    assert_eq!(registry.ranges().len(), 2);
}

#[test]
fn what_is_not_what_its_digest_says_is_not_unpacked() {
    for manner in [Manner::Lies, Manner::SendsMore] {
        let cache = tempfile::tempdir().unwrap();
        let error = Registry::start(manner).pull(cache.path()).unwrap_err().to_string();
        assert!(error.contains("digest") || error.contains("longer than its manifest"), "{error}");
        assert!(!cache.path().join("tree").exists(), "{error}");
        let kept = fs::read_dir(cache.path().join("images/sha256")).unwrap();
        assert!(kept.map(|entry| entry.unwrap().path()).all(|path| path.extension().is_some()), "{error}");
    }
}

#[test]
fn an_image_that_is_not_there_is_told_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let error = Registry::start(Manner::Refuses).pull(cache.path()).unwrap_err().to_string();
    assert!(error.contains("/test/broker:1") && error.contains("manifest unknown"), "{error}");
    assert!(!cache.path().join("tree").exists());
}
