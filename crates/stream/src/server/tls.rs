//! TLS settings of the controller's end.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// HTTP/2 (RFC 9113 §3.2), the one protocol that both ends offer.
pub(crate) const ALPN: &[u8] = b"h2";

/// Settings with one certificate chain, leaf first: TLS 1.3 and HTTP/2 alone.
pub fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// The same settings, offering HTTP/2 and nothing else.
pub(super) fn with_http2(config: &Arc<ServerConfig>) -> Arc<ServerConfig> {
    if config.alpn_protocols == [ALPN] {
        return config.clone();
    }
    let mut config = ServerConfig::clone(config);
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}
