//! Traffic through a folder and through `--listen`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use e2e::peers::{tcp_echo, tcp_name, udp_witness};
use e2e::{Authority, Gateway, Launch, Process, address, eventually, manifests as m};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{DEADLINE, ask, exchange, raw, tidegate};

/// A TLS backend that answers with its name.
async fn tls_name(at: SocketAddr, authority: &Authority, name: &'static str) {
    let acceptor = tokio_rustls::TlsAcceptor::from(authority.issue(&[name]).server());
    let listener = e2e::peers::listen(at);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _closed = stream.write_all(name.as_bytes()).await;
                let _closed = stream.shutdown().await;
            });
        }
    });
}

async fn tls_answer(to: SocketAddr, authority: &Authority, name: &'static str) -> String {
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&authority.client()));
    let stream = tokio::net::TcpStream::connect(to).await.expect("it listens");
    let name = name.try_into().expect("a DNS name");
    let mut stream = connector.connect(name, stream).await.expect("a session");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_tcp_udp_and_tls_passthrough() {
    let backends = address::fresh();
    let [tcp, udp, tls] = [7000, 7001, 7002].map(|port| SocketAddr::new(backends, port));
    let authority = Authority::new("test");
    tcp_echo(tcp).await;
    udp_witness(udp, Duration::ZERO).await;
    tls_name(tls, &authority, "db.example.com").await;
    let gateway = Gateway::start(
        &[
            m::gateway(&[
                m::Listener::tcp("tcp", 2000),
                m::Listener::udp("udp", 2000),
                m::Listener::passthrough("tls", 2001, "*.example.com"),
            ]),
            m::tcp_route("tcp", "tcp", "tcp"),
            m::udp_route("udp", "udp", "udp"),
            m::tls_route("tls", "tls", "db.example.com", "tls"),
            m::service("tcp", "TCP", &[tcp]),
            m::service("udp", "UDP", &[udp]),
            m::service("tls", "TCP", &[tls]),
        ]
        .concat(),
    );
    for message in ["one", "two"] {
        let answer = exchange(gateway.at(2000), message.as_bytes()).expect("it is served");
        assert_eq!(answer, message.as_bytes());
    }
    assert_eq!(ask(gateway.at(2000), b"hello")[2..], *b"hello");
    assert_eq!(tls_answer(gateway.at(2001), &authority, "db.example.com").await, "db.example.com");

    let text =
        raw(gateway.admin, "GET /status HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n");
    assert!(text.contains("✔ tcp TCP :2000"), "{text}");
    assert!(text.contains("TCPRoute default/tcp → default/tcp:1000 (1 endpoint)"), "{text}");
    let log = gateway.process.log.text();
    for socket in ["tcp/", "udp/"] {
        assert!(log.contains(&format!("{socket}{}:2000", gateway.address)), "{log}");
    }
    assert!(log.contains(&format!("http://{}/status", gateway.admin)), "{log}");
    let mut gateway = gateway;
    for (transport, count) in [("tcp", 3), ("udp", 0)] {
        eventually("the access lines are there", DEADLINE, || {
            let lines = gateway.access_lines();
            lines.iter().filter(|it| it.text("network.transport") == Some(transport)).count()
                == count
        });
    }
    end_at_once(&mut gateway.process);
    let line = gateway.access_line(|line| line.text("message") == Some("flow closed"));
    line.expect(&[("network.transport", "udp"), ("tidegate.route.name", "UDPRoute/default/udp")]);
}

/// A flow lives for a minute after its last datagram; two signals do not wait for that.
fn end_at_once(process: &mut Process) {
    process.signal(Signal::TERM);
    assert_eq!(process.wait(Duration::from_millis(200)), None, "the flow is waited for");
    process.signal(Signal::TERM);
    assert_eq!(process.wait(DEADLINE).expect("it ends").code(), Some(3));
}

/// Starts `run` with these arguments and waits until it is ready.
fn run(admin: SocketAddr, arguments: &[String]) -> Process {
    let mut process = tidegate()
        .arg("run")
        .args(["--admin".to_owned(), admin.to_string(), "--address".to_owned()])
        .arg(admin.ip().to_string())
        .args(arguments)
        .start();
    process.until(DEADLINE, || is_ready(admin));
    process
}

fn is_ready(admin: SocketAddr) -> bool {
    std::net::TcpStream::connect(admin).is_ok()
        && raw(admin, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").contains(" 200 ")
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_forwards_without_a_manifest_and_prints_what_it_means() {
    let backends = address::fresh();
    let [tcp, udp] = [7000, 7001].map(|port| SocketAddr::new(backends, port));
    let name = SocketAddr::new(address::fresh(), 7002);
    tcp_name(tcp, "by address".to_owned()).await;
    udp_witness(udp, Duration::ZERO).await;
    // `localhost` is the one name that resolves on every machine; its port has to be free there.
    let local = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let local_port = local.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = local.accept().await {
            let _closed = stream.write_all(b"by name").await;
        }
    });
    let specs = [
        format!("tcp:2000={tcp}"),
        format!("udp:2000={udp}"),
        format!("tcp:2001=localhost:{local_port}"),
        format!("tls:2002:db.example.com={name}"),
    ];
    let arguments: Vec<String> =
        specs.iter().flat_map(|spec| ["--listen".to_owned(), spec.clone()]).collect();

    let mut printing = tidegate().arg("run").args(arguments.clone()).arg("--print").start();
    let status = printing.wait(DEADLINE).expect("it only prints");
    assert!(status.success());
    let manifests = m::Folder::default();
    manifests.write("listen.yaml", &printing.log.text());
    let folder = ["--config".to_owned(), manifests.path().display().to_string()];

    for arguments in [arguments, folder.to_vec()] {
        let admin = SocketAddr::new(address::fresh(), 19000);
        let at = |port| SocketAddr::new(admin.ip(), port);
        let mut process = run(admin, &arguments);
        assert_eq!(exchange(at(2000), b"x").expect("served"), b"by address");
        assert_eq!(ask(at(2000), b"hello")[2..], *b"hello");
        eventually("the name is resolved and served", DEADLINE, || {
            exchange(at(2001), b"").is_ok_and(|answer| answer == b"by name")
        });
        end_at_once(&mut process);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listen_beside_a_folder_serves_both() {
    let backend = SocketAddr::new(address::fresh(), 7000);
    tcp_name(backend, "backend".to_owned()).await;
    let manifests = [
        m::gateway(&[m::Listener::tcp("a", 2000)]),
        m::tcp_route("a", "a", "a"),
        m::service("a", "TCP", &[backend]),
    ];
    let mut launch = Launch::new(&manifests.concat());
    launch.arguments = ["--listen".into(), format!("tcp:2001={backend}").into()].into();
    let gateway = launch.start();
    for port in [2000, 2001] {
        assert_eq!(exchange(gateway.at(port), b"x").expect("served"), b"backend");
    }
    assert_eq!(gateway.status()["summary"]["errors"], 0);
    gateway.finish();
}
