//! `--listen`: a forwarded port in one word. Reads the word; [`manifest`] writes what it means.

pub(crate) mod manifest;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use snapshot::ServerName;

/// One `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// What is listened for.
    pub protocol: Protocol,
    /// The port that is listened on.
    pub port: NonZeroU16,
    /// Where it goes, never empty.
    pub backends: Vec<Backend>,
}

/// What is listened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
    /// Connections whose ClientHello asks for this name; `*.` in front stands for more labels.
    Tls(String),
}

impl Protocol {
    /// As a Gateway's listener spells it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Tls(_) => "TLS",
        }
    }
}

/// One backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    /// Its address or name.
    pub host: Host,
    /// Its port.
    pub port: NonZeroU16,
}

/// Address or name of a backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Host {
    /// An address.
    Ip(IpAddr),
    /// A DNS name, resolved while running.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (front, backends) = text.split_once('=').ok_or(
            "expected PROTOCOL:PORT[:HOSTNAME]=HOST:PORT, for example tcp:5432=10.0.0.7:5432",
        )?;
        let mut parts = front.splitn(3, ':');
        let protocol = parts.next().unwrap_or_default();
        let port = port(parts.next().ok_or("there is no port to listen on")?)?;
        let protocol = match (protocol, parts.next()) {
            ("tcp", None) => Protocol::Tcp,
            ("udp", None) => Protocol::Udp,
            ("tls", Some(name)) => Protocol::Tls(hostname(name)?),
            ("tls", None) => {
                return Err(format!(
                    "tls needs the server name that clients ask for: tls:{port}:db1.example.com=...; \
                     to forward every connection whatever its name use tcp:{port}=..."
                ));
            }
            ("tcp" | "udp", Some(name)) => {
                return Err(format!(
                    "only tls has a server name, {protocol} cannot match `{name}`"
                ));
            }
            (other, _) => return Err(format!("`{other}` is none of tcp, udp and tls")),
        };
        let backends = backends.split(',').map(Backend::from_str).collect::<Result<_, _>>()?;
        Ok(Self { protocol, port, backends })
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, number) =
            text.rsplit_once(':').ok_or_else(|| format!("backend `{text}` is not HOST:PORT"))?;
        let port = port(number)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed.unwrap_or(host).parse() {
            Ok(IpAddr::V6(_)) if bracketed.is_none() => {
                return Err(format!("backend `{text}`: write the address as [{host}]:{port}"));
            }
            Ok(address) => Host::Ip(address),
            Err(_) => Host::Name(name(host)?),
        };
        Ok(Self { host, port })
    }
}

fn port(text: &str) -> Result<NonZeroU16, String> {
    text.parse().map_err(|_| format!("`{text}` is not a port number from 1 to 65535"))
}

fn hostname(text: &str) -> Result<String, String> {
    match text.strip_prefix("*.") {
        Some(rest) => Ok(format!("*.{}", name(rest)?)),
        None => name(text),
    }
}

/// A DNS name as Kubernetes takes it (RFC 1123): no underscore, lower case.
fn name(text: &str) -> Result<String, String> {
    let label =
        |label: &str| !label.starts_with('-') && !label.ends_with('-') && !label.contains('_');
    ServerName::parse(text.as_bytes())
        .filter(|name| name.as_str().split('.').all(label))
        .map(|name| name.as_str().to_owned())
        .ok_or_else(|| format!("`{text}` is neither an address nor a DNS name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_read_or_says_what_is_wrong() {
        let cases = [
            ("tcp:5432=10.0.0.7:5432", Ok("TCP 5432 10.0.0.7 5432")),
            ("udp:53=10.0.0.8:53,10.0.0.9:5353", Ok("UDP 53 10.0.0.8 53 10.0.0.9 5353")),
            ("tcp:1=[2001:db8::1]:2", Ok("TCP 1 2001:db8::1 2")),
            ("tcp:1=Db.Example.Com.:2", Ok("TCP 1 db.example.com 2")),
            ("tls:443:*.example.com=a:1", Ok("TLS(*.example.com) 443 a 1")),
            ("", Err("expected PROTOCOL:PORT")),
            ("tcp:5432", Err("expected PROTOCOL:PORT")),
            ("tcp=a:1", Err("no port to listen on")),
            ("tcp:0=a:1", Err("`0` is not a port")),
            ("tcp:65536=a:1", Err("`65536` is not a port")),
            ("tcp:+1=a:99999", Err("`99999` is not a port")),
            ("http:80=a:1", Err("`http` is none of tcp, udp and tls")),
            ("tcp:1:a.example=a:1", Err("only tls has a server name")),
            ("tls:443=a:1", Err("tls:443:db1.example.com")),
            ("tls:443:*=a:1", Err("`*` is neither")),
            ("tls:443:a_b=a:1", Err("`a_b` is neither")),
            ("tcp:1=", Err("is not HOST:PORT")),
            ("tcp:1=a", Err("is not HOST:PORT")),
            ("tcp:1=a:1,", Err("is not HOST:PORT")),
            ("tcp:1=::1:2", Err("write the address as [::1]:2")),
            ("tcp:1=-a:2", Err("`-a` is neither")),
        ];
        for (text, expected) in cases {
            let read = text.parse::<Spec>().map(|spec| {
                let protocol = match &spec.protocol {
                    Protocol::Tls(name) => format!("TLS({name})"),
                    other => other.as_str().to_owned(),
                };
                let backends = spec.backends.iter().map(|b| format!(" {} {}", b.host, b.port));
                format!("{protocol} {}{}", spec.port, backends.collect::<String>())
            });
            match (read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text}"),
                (Err(read), Err(expected)) => assert!(read.contains(expected), "{text}: {read}"),
                (read, expected) => panic!("{text}: {read:?}, expected {expected:?}"),
            }
        }
    }
}
