//! MariaDB, whose server speaks first, through a TCPRoute.

use e2e::servers::DEADLINE;
use e2e::servers::mariadb::{MariaDb, PASSWORD, USER};
use e2e::{Gateway, Program, manifests as m, output};

#[test]
fn mariadb_whose_server_speaks_first() {
    let mariadb = MariaDb::start();
    let gateway = Gateway::start(
        &[
            m::gateway(&[m::Listener::tcp("sql", 3306)]),
            m::tcp_route("sql", "sql", "sql"),
            m::service("sql", "TCP", &[mariadb.address]),
        ]
        .concat(),
    );

    let client = |query: &str| {
        let program = Program::new("mariadb")
            .args(["--no-defaults", "--protocol=tcp", "--port=3306", "-Ne", query])
            .args([format!("--host={}", gateway.address), format!("--user={USER}")])
            .arg(format!("--password={PASSWORD}"))
            .arg("harbour");
        output(&program, DEADLINE)
    };
    client("CREATE TABLE ships (name VARCHAR(40)); INSERT INTO ships VALUES ('Ebb'), ('Flow')");
    assert_eq!(client("SELECT GROUP_CONCAT(name ORDER BY name) FROM ships"), "Ebb,Flow\n");
    assert_eq!(client("SELECT LENGTH(REPEAT('x', 8000000))"), "8000000\n");
    let wide = client("SELECT REPEAT('x', 8000000)");
    assert_eq!(wide.len(), 8_000_001);

    gateway
        .access_line(|line| line.number("tidegate.connection.sent_bytes") > Some(8e6))
        .expect(&[("tidegate.route.name", "TCPRoute/default/sql")]);
    gateway.finish();
}
