//! iperf3 through a TCPRoute in either direction, and its datagrams through a UDPRoute on the same
//! port number: the control connection is TCP, the load UDP.

use e2e::servers::{DEADLINE, iperf::Iperf};
use e2e::{Gateway, Program, manifests as m, output};
use serde_json::Value;

/// What has to arrive in two seconds at the least.
const LEAST: u64 = 64 << 20;

#[test]
fn iperf3_in_both_directions() {
    let iperf = Iperf::start();
    let gateway = Gateway::start(
        &[
            m::gateway(&[m::Listener::tcp("tcp", 5201), m::Listener::udp("udp", 5201)]),
            m::tcp_route("load", "tcp", "tcp"),
            m::udp_route("load", "udp", "udp"),
            m::service("tcp", "TCP", &[iperf.address]),
            m::service("udp", "UDP", &[iperf.address]),
        ]
        .concat(),
    );

    let client = |arguments: &[&str]| {
        let program = Program::new("iperf3")
            .args(["--json", "--client"])
            .arg(gateway.address.to_string())
            .args(["--port", "5201", "--connect-timeout", "5000"])
            .args(arguments.to_vec());
        let text = output(&program, DEADLINE);
        let report: Value = serde_json::from_str(&text).expect("iperf3 writes JSON");
        report["end"].clone()
    };
    for direction in [&["-t", "2"][..], &["-t", "2", "-R"]] {
        let end = client(direction);
        let received = end["sum_received"]["bytes"].as_u64();
        assert!(received >= Some(LEAST), "{direction:?}: {end}");
        let rate = end["sum_received"]["bits_per_second"].as_f64().unwrap_or_default();
        e2e::report(&format!("iperf3 {direction:?}: {:.1} Gbit/s", rate / 1e9));
    }
    let datagrams = ["-u", "-b", "20M", "-l", "1200", "-t", "2"];
    for direction in [&datagrams[..], &[&datagrams[..], &["-R"]].concat()] {
        let sum = client(direction)["sum"].clone();
        let (lost, all) = (sum["lost_packets"].as_f64(), sum["packets"].as_f64());
        assert!(all > Some(1000.0), "{direction:?}: {sum}");
        assert!(lost <= all.map(|all| all / 100.0), "{direction:?}: {sum}");
    }

    for bytes in ["tidegate.connection.received_bytes", "tidegate.connection.sent_bytes"] {
        gateway
            .access_line(|line| line.number(bytes) >= Some(LEAST as f64))
            .expect(&[("tidegate.route.name", "TCPRoute/default/load")]);
    }
    gateway.finish();
}
