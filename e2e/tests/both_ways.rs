//! 64 MiB in both directions at once arrive intact through TCP, TLS passed through, TLS ended here,
//! and TLS ended here and begun anew towards the backend.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use e2e::peers::{listen, pattern};
use e2e::{Authority, Gateway, address, manifests as m};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const LENGTH: u64 = 64 << 20;
const DEADLINE: Duration = Duration::from_secs(120);
/// What the client sends, and what the backend sends.
const SEEDS: (u64, u64) = (1, 2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_both_ways_intact() {
    let [backend, edge] = ["Backend authority", "Edge authority"].map(Authority::new);
    let plain = SocketAddr::new(address::fresh(), 7000);
    let encrypted = SocketAddr::new(address::fresh(), 7443);
    let (report, reports) = mpsc::channel();
    serve(plain, None, report.clone());
    let names = ["through.example.com", "again.example.com"];
    serve(encrypted, Some(TlsAcceptor::from(backend.issue(&names).server())), report);

    let gateway = Gateway::start(
        &[
            m::gateway(&[
                m::Listener::tcp("tcp", 7000),
                m::Listener::passthrough("through", 7443, "through.example.com"),
                m::Listener::terminate("ended", 7443, "*.example.com", "edge"),
            ]),
            m::secret("edge", &edge.issue(&["*.example.com"])),
            m::tcp_route("tcp", "tcp", "plain"),
            m::tls_route("through", "through", "through.example.com", "encrypted"),
            m::tls_route("ended", "ended", "ended.example.com", "plain"),
            m::tls_route("again", "ended", "again.example.com", "again"),
            m::service("plain", "TCP", &[plain]),
            m::service("encrypted", "TCP", &[encrypted]),
            m::service("again", "TCP", &[encrypted]),
            m::backend_tls("again", "again.example.com", &backend.pem),
        ]
        .concat(),
    );

    let cases = [
        ("TCP", 7000, None),
        ("passthrough", 7443, Some((&backend, "through.example.com"))),
        ("terminate", 7443, Some((&edge, "ended.example.com"))),
        ("re-encrypt", 7443, Some((&edge, "again.example.com"))),
    ];
    for (case, port, tls) in cases {
        let begun = Instant::now();
        let stream = TcpStream::connect(gateway.at(port)).await.expect("it accepts");
        let exchanged = timeout(DEADLINE, async {
            match tls {
                None => pattern::exchange(stream, SEEDS.0, SEEDS.1, LENGTH).await,
                Some((authority, name)) => {
                    let name = ServerName::try_from(name).expect("a name");
                    let tls = TlsConnector::from(authority.client());
                    let stream = tls.connect(name, stream).await?;
                    pattern::exchange(stream, SEEDS.0, SEEDS.1, LENGTH).await
                }
            }
        });
        let result = exchanged.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        result.unwrap_or_else(|error| panic!("{case}, to the client: {error}"));
        let result = reports.recv_timeout(DEADLINE).expect("the backend ends too");
        result.unwrap_or_else(|error| panic!("{case}, to the backend: {error}"));
        let seconds = begun.elapsed().as_secs_f64();
        e2e::report(&format!("both-ways {case}: 2 x 64 MiB intact in {seconds:.2} s"));
    }

    let lines = gateway.finish();
    assert_eq!(lines.len(), cases.len());
    for line in &lines {
        let through = line.text("tidegate.tls.mode") == Some("passthrough");
        for bytes in ["tidegate.connection.received_bytes", "tidegate.connection.sent_bytes"] {
            let count = line.number(bytes).unwrap_or_default() as u64;
            // Passed through, the bytes are those of TLS records; else exactly the payload.
            assert!(count == LENGTH || through && count > LENGTH, "{bytes}: {line:?}");
        }
    }
}

/// A backend that sends and receives at once, and reports whether what it got was intact.
fn serve(address: SocketAddr, tls: Option<TlsAcceptor>, report: mpsc::Sender<io::Result<()>>) {
    let listener = listen(address);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, report) = (tls.clone(), report.clone());
            tokio::spawn(async move {
                let (theirs, ours) = SEEDS;
                let result = match tls {
                    None => pattern::exchange(stream, ours, theirs, LENGTH).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => pattern::exchange(stream, ours, theirs, LENGTH).await,
                        Err(error) => Err(error),
                    },
                };
                report.send(result).expect("the test waits for it");
            });
        }
    });
}
