//! Redacts texts of providers. Invariant: the text of an author's error passes through [`redacted`] before it becomes a message. In the
//! record, the annotation, the status, Events, logs and reports it is therefore bounded and without credentials.
//!
//! | in an error's text | in the message |
//! |---|---|
//! | a URL | without userinfo, query and fragment |
//! | a path with a query | without the query |
//! | `user:password@host` | `host` |
//! | `api_key=…`, `"token": "…"`, `Authorization: …`, cookies, passwords, signatures, credentials | the name, and `[removed]` |
//! | `Bearer …`, `Basic …`, a JSON web token, a private key | `[removed]` |
//! | more than 2 KiB | the first 2 KiB, and how much was left out |
//!
//! This does not replace an author's care: a secret in the path of a URL, or under a name that is not listed, is not recognised.

use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

/// How long a message is at most, in bytes.
pub const LONGEST: usize = 2048;

/// How much of a text is looked at.
const CONSIDERED: usize = 8 * LONGEST;

const REMOVED: &str = "[removed]";

/// Names under which credentials are found in errors.
const NAME: &str = "[a-z0-9_.-]*(?:token|secret|passwd|password|passphrase|pwd|api[_-]?key|access[_-]?key|private[_-]?key|signature|credential|authorization|cookie|session[_-]?id)[a-z0-9_.-]*";

