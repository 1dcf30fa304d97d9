//! Two Redis servers with TLS behind one port, told apart by the server name: TLSRoutes on
//! passthrough listeners, no key at the gateway.

use e2e::servers::{DEADLINE, redis::Redis};
use e2e::{Authority, Gateway, Program, manifests as m, output};

#[test]
fn two_redis_servers_behind_one_port() {
    let authority = Authority::new("Test authority");
    let names = ["sessions.example.com", "cache.example.com"];
    let servers = names.map(|name| Redis::start(&authority.issue(&[name])));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("ca.pem");
    std::fs::write(&root, &authority.pem).expect("written");
    let gateway = Gateway::start(
        &[
            m::gateway(&[m::Listener::passthrough("redis", 6380, "*.example.com")]),
            m::tls_route("sessions", "redis", names[0], "sessions"),
            m::tls_route("cache", "redis", names[1], "cache"),
            m::service("sessions", "TCP", &[servers[0].address]),
            m::service("cache", "TCP", &[servers[1].address]),
        ]
        .concat(),
    );

    let redis = |name: &str, command: &[&str]| {
        let program = Program::new("redis-cli")
            .args(["--tls", "--sni", name, "-p", "6380", "-h"])
            .arg(gateway.address.to_string())
            .arg("--cacert")
            .arg(&root)
            .args(command.to_vec());
        output(&program, DEADLINE)
    };
    for name in names {
        assert_eq!(redis(name, &["SET", "who", name]), "OK\n");
    }
    for name in names {
        assert_eq!(redis(name, &["GET", "who"]), format!("{name}\n"));
        assert_eq!(redis(name, &["DBSIZE"]), "1\n", "the other's key is not here");
    }

    for (name, server) in names.iter().zip(&servers) {
        let address = server.address.ip().to_string();
        gateway.access_line(|line| line.text("server.address") == Some(name)).expect(&[
            ("tidegate.tls.mode", "passthrough"),
            ("tidegate.backend.address", &address),
        ]);
    }
    gateway.until_metric("tidegate_connections_opened_total", &[("protocol", "TLS")], |n| n == 6.0);
    gateway.finish();
}
