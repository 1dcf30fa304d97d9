//! Writes ClientHellos byte by byte: what no TLS library would send must be sendable here.

use std::sync::Arc;

/// One hello and what must be read from it.
pub(crate) struct Sample {
    pub(crate) label: String,
    /// The handshake message, header included.
    pub(crate) message: Vec<u8>,
    pub(crate) name: Option<String>,
    pub(crate) alpn: Vec<Vec<u8>>,
}

/// The fields of a hello, each as raw as can be.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) version: u16,
    pub(crate) session_id: Vec<u8>,
    pub(crate) suites: Vec<u16>,
    pub(crate) compression: Vec<u8>,
    pub(crate) extensions: Vec<(u16, Vec<u8>)>,
    /// Bytes of a padding extension (RFC 7685) put last; 0 is none.
    pub(crate) padding: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            version: 0x0303,
            session_id: vec![0x5a; 32],
            suites: vec![0x1301, 0x1302, 0x1303, 0xc02b],
            compression: vec![0],
            extensions: vec![],
            padding: 0,
        }
    }
}

impl Shape {
    /// The handshake message. Without extensions there is no extension block either.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = vec![0; 4];
        body.extend(self.version.to_be_bytes());
        body.extend([0xa5; 32]);
        body.push(u8::try_from(self.session_id.len()).unwrap());
        body.extend(&self.session_id);
        body.extend(sized(&u16s(&self.suites)));
        body.push(u8::try_from(self.compression.len()).unwrap());
        body.extend(&self.compression);
        let mut extensions = Vec::new();
        let padding = (self.padding > 0).then(|| (21, vec![0; self.padding]));
        for (kind, data) in self.extensions.iter().chain(&padding) {
            extensions.extend(kind.to_be_bytes());
            extensions.extend(sized(data));
        }
        if !extensions.is_empty() {
            body.extend(sized(&extensions));
        }
        Self::with_length(body)
    }

    /// Puts a header with the right length over the first four bytes.
    pub(crate) fn with_length(mut message: Vec<u8>) -> Vec<u8> {
        let length = u32::try_from(message.len() - 4).unwrap();
        message[..4].copy_from_slice(&(0x0100_0000 | length).to_be_bytes());
        message
    }
}

fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// `data` behind its two-byte length.
pub(crate) fn sized(data: &[u8]) -> Vec<u8> {
    [&u16::try_from(data.len()).unwrap().to_be_bytes(), data].concat()
}

pub(crate) fn server_name_list(names: &[Vec<u8>]) -> Vec<u8> {
    sized(&names.concat())
}

pub(crate) fn server_name(name: &str) -> (u16, Vec<u8>) {
    (0, server_name_list(&[[&[0][..], &sized(name.as_bytes())].concat()]))
}

fn alpn(protocols: &[&str]) -> (u16, Vec<u8>) {
    let list: Vec<u8> = protocols
        .iter()
        .flat_map(|protocol| {
            [&[u8::try_from(protocol.len()).unwrap()], protocol.as_bytes()].concat()
        })
        .collect();
    (16, sized(&list))
}

/// The message cut into records as given.
pub(crate) fn frame(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&[22, 3, 1][..], &sized(part)].concat()).collect()
}

pub(crate) fn one_record(message: &[u8]) -> Vec<u8> {
    frame(&[message])
}

/// What a style of client sends around server name and ALPN: before, between, after.
type Extensions = Vec<(u16, Vec<u8>)>;

const X25519: u16 = 0x001d;
const X25519_MLKEM768: u16 = 0x11ec;
const GREASE: u16 = 0x7a7a;

fn key_shares(shares: &[(u16, usize)]) -> (u16, Vec<u8>) {
    let list: Vec<u8> = shares
        .iter()
        .flat_map(|(group, length)| [&group.to_be_bytes()[..], &sized(&vec![9; *length])].concat())
        .collect();
    (51, sized(&list))
}

fn groups(groups: &[u16]) -> (u16, Vec<u8>) {
    (10, sized(&u16s(groups)))
}

fn signatures() -> (u16, Vec<u8>) {
    (13, sized(&u16s(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805])))
}

