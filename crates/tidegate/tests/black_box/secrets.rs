//! No byte of a private key leaves the process: not in the log at its loudest, not in any answer
//! of the admin endpoint, not in what `check` prints.

use std::net::SocketAddr;
use std::sync::Arc;

use e2e::peers::tcp_name;
use e2e::{Authority, Identity, Launch, address, manifests as m};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{DEADLINE, tidegate};

/// The lines of the key, and parts of them: a dump in another form would still have some.
fn traces(identity: &Identity) -> Vec<String> {
    let lines = identity.key.lines().filter(|line| !line.starts_with("-----"));
    let body: String = lines.collect();
    // Base64 holds three bytes in four characters; the first 48 are the fixed PKCS#8 head.
    body.as_bytes()[48..]
        .chunks(24)
        .filter(|chunk| chunk.len() == 24)
        .map(|chunk| String::from_utf8_lossy(chunk).into_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_key_leaves_the_process() {
    let backend = SocketAddr::new(address::fresh(), 7000);
    tcp_name(backend, "backend".to_owned()).await;
    let authority = Authority::new("test");
    let [good, spare, wrong] = [(); 3].map(|()| authority.issue(&["db.example.com"]));
    // A key that belongs to another certificate and one cut short reach the error paths.
    let mut mismatch = authority.issue(&["db.example.com"]);
    mismatch.key.clone_from(&spare.key);
    let mut cut = authority.issue(&["x.example"]);
    cut.key = wrong.key.replace("-----END", "-----ENT");
    let manifests = [
        m::gateway(&[
            m::Listener::terminate("good", 2000, "db.example.com", "good"),
            m::Listener::terminate("mismatch", 2001, "db.example.com", "mismatch"),
            m::Listener::terminate("cut", 2002, "db.example.com", "cut"),
        ]),
        m::tls_route("good", "good", "db.example.com", "pg"),
        m::service("pg", "TCP", &[backend]),
        m::secret("good", &good),
        m::secret("mismatch", &mismatch),
        m::secret("cut", &cut),
    ]
    .concat();
    let mut launch = Launch::new(&manifests);
    launch.arguments = ["--log-level".into(), "trace".into()].into();
    let gateway = launch.start();
    gateway.folder.write("broken.yaml", &format!("{}  oops: [", m::secret("broken", &spare)));

    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&authority.client()));
    let stream = tokio::net::TcpStream::connect(gateway.at(2000)).await.expect("it listens");
    let name = "db.example.com".try_into().expect("a DNS name");
    let mut stream = connector.connect(name, stream).await.expect("a session");
    stream.write_all(b"x").await.expect("served");
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"backend");
    drop(stream);
    e2e::eventually("the broken file was read", DEADLINE, || !crate::problems(&gateway).is_empty());

    let mut said = String::new();
    for path in ["/snapshot", "/status", "/metrics"] {
        said += &gateway.get(path).expect("it answers").1;
    }
    for format in ["text", "json", "yaml"] {
        let mut check =
            tidegate().arg("check").arg(gateway.folder.path()).args(["-o", format]).start();
        check.wait(DEADLINE).expect("it ends");
        said += &check.log.text();
    }
    said += &gateway.process.log.text();
    assert!(said.len() > 10_000, "everything was collected");
    let fingerprint = said.contains("fingerprint");
    assert!(fingerprint, "certificates are told by their fingerprints");
    for identity in [&good, &spare, &wrong] {
        for trace in traces(identity) {
            assert!(!said.contains(&trace), "a part of a key was said: {trace}");
        }
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gateway.process.id()));
    let limits = limits.expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "a core file would hold the keys");
}
