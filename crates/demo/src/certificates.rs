//! Two certificate authorities and a certificate of each, made anew at every start: one for the
//! backend that encrypts itself, one for the gateway. That each client call trusts only one of the
//! two proves who ended its TLS session.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::{SHOP, VAULT};

/// Paths of what was written, and what the web server of the vault needs.
pub(crate) struct Certificates {
    /// The folder with the Secret that the Gateway names.
    pub(crate) manifests: PathBuf,
    /// The authority of the vault's certificate, PEM.
    pub(crate) vault_authority: PathBuf,
    /// The authority of the shop's certificate, PEM.
    pub(crate) shop_authority: PathBuf,
    /// The vault's certificate.
    pub(crate) vault: Identity,
}

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
    authority: String,
}

impl Certificates {
    /// Makes certificates and writes what others read of them below `folder`.
    pub(crate) fn make(folder: &Path) -> io::Result<Self> {
        let vault = Identity::issue(VAULT, "Quickstart: authority of the vault")?;
        let shop = Identity::issue(SHOP, "Quickstart: authority of the gateway")?;
        let manifests = folder.join("manifests");
        fs::create_dir_all(&manifests)?;
        let vault_authority = folder.join("vault-ca.pem");
        let shop_authority = folder.join("shop-ca.pem");
        fs::write(&vault_authority, &vault.authority)?;
        fs::write(&shop_authority, &shop.authority)?;
        write_private(&manifests.join("shop-certificate.yaml"), &shop.secret("shop-certificate"))?;
        Ok(Self { manifests, vault_authority, shop_authority, vault })
    }
}

impl Identity {
    fn issue(name: &str, authority: &str) -> io::Result<Self> {
        let authority_key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::new([]).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, authority);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key).map_err(io::Error::other)?.pem();
        let issuer = Issuer::new(params, authority_key);

        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut params = CertificateParams::new([name.to_owned()]).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer).map_err(io::Error::other)?;
        Ok(Self { certificate, key, authority })
    }

    /// The Secret as a manifest.
    fn secret(&self, name: &str) -> String {
        let block =
            |pem: String| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: demo\n\
             type: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
            block(self.certificate.pem()),
            block(self.key.serialize_pem())
        )
    }
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
