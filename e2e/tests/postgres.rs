//! PostgreSQL, TLS from `psql` to the server (`sslmode=verify-full`), through a TCPRoute: the
//! gateway sees bytes only, and the server's own certificate is what the client checks.

use e2e::servers::{DEADLINE, postgres::Postgres};
use e2e::{Authority, Gateway, Program, manifests as m, output};

#[test]
fn postgres_tls_end_to_end_through_a_tcp_route() {
    let authority = Authority::new("Test authority");
    let postgres = Postgres::start(&authority.issue(&["db.example.com"]));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("ca.pem");
    std::fs::write(&root, &authority.pem).expect("written");
    let gateway = Gateway::start(
        &[
            m::gateway(&[m::Listener::tcp("pg", 5432)]),
            m::tcp_route("pg", "pg", "pg"),
            m::service("pg", "TCP", &[postgres.address]),
        ]
        .concat(),
    );

    let psql = |query: &str| {
        let to = format!(
            "host=db.example.com hostaddr={} port=5432 user=postgres dbname=postgres \
             sslmode=verify-full sslrootcert={}",
            gateway.address,
            root.display()
        );
        output(&Program::new("psql").arg(to).args(["-XAtc", query]), DEADLINE)
    };
    psql("CREATE TABLE tides (at int, height float)");
    psql("INSERT INTO tides SELECT n, sin(n) FROM generate_series(1, 100000) n");
    assert_eq!(psql("SELECT count(*) FROM tides"), "100000\n");
    assert_eq!(psql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "t\n");
    let dump = psql("SELECT * FROM tides");
    assert_eq!(dump.lines().count(), 100_000);

    let address = postgres.address.ip().to_string();
    let large = |line: &e2e::AccessLine| {
        line.number("tidegate.connection.sent_bytes") > Some(dump.len() as f64)
    };
    gateway.access_line(large).expect(&[
        ("network.transport", "tcp"),
        ("tidegate.gateway.name", "default/edge"),
        ("tidegate.listener.name", "pg"),
        ("tidegate.route.name", "TCPRoute/default/pg"),
        ("tidegate.backend.name", "default/pg:1000"),
        ("tidegate.backend.address", &address),
    ]);
    let labels = [("listener", "pg"), ("route_kind", "TCPRoute"), ("route", "pg")];
    gateway.until_metric("tidegate_connections_opened_total", &labels, |count| count == 5.0);
    assert_eq!(gateway.finish().len(), 5);
}
