//! Signals and exit codes.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::peers::{Held, tcp_echo};
use e2e::{Gateway, Launch, address, eventually, manifests as m};
use rustix::process::Signal;

use crate::{DEADLINE, tidegate};

async fn start(arguments: &[&str]) -> Gateway {
    let backend = SocketAddr::new(address::fresh(), 7000);
    tcp_echo(backend).await;
    let mut launch = Launch::new(
        &[
            m::gateway(&[m::Listener::tcp("pg", 2000)]),
            m::tcp_route("pg", "pg", "pg"),
            m::service("pg", "TCP", &[backend]),
        ]
        .concat(),
    );
    launch.arguments = arguments.iter().map(Into::into).collect();
    launch.start()
}

fn is_ready(gateway: &Gateway) -> bool {
    gateway.get("/readyz").is_ok_and(|(code, _)| code == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_may_end_by_itself() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut gateway = start(&[]).await;
        let mut held = Held::open(gateway.at(2000)).await.expect("served");
        gateway.process.signal(signal);
        eventually("readiness fails", DEADLINE, || !is_ready(&gateway));
        eventually("nothing new is accepted", DEADLINE, || {
            std::net::TcpStream::connect(gateway.at(2000)).is_err()
        });
        held.ping(1).await.expect("what is open is served on");
        assert!(gateway.process.is_running());
        assert_eq!(gateway.get("/livez").expect("it answers").0, 200);
        drop(held);
        let status = gateway.process.wait(DEADLINE).expect("it ends with the last connection");
        assert_eq!(status.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_connections_are_accepted_during_the_delay() {
    let mut gateway = start(&["--pre-stop-delay", "2s"]).await;
    gateway.process.signal(Signal::TERM);
    eventually("readiness fails", DEADLINE, || !is_ready(&gateway));
    let held = Held::open(gateway.at(2000)).await.expect("still accepted");
    eventually("the delay ends", DEADLINE, || {
        std::net::TcpStream::connect(gateway.at(2000)).is_err()
    });
    drop(held);
    assert_eq!(gateway.process.wait(DEADLINE).expect("it ends").code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_at_the_deadline_is_cut() {
    let mut gateway = start(&["--drain-timeout", "300ms"]).await;
    let mut held = Held::open(gateway.at(2000)).await.expect("served");
    gateway.process.signal(Signal::TERM);
    let status = gateway.process.wait(DEADLINE).expect("it does not wait for ever");
    assert_eq!(status.code(), Some(3));
    assert!(held.ping(1).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let mut gateway = start(&[]).await;
    let mut held = Held::open(gateway.at(2000)).await.expect("served");
    gateway.process.signal(Signal::TERM);
    eventually("readiness fails", DEADLINE, || !is_ready(&gateway));
    tokio::time::sleep(Duration::from_millis(200)).await; // sooner it is the same request
    assert!(gateway.process.is_running());
    gateway.process.signal(Signal::TERM);
    let status = gateway.process.wait(DEADLINE).expect("it ends at once");
    assert_eq!(status.code(), Some(3));
    assert!(held.ping(1).await.is_err());
}

#[test]
fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("bound").to_string();
    let spec = "tcp:2000=127.0.0.1:1";
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--config", "/nowhere/at/all", "--admin", "127.0.0.1:0"], 1, "/nowhere/at/all"),
        (&["--config", &path, "--admin", &taken], 1, &taken),
        (&[], 2, "--config"),
        (&["--config", &path, "--log-level", "a=b=c"], 2, "--log-level"),
        (&["--listen", "tcp:x=a:1"], 2, "`x` is not a port number"),
        (&["--listen", spec, "--listen", spec], 2, "cannot share a port"),
        (&["--config", &path, "--drain-timeout", "5"], 2, "`5` is not a time"),
    ];
    for (arguments, code, words) in cases {
        let mut process = tidegate().arg("run").args(arguments.iter().copied()).start();
        let status = process.wait(DEADLINE).expect("it does not start");
        let text = process.log.text();
        assert_eq!(status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
}
