//! The secret that a caller presents. Invariant: only its hash is kept, and it is compared in constant time.

use std::fmt;
use std::path::Path;

use blake3::Hash;

/// The fewest bytes of a token. A random token of this length cannot be guessed.
const SHORTEST: usize = 16;

/// The secret that callers present as `Authorization: Bearer …`.
#[derive(Clone, Copy)]
pub struct Token(Hash);

/// Why a text is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It is too short.
    #[error("the token has {0} bytes, and a token needs at least 16; make one with `openssl rand -hex 32`")]
    TooShort(usize),
    /// Its file cannot be read.
    #[error("the token cannot be read from {path}: {source}; write it there with `openssl rand -hex 32`")]
    File {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl Token {
    /// This token, without space around it.
    ///
    /// # Errors
    /// [`TokenError::TooShort`] if it has fewer than 16 bytes.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() < SHORTEST {
            Err(TokenError::TooShort(text.len()))
        } else {
            Ok(Self(blake3::hash(text.as_bytes())))
        }
    }

    /// The token in a file, such as a mounted secret.
    ///
    /// # Errors
    /// [`TokenError::File`] if the file cannot be read, and the errors of [`new`](Self::new).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| TokenError::File { path: path.display().to_string(), source })?;
        Self::new(&text)
    }

    /// Whether this is the token. It takes equally long for every text of one length.
    pub(crate) fn is(&self, given: &str) -> bool {
        // `Hash` compares in constant time.
        self.0 == blake3::hash(given.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_enough_and_never_printed() {
        let text = "0123456789abcdef";
        let token = Token::new(&format!(" {text}\n")).unwrap();
        assert!(token.is(text) && !token.is("0123456789abcdeg") && !token.is("") && !token.is(&format!("{text}0")));
        assert!(!format!("{token:?}").contains(text));
        assert!(matches!(Token::new("  short "), Err(TokenError::TooShort(5))));
        assert!(Token::from_file("/nowhere/token").unwrap_err().to_string().contains("/nowhere/token"));
    }
}