/// Name, fields, extensions before the server name, between it and ALPN, after ALPN.
fn styles() -> Vec<(&'static str, Shape, Extensions, Extensions, Extensions)> {
    let tls13 = |shares: &[(u16, usize)]| {
        let named: Vec<u16> = shares.iter().map(|(group, _)| *group).collect();
        vec![
            groups(&named),
            signatures(),
            (43, vec![4, 3, 4, 3, 3]),
            (45, vec![1, 1]),
            key_shares(shares),
        ]
    };
    let base = Shape::default();
    let old =
        Shape { version: 0x0301, session_id: vec![], suites: vec![0x002f, 0x000a], ..base.clone() };
    let chrome =
        Shape { suites: vec![GREASE, 0x1301, 0x1302, 0xc02b], padding: 190, ..base.clone() };
    vec![
        (
            "openssl",
            base.clone(),
            vec![(11, vec![3, 0, 1, 2])],
            vec![(22, vec![]), (23, vec![])],
            tls13(&[(X25519, 32)]),
        ),
        (
            "go",
            base.clone(),
            vec![(5, vec![1, 0, 0, 0, 0])],
            tls13(&[(X25519, 32)]),
            vec![(18, vec![])],
        ),
        (
            "post-quantum",
            base.clone(),
            vec![],
            vec![],
            tls13(&[(X25519_MLKEM768, 1216), (X25519, 32)]),
        ),
        (
            "chrome",
            chrome,
            vec![(GREASE, vec![])],
            tls13(&[(GREASE, 1), (X25519, 32)]),
            vec![(0xfe0d, vec![0; 218]), (0x1a1a, vec![0])],
        ),
        (
            "tls1.2",
            base,
            vec![(65281, vec![0])],
            vec![groups(&[X25519])],
            vec![signatures(), (35, vec![])],
        ),
        ("tls1.0", old, vec![], vec![], vec![]),
    ]
}

/// Hellos of six styles of client, with every kind of name and offer, and rustls' own.
pub(crate) fn corpus() -> Vec<Sample> {
    let names = [
        None,
        Some("a.io"),
        Some("db1.prod.internal.example.com"),
        Some("DB1.Example.COM"),
        Some("trailing.example.com."),
        Some("_service-1.under_score.example"),
        Some("xn--fsqu00a.xn--0zwm56d"),
        Some("a-label-of-sixty-three-bytes-which-is-the-most-that-dns-permits.example.com"),
        Some("localhost"),
    ];
    let offers: [&[&str]; 4] =
        [&[], &["postgresql"], &["h2", "http/1.1"], &["h2", "http/1.1", "imap", "x"]];
    let mut corpus = Vec::new();
    for (style, shape, before, between, after) in styles() {
        for name in names {
            for offer in offers {
                let mut extensions = before.clone();
                extensions.extend(name.map(server_name));
                extensions.extend(between.clone());
                extensions.extend((!offer.is_empty()).then(|| alpn(offer)));
                extensions.extend(after.clone());
                corpus.push(Sample {
                    label: format!("{style} {name:?} {offer:?}"),
                    message: Shape { extensions, ..shape.clone() }.message(),
                    name: name.map(|name| name.trim_end_matches('.').to_ascii_lowercase()),
                    alpn: offer.iter().map(|protocol| protocol.as_bytes().to_vec()).collect(),
                });
            }
        }
    }
    corpus.extend(from_rustls());
    corpus
}

/// What rustls really sends, by version and key exchange.
fn from_rustls() -> Vec<Sample> {
    let classic = || {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.kx_groups.retain(|group| group.name() == rustls::NamedGroup::X25519);
        Arc::new(provider)
    };
    let (tls12, tls13) = (&rustls::version::TLS12, &rustls::version::TLS13);
    [
        ("rustls, post-quantum", dataplane::tls::provider(), vec![tls13]),
        ("rustls, classic", classic(), vec![tls13]),
        ("rustls, 1.2 and 1.3", classic(), vec![tls12, tls13]),
        ("rustls, 1.2", classic(), vec![tls12]),
    ]
    .into_iter()
    .map(|(label, provider, versions)| {
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"mqtt".to_vec()];
        let name = rustls::pki_types::ServerName::try_from("broker.example.com").unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        Sample {
            label: label.to_owned(),
            message: wire[5..].to_vec(),
            name: Some("broker.example.com".to_owned()),
            alpn: vec![b"mqtt".to_vec()],
        }
    })
    .collect()
}
