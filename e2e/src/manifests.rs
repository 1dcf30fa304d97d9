//! Manifests as text, the way a person would write them. Everything lives in namespace
//! [`NAMESPACE`] and belongs to one Gateway called [`GATEWAY`].

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use crate::Identity;

/// The namespace of everything.
pub const NAMESPACE: &str = "default";
/// The name of the Gateway.
pub const GATEWAY: &str = "edge";

/// A folder of manifests that a gateway follows.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
}

impl Folder {
    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes or replaces a file in one step, as a careful editor does.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        let temporary = self.path().join(format!(".{name}.new"));
        fs::write(&temporary, text).expect("written");
        fs::rename(&temporary, self.path().join(name)).expect("renamed");
    }

    /// Removes a file.
    ///
    /// # Panics
    /// When there is none.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path().join(name)).expect("removed");
    }
}

/// A listener of the Gateway.
#[derive(Clone, Debug)]
pub struct Listener {
    name: String,
    protocol: &'static str,
    port: u16,
    hostname: Option<String>,
    tls: Option<String>,
}

impl Listener {
    /// Plain TCP.
    pub fn tcp(name: &str, port: u16) -> Self {
        Self { name: name.to_owned(), protocol: "TCP", port, hostname: None, tls: None }
    }

    /// UDP.
    pub fn udp(name: &str, port: u16) -> Self {
        Self { protocol: "UDP", ..Self::tcp(name, port) }
    }

    /// TLS that is passed through.
    pub fn passthrough(name: &str, port: u16, hostname: &str) -> Self {
        Self {
            protocol: "TLS",
            hostname: Some(hostname.to_owned()),
            tls: Some("{mode: Passthrough}".to_owned()),
            ..Self::tcp(name, port)
        }
    }

    /// TLS that ends at the gateway, with the certificate of a Secret.
    pub fn terminate(name: &str, port: u16, hostname: &str, secret: &str) -> Self {
        Self {
            tls: Some(format!("{{mode: Terminate, certificateRefs: [{{name: {secret}}}]}}")),
            ..Self::passthrough(name, port, hostname)
        }
    }
}

/// GatewayClass and Gateway.
pub fn gateway(listeners: &[Listener]) -> String {
    let mut text = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\n\
         metadata: {{name: tidegate}}\n\
         spec: {{controllerName: tidegate.dev/gateway-controller}}\n---\n\
         apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{name: {GATEWAY}, namespace: {NAMESPACE}}}\n\
         spec:\n  gatewayClassName: tidegate\n  listeners:\n"
    );
    for Listener { name, protocol, port, hostname, tls } in listeners {
        let _infallible =
            writeln!(text, "  - name: {name}\n    protocol: {protocol}\n    port: {port}");
        if let Some(hostname) = hostname {
            let _infallible = writeln!(text, "    hostname: \"{hostname}\"");
        }
        if let Some(tls) = tls {
            let _infallible = writeln!(text, "    tls: {tls}");
        }
    }
    text
}

/// A TCPRoute from a listener to a Service of [`service`].
pub fn tcp_route(name: &str, listener: &str, service: &str) -> String {
    route("TCPRoute", name, listener, None, service)
}

/// A UDPRoute from a listener to a Service of [`service`].
pub fn udp_route(name: &str, listener: &str, service: &str) -> String {
    route("UDPRoute", name, listener, None, service)
}

/// A TLSRoute from a listener to a Service of [`service`].
pub fn tls_route(name: &str, listener: &str, hostname: &str, service: &str) -> String {
    route("TLSRoute", name, listener, Some(hostname), service)
}

fn route(kind: &str, name: &str, listener: &str, hostname: Option<&str>, service: &str) -> String {
    let hostnames = hostname.map_or(String::new(), |name| format!("  hostnames: [\"{name}\"]\n"));
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\n\
         metadata: {{name: {name}, namespace: {NAMESPACE}}}\nspec:\n\
         \x20 parentRefs: [{{name: {GATEWAY}, sectionName: {listener}}}]\n{hostnames}\
         \x20 rules: [{{backendRefs: [{{name: {service}, port: {SERVICE_PORT}}}]}}]\n"
    )
}

/// The port that every Service has, whatever its endpoints listen on.
const SERVICE_PORT: u16 = 1000;

/// A Service with its endpoints, for `TCP` or `UDP`.
pub fn service(name: &str, protocol: &str, endpoints: &[SocketAddr]) -> String {
    let mut text = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\n\
         spec: {{ports: [{{name: p, protocol: {protocol}, port: {SERVICE_PORT}}}]}}\n"
    );
    for (number, endpoint) in endpoints.iter().enumerate() {
        let family = if endpoint.is_ipv4() { "IPv4" } else { "IPv6" };
        let _infallible = write!(
            text,
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata:\n  name: {name}-{number}\n  namespace: {NAMESPACE}\n\
             \x20 labels: {{kubernetes.io/service-name: {name}}}\n\
             addressType: {family}\nendpoints: [{{addresses: [\"{}\"]}}]\n\
             ports: [{{name: p, protocol: {protocol}, port: {}}}]\n",
            endpoint.ip(),
            endpoint.port()
        );
    }
    text
}

/// A TLS Secret.
pub fn secret(name: &str, identity: &Identity) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\n\
         type: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        block(&identity.certificate),
        block(&identity.key)
    )
}

/// A ConfigMap with an authority, and a BackendTLSPolicy that makes the gateway speak TLS to a
/// Service and trust that authority.
pub fn backend_tls(service: &str, hostname: &str, authority: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\n\
         metadata: {{name: {service}-ca, namespace: {NAMESPACE}}}\ndata:\n  ca.crt: |\n{}\
         ---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\n\
         metadata: {{name: {service}, namespace: {NAMESPACE}}}\nspec:\n\
         \x20 targetRefs: [{{group: \"\", kind: Service, name: {service}}}]\n  validation:\n\
         \x20   hostname: {hostname}\n\
         \x20   caCertificateRefs: [{{group: \"\", kind: ConfigMap, name: {service}-ca}}]\n",
        block(authority)
    )
}

fn block(pem: &str) -> String {
    pem.lines().map(|line| format!("    {line}\n")).collect()
}
