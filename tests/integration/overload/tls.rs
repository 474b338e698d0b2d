//! TLS of each service, and its certificate when that changes.

use std::fs;

use reqwest::tls::TlsInfo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{ALL, Service, block_on, certificate, keys_only, stranger};
use demo_test_support::{Project, until};

/// The certificate that a new client sees.
fn shown(service: &Service) -> Vec<u8> {
    block_on(async {
        let answer = stranger().get(&service.url).send().await.unwrap();
        let info = answer.extensions().get::<TlsInfo>().unwrap();
        info.peer_certificate().unwrap().to_vec()
    })
}

fn of(project: &Project, name: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(project.join(&format!("{name}.crt"))).unwrap().to_vec()
}

fn replace(project: &Project, from: &str, to: &str) {
    project.write("new", project.read(from));
    fs::rename(project.join("new"), project.join(to)).unwrap();
}

#[test]
fn l4_a_new_certificate_is_taken_and_a_bad_one_is_not() {
    let project = keys_only();
    certificate(&project, "first");
    certificate(&project, "second");
    for kind in ALL {
        let tls = certificate(&project, "live");
        replace(&project, "first.crt", "live.crt");
        replace(&project, "first.key", "live.key");
        let mut service = kind.start(&project, &tls);
        assert_eq!(shown(&service), of(&project, "first"), "{kind:?}");
        // A certificate without its key, as between the two writes of a renewal.
        replace(&project, "second.crt", "live.crt");
        service.process.until_says("the old content stays");
        assert_eq!(shown(&service), of(&project, "first"), "{kind:?}");
        replace(&project, "second.key", "live.key");
        until("the new certificate is shown", || shown(&service) == of(&project, "second"));
        service.process.until_says("the TLS certificate has changed");
    }
}
