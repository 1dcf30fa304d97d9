//! Writes the manifests that some `--listen` stand for. Pure. The text is what `--print` shows
//! and what `run` reads, so that the two cannot differ, and a reader's first manifest is one that
//! worked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::num::NonZeroU16;

use super::{Backend, Host, Protocol, Spec};

/// The manifests, or which two specs contradict each other. `class` names the GatewayClass.
pub(crate) fn write(specs: &[Spec], class: &str) -> Result<String, String> {
    contradictions(specs)?;
    let mut text = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata:
  name: {class}
spec:
  controllerName: {}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: listen
  namespace: default
spec:
  gatewayClassName: {class}
  listeners:
",
        gwapi::CONTROLLER_NAME
    );
    let mut listeners = BTreeSet::new();
    for spec in specs {
        // TLS specs of one port are one listener with several routes.
        if listeners.insert(listener_name(spec)) {
            listener(&mut text, spec);
        }
    }
    let mut routes: BTreeMap<String, usize> = BTreeMap::new();
    for spec in specs {
        let count = routes.entry(listener_name(spec)).or_default();
        *count += 1;
        let name = match spec.protocol {
            Protocol::Tls(_) => format!("{}-{count}", listener_name(spec)),
            Protocol::Tcp | Protocol::Udp => listener_name(spec),
        };
        route(&mut text, spec, &name);
        service(&mut text, spec, &name);
        slices(&mut text, spec, &name);
    }
    Ok(text)
}

fn contradictions(specs: &[Spec]) -> Result<(), String> {
    let clash = |a: &Spec, b: &Spec| {
        let same_transport =
            matches!(a.protocol, Protocol::Udp) == matches!(b.protocol, Protocol::Udp);
        let told_apart = match (&a.protocol, &b.protocol) {
            (Protocol::Tls(a), Protocol::Tls(b)) => a != b,
            _ => false,
        };
        a.port == b.port && same_transport && !told_apart
    };
    for (i, a) in specs.iter().enumerate() {
        if let Some(b) = specs[i + 1..].iter().find(|b| clash(a, b)) {
            let (a, b) = (listener_name(a), listener_name(b));
            return Err(format!(
                "--listen: {a} and {b} cannot share a port; give several backends as a:1,b:2"
            ));
        }
    }
    Ok(())
}

fn listener_name(spec: &Spec) -> String {
    format!("{}-{}", spec.protocol.as_str().to_ascii_lowercase(), spec.port)
}

fn transport(spec: &Spec) -> &'static str {
    match spec.protocol {
        Protocol::Udp => "UDP",
        Protocol::Tcp | Protocol::Tls(_) => "TCP",
    }
}

fn listener(text: &mut String, spec: &Spec) {
    let (name, protocol, port) = (listener_name(spec), spec.protocol.as_str(), spec.port);
    push(
        text,
        format_args!("    - name: {name}\n      protocol: {protocol}\n      port: {port}\n"),
    );
    if let Protocol::Tls(_) = spec.protocol {
        text.push_str("      tls:\n        mode: Passthrough\n");
    }
}

fn route(text: &mut String, spec: &Spec, name: &str) {
    let kind = format!("{}Route", spec.protocol.as_str());
    push(
        text,
        format_args!(
            "---
apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata:
  name: {name}
  namespace: default
spec:
  parentRefs:
    - name: listen
      sectionName: {}
",
            listener_name(spec)
        ),
    );
    if let Protocol::Tls(hostname) = &spec.protocol {
        push(text, format_args!("  hostnames:\n    - \"{hostname}\"\n"));
    }
    push(
        text,
        format_args!(
            "  rules:\n    - backendRefs:\n        - name: {name}\n          port: {}\n",
            spec.port
        ),
    );
}

fn service(text: &mut String, spec: &Spec, name: &str) {
    push(
        text,
        format_args!(
            "---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: default
spec:
  ports:
    - port: {}
      protocol: {}
",
            spec.port,
            transport(spec)
        ),
    );
}

/// A slice holds addresses of one type on one port: one for each pair of the two.
fn slices(text: &mut String, spec: &Spec, name: &str) {
    let mut groups: BTreeMap<(&str, NonZeroU16), Vec<&Host>> = BTreeMap::new();
    for Backend { host, port } in &spec.backends {
        let address_type = match host {
            Host::Ip(IpAddr::V4(_)) => "IPv4",
            Host::Ip(IpAddr::V6(_)) => "IPv6",
            Host::Name(_) => "FQDN",
        };
        groups.entry((address_type, *port)).or_default().push(host);
    }
    for (number, ((address_type, port), hosts)) in groups.into_iter().enumerate() {
        push(
            text,
            format_args!(
                "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-{}
  namespace: default
  labels:
    kubernetes.io/service-name: {name}
addressType: {address_type}
endpoints:
",
                number + 1
            ),
        );
        for host in hosts {
            push(text, format_args!("  - addresses:\n      - \"{host}\"\n"));
        }
        push(text, format_args!("ports:\n  - port: {port}\n    protocol: {}\n", transport(spec)));
    }
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(specs: &[&str]) -> Result<String, String> {
        let specs: Vec<Spec> = specs.iter().map(|spec| spec.parse().expect("a spec")).collect();
        write(&specs, "tidegate")
    }

    #[test]
    fn specs_that_cannot_share_a_port_are_named() {
        let cases: [(&[&str], bool); 6] = [
            (&["tcp:1=a:1", "tcp:1=b:1"], false),
            (&["tcp:1=a:1", "tls:1:x.example=b:1"], false),
            (&["tls:1:x.example=a:1", "tls:1:x.example=b:1"], false),
            (&["tls:1:x.example=a:1", "tls:1:y.example=b:1"], true),
            (&["tcp:1=a:1", "udp:1=b:1"], true),
            (&["tcp:1=a:1", "tcp:2=b:1"], true),
        ];
        for (specs, good) in cases {
            assert_eq!(written(specs).is_ok(), good, "{specs:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_by_the_loader_and_says_the_same() {
        let specs = [
            "tcp:5432=10.0.0.7:5432,10.0.0.8:5433,[2001:db8::1]:5432,db.example.com:5432",
            "udp:53=10.0.0.9:53",
            "tls:443:a.example.com=10.0.0.10:443",
            "tls:443:*.example.com=10.0.0.11:443,10.0.0.12:443",
        ];
        let source = gwapi::manifest::Source {
            path: "--listen".into(),
            text: written(&specs).expect("no contradiction"),
        };
        let manifests = gwapi::manifest::read(&[source]);
        assert_eq!(manifests.errors, []);
        let objects = &manifests.objects;
        let (_, gateway) = objects.gateways.first_key_value().expect("a gateway");
        assert_eq!(gateway.spec.listeners.len(), 3);
        let routes = [objects.tcp_routes.len(), objects.udp_routes.len(), objects.tls_routes.len()];
        assert_eq!(routes, [1, 1, 2]);
        assert_eq!(objects.services.len(), 4);
        let endpoints: Vec<String> = objects
            .endpoint_slices
            .values()
            .flat_map(|slice| {
                let port = slice.ports[0].port.expect("a port");
                let of = |endpoint: &gwapi::core::SliceEndpoint| {
                    format!("{} {port}", endpoint.addresses[0])
                };
                slice.endpoints.iter().map(of).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(
            endpoints,
            [
                "db.example.com 5432",
                "10.0.0.7 5432",
                "10.0.0.8 5433",
                "2001:db8::1 5432",
                "10.0.0.10 443",
                "10.0.0.11 443",
                "10.0.0.12 443",
                "10.0.0.9 53",
            ]
        );
    }
}
