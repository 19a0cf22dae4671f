//! Files that pages load: what parts a visit to a page from a call of a script.

/// Extensions of styles, scripts, pictures, fonts, sounds, films and documents that are served as
/// they lie there. The one list: a path must not be a page to one detector and an asset to another.
const EXTENSIONS: [&str; 30] = [
    "css",
    "js",
    "mjs",
    "map",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "webp",
    "avif",
    "svg",
    "ico",
    "bmp",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "eot",
    "mp4",
    "webm",
    "mp3",
    "ogg",
    "m3u8",
    "m4s",
    "ts",
    "pdf",
    "txt",
    "xml",
    "wasm",
    "webmanifest",
];

/// The longest extension and its dot.
const TAIL_BYTES: usize = 12;

/// Whether the path of `uri` (its query, if any, is left out) ends in the extension of an asset.
pub fn is_asset(uri: &str) -> bool {
    let path = match memchr::memchr2(b'?', b'#', uri.as_bytes()) {
        Some(end) => &uri.as_bytes()[..end],
        None => uri.as_bytes(),
    };
    let tail = &path[path.len().saturating_sub(TAIL_BYTES)..];
    let Some(dot) = tail.iter().rposition(|&byte| byte == b'.' || byte == b'/') else {
        return false;
    };
    let extension = &tail[dot + 1..];
    tail[dot] == b'.'
        && EXTENSIONS
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::is_asset;

    #[test]
    fn the_last_extension_of_the_path_decides() {
        for uri in [
            "/a.css",
            "/a/B.JPG?v=1.html",
            "/site.webmanifest",
            "/x.tar.js#top",
            "a.png",
        ] {
            assert!(is_asset(uri), "{uri}");
        }
        for uri in [
            "",
            "/",
            "/css",
            "/a.css/b",
            "/a?file=b.png",
            "/a.html",
            "/a.",
            "/.css/x",
            "/공연",
        ] {
            assert!(!is_asset(uri), "{uri}");
        }
    }
}
