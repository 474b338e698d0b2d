//! What is told to operators only, and addresses that a network can connect to.

use super::{ALL, block_on, certificate, keys_only, stranger};
use crate::gate::field;

#[test]
fn l3_metrics_and_health_are_on_the_admin_listener_only() {
    let project = keys_only();
    for kind in ALL {
        let with = kind.start(&project, &format!("{}: 127.0.0.1:0\n", kind.admin_key()));
        let without = kind.start(&project, "");
        assert!(!without.line.contains("admin="), "{}", without.line);
        let admin = format!("http://{}", field(&with.line, "admin"));
        block_on(async {
            let http = stranger();
            with.honest(&http).await;
            for path in ["/metrics", "/healthz", "/health"] {
                for (url, status) in [(&admin, 200), (&with.url, 404), (&without.url, 404)] {
                    let answer = http.get(format!("{url}{path}")).send().await.unwrap();
                    assert_eq!(answer.status(), status, "{kind:?} {url}{path}");
                }
            }
            let metrics = http.get(format!("{admin}/metrics")).send().await.unwrap();
            let metrics = metrics.text().await.unwrap();
            assert!(metrics.contains("_requests_total{"), "{metrics}");
            // Nothing else is there.
            let token = http.post(format!("{admin}/token")).send().await.unwrap();
            assert_eq!(token.status(), 404);
        });
    }
}

#[test]
fn l4_a_network_address_without_tls_is_refused_unless_the_file_allows_it() {
    let project = keys_only();
    let tls = certificate(&project, "network");
    for kind in ALL {
        let (command, admin) = (kind.command(), kind.admin_key());
        for address in ["0.0.0.0:0", "'[::]:0'", "192.0.2.1:0"] {
            let file = kind.configure(&project, &format!("listen: {address}\n"));
            let said = project.demo([command, "serve", "-c", &file]).says("not a loopback address");
            said.fails(2).hint("plaintext: true");
        }
        let file = kind.configure(&project, "listen: 127.0.0.1:0\n");
        let line = [command, "serve", "-c", &file, "--listen", "0.0.0.0:0"];
        project.demo(line).says("not a loopback address").fails(2).hint("tls:");
        let more = format!("listen: 127.0.0.1:0\n{admin}: 0.0.0.0:0\n{tls}");
        let file = kind.configure(&project, &more);
        let said = project.demo([command, "serve", "-c", &file]).says("admin address 0.0.0.0:0");
        said.fails(2).hint("127.0.0.1");
        for more in ["plaintext: true\n", &tls] {
            let file = kind.configure(&project, &format!("listen: 0.0.0.0:0\n{more}"));
            let run = project.command([command, "serve", "-c", &file]);
            kind.started(&project, run, false);
        }
    }
    let file = super::Kind::Mint.configure(&project, "listen: 0.0.0.0:0\n");
    project.demo(["mint", "check", "-c", &file]).says("not a loopback address").fails(2);
}
