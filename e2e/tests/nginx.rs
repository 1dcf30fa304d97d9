//! nginx by `curl`, through passthrough and through termination on one port.

use e2e::servers::{DEADLINE, nginx::Nginx};
use e2e::{Authority, Gateway, Program, manifests as m, output};

#[test]
fn passthrough_and_termination_on_one_port() {
    let [backend, edge] = ["Backend authority", "Edge authority"].map(Authority::new);
    let nginx = Nginx::start(&backend.issue(&["through.example.com"]));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = |name: &str, authority: &Authority| {
        let path = folder.path().join(name);
        std::fs::write(&path, &authority.pem).expect("written");
        path
    };
    let (backend_root, edge_root) = (root("backend.pem", &backend), root("edge.pem", &edge));
    let identity = edge.issue(&["*.example.com"]);
    let gateway = Gateway::start(
        &[
            m::gateway(&[
                m::Listener::passthrough("through", 8443, "through.example.com"),
                m::Listener::terminate("ended", 8443, "*.example.com", "edge"),
            ]),
            m::secret("edge", &identity),
            m::tls_route("through", "through", "through.example.com", "encrypted"),
            m::tls_route("ended", "ended", "ended.example.com", "plain"),
            m::service("encrypted", "TCP", &[nginx.tls]),
            m::service("plain", "TCP", &[nginx.plain]),
        ]
        .concat(),
    );

    let curl = |name: &str, root: &std::path::Path| {
        Program::new("curl")
            .args(["--silent", "--show-error", "--fail", "--max-time", "20", "--cacert"])
            .arg(root)
            .args(["--connect-to".to_owned(), format!("{name}::{}:", gateway.address)])
            .arg(format!("https://{name}:8443/"))
    };
    let through = curl("through.example.com", &backend_root);
    assert_eq!(output(&through, DEADLINE), "encrypted through.example.com\n");
    let ended = curl("ended.example.com", &edge_root);
    assert_eq!(output(&ended, DEADLINE), "plain ended.example.com\n");

    // A name of the listener that ends TLS, but of no route: closed before a handshake.
    let mut lost = curl("lost.example.com", &edge_root).start();
    let status = lost.wait(DEADLINE).expect("curl ends");
    assert!(!status.success(), "a name without route was served");

    gateway.access_line(|line| line.text("tidegate.listener.name") == Some("through")).expect(&[
        ("server.address", "through.example.com"),
        ("tidegate.tls.mode", "passthrough"),
        ("tidegate.route.name", "TLSRoute/default/through"),
    ]);
    gateway.access_line(|line| line.text("tidegate.listener.name") == Some("ended")).expect(&[
        ("server.address", "ended.example.com"),
        ("tidegate.tls.mode", "terminate"),
        ("tidegate.tls.secret", "default/edge"),
        ("tls.protocol.version", "1.3"),
    ]);
    let labels = [("listener", "ended"), ("side", "client"), ("result", "ok")];
    gateway.until_metric("tidegate_tls_handshakes_total", &labels, |count| count == 1.0);
    let reason = [("reason", "sni_unmatched")];
    gateway.until_metric("tidegate_connections_refused_total", &reason, |count| count == 1.0);

    // The key is in no log, and in nothing that the admin endpoint tells.
    let told = ["/snapshot", "/status", "/metrics"].map(|path| gateway.get(path).expect("told").1);
    let all = format!("{}{}", told.concat(), gateway.process.log.text());
    assert!(all.contains("default/edge"), "it is told which certificate is shown");
    for line in identity.key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!all.contains(line), "a piece of the private key is told");
    }
    gateway.finish();
}
