//! A DNS server by `kdig`, over UDP and TCP on one port number.

use e2e::servers::{DEADLINE, knot::Knot};
use e2e::{Gateway, Program, manifests as m, output};

#[test]
fn dns_over_udp_and_tcp_on_one_port() {
    let knot = Knot::start();
    let gateway = Gateway::start(
        &[
            m::gateway(&[m::Listener::udp("dns-udp", 5353), m::Listener::tcp("dns-tcp", 5353)]),
            m::udp_route("dns", "dns-udp", "dns-udp"),
            m::tcp_route("dns", "dns-tcp", "dns-tcp"),
            m::service("dns-udp", "UDP", &[knot.address]),
            m::service("dns-tcp", "TCP", &[knot.address]),
        ]
        .concat(),
    );

    let kdig = |arguments: &[&str]| {
        let program = Program::new("kdig")
            .arg(format!("@{}", gateway.address))
            .args(["-p", "5353", "+retry=0", "+timeout=5"])
            .args(arguments.to_vec());
        output(&program, DEADLINE)
    };
    assert_eq!(kdig(&["+short", "www.harbour.example"]), "192.0.2.7\n");
    assert_eq!(kdig(&["+tcp", "+short", "www.harbour.example"]), "192.0.2.7\n");
    // Too long for the datagram: the client asks again over TCP, through the other listener.
    let long = kdig(&["+noedns", "+short", "TXT", "long.harbour.example"]);
    assert_eq!(long.lines().filter(|line| line.contains("of many")).count(), 40, "{long}");

    let udp = [("listener", "dns-udp")];
    gateway.until_metric("tidegate_udp_flows_opened_total", &udp, |count| count == 2.0);
    gateway.until_metric("tidegate_udp_datagrams_sent_total", &udp, |count| count == 2.0);
    let tcp = [("listener", "dns-tcp")];
    gateway.until_metric("tidegate_connections_opened_total", &tcp, |count| count == 2.0);
    let lines = gateway.finish();
    let flows: Vec<_> =
        lines.iter().filter(|line| line.text("message") == Some("flow closed")).collect();
    assert_eq!(flows.len(), 2, "one access line per flow");
    for flow in flows {
        flow.expect(&[
            ("network.transport", "udp"),
            ("tidegate.route.name", "UDPRoute/default/dns"),
        ]);
        assert_eq!(flow.number("tidegate.udp.received_datagrams"), Some(1.0));
        assert_eq!(flow.number("tidegate.udp.sent_datagrams"), Some(1.0));
    }
}