static URL: LazyLock<Regex> = LazyLock::new(|| regex(r#"\b[a-z][a-z0-9+.-]*://[^\s"'<>`]+"#));
static QUERY: LazyLock<Regex> = LazyLock::new(|| regex(r#"\?[^\s"'<>`=]*=[^\s"'<>`]*"#));
static USERINFO: LazyLock<Regex> = LazyLock::new(|| regex(r#"[^\s/@:"'<>`(]+:[^\s/@"'<>`]+@([a-z0-9])"#));
static AUTHORIZATION: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"\b((?:proxy-)?authorization)\\?["']?\s*[:=]\s*\\?["']?(?:(?:bearer|basic|digest|token|negotiate|apikey|signature|aws4-hmac-sha256)\s+[^\r\n"']*|[^\s"',;]+)"#,
    )
});
static COOKIE: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"\b((?:set-)?cookie)\\?["']?\s*[:=]\s*\\?["']?[^\s;,"']+(?:;\s*[^\s;,"']+)*"#));
static ASSIGNED: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!(r#"\b({NAME})\\?["']?\s*=\s*(?:\\?"[^"]*"|'[^']*'|[^\s"'&;,<>)}}\]]+)"#)));
static IN_JSON: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!(r#"\b({NAME})\\?["']\s*:\s*(?:\\?"[^"]*"|'[^']*'|[^\s"',}}\]]+)"#)));
static NAMED: LazyLock<Regex> = LazyLock::new(|| regex(&format!(r#"\b({NAME})\s*:\s*([^\s"',;<>)}}\]]+)"#)));
static SCHEME: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(bearer|basic)\s+([a-z0-9._~+/=-]{8,})"));
static TOKEN: LazyLock<Regex> = LazyLock::new(|| regex(r"\beyJ[a-z0-9_-]{8,}\.[a-z0-9_-]+(?:\.[a-z0-9_-]*)?"));
static PRIVATE_KEY: LazyLock<Regex> =
    LazyLock::new(|| regex(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*-----)?"));

/// A pattern of this module, which its tests compile.
fn regex(pattern: &str) -> Regex {
    let pattern = format!("(?i){pattern}");
    match Regex::new(&pattern) {
        Ok(regex) => regex,
        Err(error) => unreachable!("{pattern} is a constant of this module: {error}"),
    }
}

/// A text without credentials, and at most [`LONGEST`] bytes of it.
///
/// ```
/// use durable_fsm::text::redacted;
///
/// let error = "403 for https://me:pw@s3.test/bucket/key?X-Amz-Signature=ab12#top";
/// assert_eq!(redacted(error), "403 for https://s3.test/bucket/key?[removed]");
/// ```
#[must_use]
pub fn redacted(text: &str) -> String {
    let considered = considered(text);
    let safe = URL.replace_all(considered, |found: &Captures<'_>| url(&found[0]));
    let safe = QUERY.replace_all(&safe, format!("?{REMOVED}"));
    let safe = USERINFO.replace_all(&safe, "$1");
    let safe = PRIVATE_KEY.replace_all(&safe, REMOVED);
    let safe = AUTHORIZATION.replace_all(&safe, format!("$1: {REMOVED}"));
    let safe = COOKIE.replace_all(&safe, format!("$1: {REMOVED}"));
    let safe = ASSIGNED.replace_all(&safe, format!("$1: {REMOVED}"));
    let safe = IN_JSON.replace_all(&safe, format!("$1\": {REMOVED}"));
    let safe = NAMED.replace_all(&safe, |found: &Captures<'_>| {
        // A sentence may go on behind such a name.
        let is_secret = found[1].to_ascii_lowercase().contains("pass") || is_random(&found[2]);
        if is_secret { format!("{}: {REMOVED}", &found[1]) } else { found[0].to_owned() }
    });
    let safe = SCHEME.replace_all(&safe, |found: &Captures<'_>| {
        if is_random(&found[2]) { format!("{} {REMOVED}", &found[1]) } else { found[0].to_owned() }
    });
    let safe = TOKEN.replace_all(&safe, REMOVED);
    bounded(&safe, text.len() - considered.len())
}

/// Whether it looks like a credential, and not like a word.
fn is_random(text: &str) -> bool {
    text.len() >= 16 || text.bytes().any(|byte| byte.is_ascii_digit())
}

/// As much of a text as is looked at: whole words, so that nothing is cut in the middle and no longer recognised.
fn considered(text: &str) -> &str {
    if text.len() <= CONSIDERED {
        return text;
    }
    let head = head(text, CONSIDERED);
    &head[..head.rfind(char::is_whitespace).unwrap_or_default()]
}

/// At most so many bytes of a text, in whole characters.
fn head(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// A URL without userinfo, query and fragment.
fn url(url: &str) -> String {
    // What a sentence puts behind a URL is no part of it.
    let bare = url.trim_end_matches([')', ']', '}', '.', ',', ';', ':', '\\']);
    let (scheme, rest) = bare.split_once("://").unwrap_or_default();
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = &rest[..end];
    // A password with a slash in it ends the authority too early.
    let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|_| !authority.ends_with(']'));
    let is_cut = port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()));
    let userinfo = if is_cut { rest.rfind('@') } else { authority.rfind('@') };
    let rest = userinfo.map_or(rest, |at| &rest[at + 1..]);
    let shown = rest.find(['?', '#']).map_or(rest, |at| &rest[..at]);
    let mark = if shown.len() < rest.len() { format!("?{REMOVED}") } else { String::new() };
    format!("{scheme}://{shown}{mark}{}", &url[bare.len()..])
}

/// The beginning of a text, and how much is missing.
fn bounded(text: &str, missing: usize) -> String {
    if text.len() <= LONGEST && missing == 0 {
        return text.to_owned();
    }
    // Room for the number.
    let shown = head(text, LONGEST - 48);
    format!("{shown} … ({} bytes more were left out)", text.len() - shown.len() + missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_place_and_nothing_else() {
        let cases = [
            ("https://host/p?X-Amz-Signature=ab", "https://host/p?[removed]"),
            ("https://host/p#access_token=ab", "https://host/p?[removed]"),
            (
                "error for url (https://user:pass@host:8080/p?api_key=ab)",
                "error for url (https://host:8080/p?[removed])",
            ),
            ("postgres://user:p/a?s#s@host/db.", "postgres://host/db."),
            ("redis://:pass@host/0, then", "redis://host/0, then"),
            ("https://[::1]:8080/p", "https://[::1]:8080/p"),
            ("https://[::1]/@scope/p", "https://[::1]/@scope/p"),
            ("https://host/@scope/p", "https://host/@scope/p"),
            (r#"{\"url\":\"https://a:b@host/p?c=d\"}"#, r#"{\"url\":\"https://host/p?[removed]\"}"#),
            ("two: https://a:b@c/ https://d:e@f/", "two: https://c/ https://f/"),
            ("GET /bucket/key?X-Amz-Signature=ab&x=y failed", "GET /bucket/key?[removed] failed"),
            ("dial user:pass@host:5432", "dial host:5432"),
        ];
        for (text, safe) in cases {
            assert_eq!(redacted(text), safe);
        }
    }

    #[test]
    fn a_credential_keeps_its_name() {
        let cases = [
            ("bad api_key=ab-12!, go", "bad api_key: [removed], go"),
            ("API-KEY = 'a b' x", "API-KEY: [removed] x"),
            ("client_secret=\"a b\"&x=1", "client_secret: [removed]&x=1"),
            (r#"{"access_token":"ab","id":7}"#, r#"{"access_token": [removed],"id":7}"#),
            (r#"{\"password\": \"a b\", \"id\": 7}"#, r#"{\"password": [removed], \"id\": 7}"#),
            ("Authorization: Bearer abc.def\nHost: h", "Authorization: [removed]\nHost: h"),
            ("authorization: AWS4-HMAC-SHA256 Credential=AK/x, Signature=ab\r\nb", "authorization: [removed]\r\nb"),
            ("Cookie: a=b; c=d\nX: y", "Cookie: [removed]\nX: y"),
            ("X-Auth-Token: 4f2a", "X-Auth-Token: [removed]"),
            ("X-Amz-Signature: ABCDEFGHIJKLMNOP", "X-Amz-Signature: [removed]"),
            ("password: hunter", "password: [removed]"),
            ("sent Bearer abcdefgh1", "sent Bearer [removed]"),
            ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s-g_1 end", "jwt [removed] end"),
            ("-----BEGIN RSA PRIVATE KEY-----\nab\n-----END RSA PRIVATE KEY----- end", "[removed] end"),
        ];
        for (text, safe) in cases {
            assert_eq!(redacted(text), safe);
        }
    }

    #[test]
    fn a_text_without_credentials_stays_as_it_is() {
        let texts = [
            "the account is suspended",
            "invalid token: expired",
            "Authorization failed: no such role",
            "bearer token expired",
            "pull secret: not found",
            "@alice:server.test is not in the room",
            "a = b, is it? yes = no",
            "2026-01-01T00:00:00Z 503 from https://host:8080/path",
            "größe: 5 µm",
            "",
        ];
        for text in texts {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn a_text_is_bounded() {
        let page = "<p>größe</p> ".repeat(30_000);
        let safe = redacted(&page);
        assert!(safe.len() <= LONGEST && safe.len() > LONGEST - 100, "{}", safe.len());
        let left_out = safe.rsplit_once('(').unwrap().1.split(' ').next().unwrap().parse::<usize>().unwrap();
        let shown = safe.split(" … (").next().unwrap().len();
        assert_eq!(left_out + shown, page.len());
        let exact = "x".repeat(LONGEST);
        assert_eq!(redacted(&exact), exact);
        assert!(redacted(&format!("{exact}x")).len() <= LONGEST);
    }

    /// What stands at the end of what is looked at may be the beginning of a URL.
    #[test]
    fn nothing_is_cut_in_the_middle_and_no_longer_recognised() {
        for before in CONSIDERED - 40..CONSIDERED + 5 {
            // So much is taken out that the end of what is looked at is shown.
            let text = format!("https://host/?{} https://user:pass@host/?api_key=x", "q".repeat(before - 20));
            let safe = redacted(&text);
            assert!(!safe.contains("pass") && !safe.contains("api_key="), "{safe}");
        }
        assert!(redacted(&format!("https://user:pass{}@host/", "s".repeat(CONSIDERED))).len() < 100);
    }
}
