//! What the tests share.

use std::sync::Arc;

use tokio::runtime::Builder;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Runs a program in a multi-thread runtime, then in a current-thread one. `CORELANE_FLAVOR=sharded` makes the first one sharded.
pub fn on_each_flavor(program: impl AsyncFn()) {
    for flavor in [Builder::new_multi_thread, Builder::new_current_thread] {
        let runtime = flavor().worker_threads(2).enable_all().build().expect("a runtime");
        eprintln!("in a {:?} runtime", runtime.handle().runtime_flavor());
        runtime.block_on(program());
    }
}

/// Where the server is that `run` started for the tests.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run tests/ecosystem/run, which starts the servers")
    })
}

/// A server's side and a client's side of TLS, with a certificate for `localhost`.
pub fn tls() -> (ServerConfig, ClientConfig) {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
    let mut roots = RootCertStore::empty();
    roots.add(identity.cert.der().clone()).expect("a root");
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.into()], key.into())
        .expect("a certificate and its key");
    (server, ClientConfig::builder().with_root_certificates(Arc::new(roots)).with_no_client_auth())
}
