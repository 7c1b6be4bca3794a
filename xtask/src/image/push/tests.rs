//! A registry that takes what the distribution API says, and only from whom it knows.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::*;
use crate::image::oci::digest;

/// What was sent, by path.
type Store = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Listens until the test ends; a connection is one request.
fn registry() -> (String, Store) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (host, store) = (listener.local_addr().unwrap().to_string(), Store::default());
    let shared = Arc::clone(&store);
    std::thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap(), &shared)));
    (host, store)
}

fn answer(stream: TcpStream, store: &Store) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length, mut is_known) = (String::new(), 0, false);
    reader.read_line(&mut head).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        // me:tiger
        is_known |= line == "authorization: basic bwu6dglnzxi=";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let words: Vec<&str> = head.split(' ').collect();
    let answer = if is_known {
        take(words[0], words[1], body, store)
    } else {
        "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"king\""
    };
    write!(reader.into_inner(), "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
}

fn take(method: &str, path: &str, body: Vec<u8>, store: &Store) -> &'static str {
    let mut store = store.lock().unwrap();
    match method {
        "HEAD" if store.contains_key(path) => "200 OK",
        "HEAD" => "404 Not Found",
        "POST" => "202 Accepted\r\nLocation: /v2/king/blobs/uploads/1?state=a",
        _ => {
            let name = path
                .split_once("digest=")
                .map_or(path.to_owned(), |(_, digest)| format!("/v2/king/blobs/{digest}"));
            store.insert(name, body);
            "201 Created"
        }
    }
}

#[test]
fn an_image_is_sent_to_a_registry_that_knows_us() {
    let (host, store) = registry();
    let archive = crate::image::tests::image([0, 1]);
    let target = Target { host: host.clone(), path: "king".to_owned(), tag: None };
    for _ in 0..2 {
        let me = Some(Credentials::new("me", "tiger"));
        assert_eq!(send_to(&archive, &target, me).unwrap(), format!("{host}/king"));
    }
    let store = store.lock().unwrap();
    assert_eq!(store["/v2/king/manifests/1.2.3"], archive.manifest);
    assert_eq!(store.len(), 1 + archive.blobs().count());
    for (name, blob) in archive.blobs() {
        assert_eq!(digest(&store[&format!("/v2/king/blobs/{name}")]), digest(blob));
    }
}

#[test]
fn a_registry_that_does_not_know_us_is_named() {
    let (host, _) = registry();
    let target = Target { host: host.clone(), path: "king".to_owned(), tag: None };
    let archive = crate::image::tests::image([0, 1]);
    let stranger = send_to(&archive, &target, None).unwrap_err();
    assert!(format!("{stranger:#}").contains("docker login"), "{stranger:#}");
    let wrong = send_to(&archive, &target, Some(Credentials::new("me", "lion"))).unwrap_err();
    let wrong = format!("{wrong:#}");
    assert!(wrong.contains(&host) && wrong.contains("401") && !wrong.contains("lion"), "{wrong}");
}

#[test]
fn a_target_is_a_host_and_a_path() {
    let target = Target::parse("localhost:5000/king/image:1").unwrap();
    assert_eq!((target.path.as_str(), target.tag.as_deref()), ("king/image", Some("1")));
    assert_eq!(target.origin(), "http://localhost:5000");
    let target = Target::parse("europe-docker.pkg.dev/p/r/king").unwrap();
    assert_eq!((target.tag.clone(), target.origin().as_str()), (None, "https://europe-docker.pkg.dev"));
    for wrong in
        ["king-of-scaling", "king/of-scaling", "registry.example.com/", "registry.example.com/a@sha256:0"]
    {
        assert!(Target::parse(wrong).is_err(), "{wrong}");
    }
}
