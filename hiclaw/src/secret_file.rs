//! Secrets in a file of their own. Invariant: a file is there whole and durable, or not at all, and only its owner may read it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// The fields of a file, one `NAME=value` a line; none if there is no such file.
pub(crate) fn read(path: &Path) -> io::Result<Option<BTreeMap<String, String>>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let fields = text.lines().filter_map(|line| line.split_once('='));
    Ok(Some(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
}

/// Writes a file, mode 0600. When this returns, it is durable.
pub(crate) fn write<'a>(path: &Path, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    for (name, value) in fields {
        writeln!(file, "{name}={value}")?;
    }
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(feature = "embedded")]
/// A name as a file's: it is one of a Kubernetes object; anything else is made harmless.
pub(crate) fn harmless(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
