//! A bad configuration is found at the start, and told without its secrets.

use demo_test_support::Project;
use demo_test_support::issuer::{Issuer, Mint, Yaml};

#[test]
fn a_bad_configuration_is_told_with_file_and_key() {
    let project = Project::new();
    project.demo(["setup"]).success();
    let said = project.demo(["mint", "serve"]).says("mint.yaml").fails(5);
    said.hint("-c");
    let issuer = Issuer::later(&project, "ES256");
    let yaml = Yaml::with(issuer.by_jwks());
    drop(Mint::start(&project, &issuer, &yaml));
    // The issuer does not run.
    project.demo(["mint", "check", "--offline"]).says("mint.yaml is valid").success();
    let good = project.read("mint.yaml");

    for (from, to, part) in [
        ("  jwks:", "  secret: hunter2\n  x-jwks:", "mint.yaml"),
        ("audience: authenticated", "audience: ${NOT_SET}", "NOT_SET"),
        ("key: ${LIBSQL_ADMIN_AUTH_KEY}", "key: hunter2\n  colour: red", "`admin.colour`"),
        (".local/jwt/jwt.key", ".local/jwt/jwt.pub", "not a private key"),
        (
            "issuer: demo-mint",
            "claims: {namespaces: user_metadata.ns}",
            "`token.claims.namespaces`",
        ),
    ] {
        project.write("mint.yaml", good.replacen(from, to, 1));
        let said = project.demo(["mint", "serve"]).says(part).fails(2);
        assert!(!said.stderr.contains("hunter2"), "{said:?}");
    }
    project.write("schema.sql", "CREATE TABLE t (x); COMMIT;");
    project.write("mint.yaml", good.replacen("  key: $", "  schema: schema.sql\n  key: $", 1));
    project.demo(["mint", "check"]).says("schema.sql contains the statement COMMIT").fails(2);
    project.write("mint.yaml", good.replacen(".local/jwt/jwt.key", "nothing.key", 1));
    project.demo(["mint", "check"]).says("nothing.key").fails(5);
    project.write("mint.yaml", &good);
    project.demo(["mint", "serve", "--log-level", "loud"]).says("`loud`").fails(2);
}
