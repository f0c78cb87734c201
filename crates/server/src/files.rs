//! The console's files: embedded in a release build, read from `console/dist` in a development build.

use axum::{
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use sdk::http::Problem;
use types::{Fault, codes};

#[derive(rust_embed::RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Console;

/// What a browser may load and from where: only from here.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
     object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Any path that is no route: a file of the console, else its first page.
pub(crate) async fn serve(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") || !matches!(method, Method::GET | Method::HEAD) {
        let detail = format!("there is no route {method} /{path}: see /api/v1/openapi.json");
        return Problem::from(Fault::new(codes::NOT_FOUND, detail)).into_response();
    }
    if let Some(file) = Console::get(path).filter(|_| !path.is_empty()) {
        // Names below assets/ carry a hash of the content.
        let cache =
            if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        return respond(StatusCode::OK, content_type(path), cache, file.data.into_owned());
    }
    if path.contains('.') {
        let text = b"there is nothing here".to_vec();
        return respond(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "no-store", text);
    }
    match Console::get("index.html") {
        Some(page) => respond(StatusCode::OK, "text/html; charset=utf-8", "no-cache", page.data.into_owned()),
        None => {
            let text =
                b"The console is not built. Run `cargo x demo`, or `npm ci && npm run build` in console/."
                    .to_vec();
            respond(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", "no-store", text)
        }
    }
}

fn respond(status: StatusCode, content_type: &'static str, cache: &'static str, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "webmanifest" => "application/json",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
