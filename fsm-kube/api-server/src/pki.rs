//! The certificate authority of one server, and what it has signed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::error::StartError;

/// Makes keys and certificates and keeps them as PEM files in one folder.
pub(crate) struct Pki {
    folder: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    /// A new authority, with the files `ca.crt`, `server.crt`, `server.key` (for 127.0.0.1 and localhost), `sa.key` and
    /// `sa.pub` (for service-account tokens) in the folder.
    pub(crate) fn create(folder: &Path) -> Result<Self, StartError> {
        fs::create_dir_all(folder).map_err(StartError::io(format!("make {}", folder.display())))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name("kube-api-server test authority", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pki =
            Self { folder: folder.to_owned(), authority: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? };
        pki.write("ca.crt", &pki.authority.pem())?;

        let mut server = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        server.distinguished_name = name("127.0.0.1", None);
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        pki.sign("server", server)?;

        let tokens = KeyPair::generate()?;
        pki.write("sa.key", &tokens.serialize_pem())?;
        pki.write("sa.pub", &tokens.public_key_pem())?;
        Ok(pki)
    }

    /// A client certificate for a user, in a group or in none, as `FILE.crt` and `FILE.key`.
    pub(crate) fn client(&self, file: &str, user: &str, group: Option<&str>) -> Result<(), StartError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, params)
    }

    /// The path of one of the files.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn sign(&self, file: &str, mut params: CertificateParams) -> Result<(), StartError> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.authority)?;
        self.write(&format!("{file}.crt"), &certificate.pem())?;
        self.write(&format!("{file}.key"), &key.serialize_pem())
    }

    fn write(&self, file: &str, text: &str) -> Result<(), StartError> {
        let path = self.path(file);
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(StartError::io(format!("write {}", path.display())))
    }
}

/// A subject as Kubernetes reads it: the common name is the user, the organisation is the group.
fn name(user: &str, group: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, user);
    name
}
